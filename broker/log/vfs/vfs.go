// Package vfs is the file system a log is written to: the operating system's
// ([OS]), one in memory ([NewMem]), or one in memory that fails and crashes on
// demand ([NewFault]).
package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FS is a hierarchical file system. Names are slash-separated paths.
// Implementations are safe for concurrent use.
//
// Durability follows POSIX: a file's bytes survive a crash of the machine once
// [File.Sync] returned, its name once [FS.SyncDir] of its directory did.
type FS interface {
	// Open opens a file for reading and writing; with os.O_CREATE in flag it
	// makes one, with os.O_TRUNC it empties it. A missing file is
	// [fs.ErrNotExist].
	Open(name string, flag int) (File, error)
	Rename(oldName, newName string) error
	Remove(name string) error
	RemoveAll(dir string) error
	MkdirAll(dir string) error
	// List returns the names, without directory, of the files in dir.
	List(dir string) ([]string, error)
	SyncDir(dir string) error
	// Incarnation changes whenever unsynced writes may have been lost, that is
	// with each start of the machine; "" means unknown.
	Incarnation() string
}

// File is an open file. Reads and writes name their position, so a File may be
// shared; writes to overlapping ranges must not race.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Size() (int64, error)
	// Sync makes the file's bytes and size durable. After an error the state
	// of unsynced bytes is unknown: they must be written again or given up.
	Sync() error
}

// ReadFile returns a whole file of at most limit bytes.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("vfs: %s has %d bytes, more than %d", name, size, limit)
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err != nil && !(errors.Is(err, io.EOF) && n == len(b)) {
		return nil, err
	}
	return b, nil
}

// WriteFile replaces a file by data as one step: a crash leaves the old bytes
// or the new ones. With durable set the new ones have survived when it
// returns.
func WriteFile(fsys FS, name string, data []byte, durable bool) (err error) {
	tmp := name + ".tmp"
	f, err := fsys.Open(tmp, os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(data, 0); err == nil && durable {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = fsys.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(fsys.Remove(tmp)))
	}
	if durable {
		return fsys.SyncDir(filepath.Dir(name))
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
