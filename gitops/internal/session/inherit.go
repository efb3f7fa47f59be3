package session

import (
	"fmt"
	"os"
	"syscall"

	pb "github.com/tidebot-dev/tidebot/gitops/internal/frontendv1"
)

// inherit opens a file that the process was started with, and keeps it from
// the programs that this one may start.
func inherit(f *pb.File) (*os.File, error) {
	if f.GetFd() < 3 {
		return nil, fmt.Errorf("file %d is not one to be handed over", f.GetFd())
	}
	syscall.CloseOnExec(int(f.GetFd()))
	file := os.NewFile(uintptr(f.GetFd()), f.GetName())
	if _, err := file.Stat(); err != nil {
		return nil, fmt.Errorf("take over file %d: %w", f.GetFd(), err)
	}
	return file, nil
}
