package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// undumpable hides the process's memory and environment from other processes
// of the same user, front-ends among them: /proc/PID then belongs to root.
func undumpable() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("make the process undumpable: %w", err)
	}
	return nil
}
