package pebble

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/thalweg/thalweg/state"
)

// Ingest writes each run to a file and adds the files to the database in one
// step of its manifest. The memtables are flushed before, so that what survives
// a crash is a prefix of what was applied even so.
func (e *engine) Ingest(runs ...state.Run) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return state.ErrClosed
	}
	err := e.room()
	if err == nil {
		err = e.ingest(runs)
	}
	if err != nil {
		return fmt.Errorf("pebble: ingest: %w", err)
	}
	return nil
}

func (e *engine) ingest(runs []state.Run) (err error) {
	dir, err := os.MkdirTemp(e.path, incoming)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var paths []string
	for i, run := range runs {
		path := filepath.Join(dir, fmt.Sprint(i))
		written, err := e.writeTable(path, run)
		if err != nil {
			return err
		}
		if written {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	if err := e.flush(); err != nil {
		return err
	}
	return e.db.Ingest(context.Background(), paths)
}

// incoming begins the names of directories for files on their way in. Those
// that a crash left are deleted when the database is opened.
const incoming = "incoming-"

func removeIncoming(path string) error {
	left, err := filepath.Glob(filepath.Join(path, incoming+"*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// writeTable writes a run to a file like the database's own. A run without rows
// makes none.
func (e *engine) writeTable(path string, run state.Run) (written bool, err error) {
	var w *sstable.Writer
	run(func(op state.Op, key, value []byte) {
		if err != nil {
			return
		}
		if w == nil {
			var f vfs.File
			if f, err = vfs.Default.Create(path, vfs.WriteCategoryUnspecified); err != nil {
				return
			}
			w = sstable.NewWriter(objstorageprovider.NewFileWritable(f), e.opts.MakeWriterOptions(0, e.db.TableFormat()))
		}
		if op == state.OpDelete {
			err = w.Delete(key)
		} else {
			err = w.Set(key, value)
		}
	})
	if w == nil {
		return false, err
	}
	return true, errors.Join(err, w.Close())
}
