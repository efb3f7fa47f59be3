package supervisor

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// adopt makes this process the parent of its children's orphans. The kernel
// wakes stopped ones by itself if their parent is of another session, as init
// mostly is.
func adopt(t *testing.T, on uintptr) {
	t.Helper()
	const setChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER in prctl(2)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, on, 0); errno != 0 {
		t.Fatal(errno)
	}
}

// processState is the letter that proc(5) has for a process.
func processState(t *testing.T, pid int) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return after[:1]
}

func TestFrontendEndsWhenTheCoreIsKilled(t *testing.T) {
	adopt(t, 1)
	defer adopt(t, 0)
	for name, stopped := range map[string]bool{"running": false, "stopped before": true} {
		t.Run(name, func(t *testing.T) {
			opts := options(t, "host")
			cmd := exec.Command(opts.Path)
			cmd.Env = append(os.Environ(), opts.Env...)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			if stopped {
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the front-end has stopped", func() bool { return processState(t, pid) == "T" })
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Fatal("the core ended by itself")
			}
			eventually(t, "the front-end has ended", func() bool { return processState(t, pid) == "Z" })
			if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
				t.Errorf("reap the front-end: %v", err)
			}
		})
	}
}

// publicProgram is a copy of the test's binary that every user may run.
func publicProgram(t *testing.T, path string) string {
	t.Helper()
	// Other users may not enter what t.TempDir makes.
	dir, err := os.MkdirTemp("", "supervisor-test-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "frontend")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Only root can start a front-end as another user; for everybody else what is
// left to see is that it works with a user given.
func TestFrontendRunsAsItsUser(t *testing.T) {
	user := &syscall.Credential{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid()), NoSetGroups: true}
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		user, groups = &syscall.Credential{Uid: 65533, Gid: 65532}, []int{}
	}
	var said string
	opts := options(t, "user")
	opts.Path = publicProgram(t, opts.Path)
	opts.Core = listen(&said)
	opts.User = user
	if code, err := newSupervisor(t, opts).Once(t.Context()); code != 0 || err != nil {
		t.Fatalf("got code %d and error %v", code, err)
	}
	want := fmt.Sprintf("user %d %d group %d %d groups %v", user.Uid, user.Uid, user.Gid, user.Gid, groups)
	if said != want {
		t.Errorf("got %q, want %q", said, want)
	}
}
