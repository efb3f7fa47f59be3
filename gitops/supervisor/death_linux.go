package supervisor

import "syscall"

// whenTheCoreDies has the kernel wake a front-end that was stopped (SIGSTOP,
// Ctrl-Z), so that it sees that the core is gone, drains and exits, as one
// that runs does by itself. To that one the signal means nothing.
//
// SIGKILL would take the drain away. It would also come too early: the kernel
// sends the signal when the thread that started the process ends, which only
// for this one is no harm.
func whenTheCoreDies(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGCONT }
