package terminal

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tidebot-dev/tidebot/gitops/frontend"
)

func TestProgressIsShownToPersonsOnly(t *testing.T) {
	run := func(stderr *os.File) {
		t.Helper()
		stdout, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
		if err != nil {
			t.Fatal(err)
		}
		defer stdout.Close()
		err = New().Run(t.Context(), answering(results()["changed"]), frontend.Env{
			Args: []string{"status"}, Stdout: stdout, Stderr: stderr, Ready: func() {},
		})
		if err != nil {
			t.Errorf("run: %v", err)
		}
	}

	master, slave := openTerminal(t)
	run(slave)
	if line, err := bufio.NewReader(master).ReadString('\n'); err != nil || strings.TrimSpace(line) != "pushing" {
		t.Errorf("on a terminal: %q, %v; want the progress, inert", line, err)
	}

	name := filepath.Join(t.TempDir(), "stderr")
	stderr, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	run(stderr)
	if b, err := os.ReadFile(name); err != nil || len(b) != 0 {
		t.Errorf("in a file: %q, %v; want nothing", b, err)
	}
}

// openTerminal opens a pseudo-terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}
