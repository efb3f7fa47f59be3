//go:build !linux

package supervisor

import "syscall"

// whenTheCoreDies does nothing: without Linux, a front-end that was stopped
// stays so until somebody lets it go on.
func whenTheCoreDies(*syscall.SysProcAttr) {}
