package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/thalweg/thalweg/broker/log"
)

// dirLock keeps other brokers out of a data directory. The operating system
// drops it when the process dies.
type dirLock struct{ f *os.File }

// lockDir makes the directory if need be and locks it.
func lockDir(dir string) (*dirLock, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, explain(err, dir)
	}
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, explain(err, dir)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %q: stop the other broker or choose another DataDir", ErrInUse, dir)
		}
		return nil, explain(err, dir)
	}
	return &dirLock{f}, nil
}

// release unlocks the directory. A nil lock is released already.
func (l *dirLock) release() {
	if l != nil {
		_ = l.f.Close()
	}
}

// storageHint says what to do about a file system error, or "".
func storageHint(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "the disk is full: free some space or shorten retention"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "it is not writable: change its owner or mode, or choose another DataDir"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return "a file is in the way: choose another DataDir"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "too many open files: raise the limit (ulimit -n)"
	case errors.As(err, new(*log.CorruptionError)):
		return "a log is damaged where no crash can have put that: put back a copy of the file, or delete the topic and write it again"
	}
	return ""
}
