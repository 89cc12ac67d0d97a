// Package pebble is the engine on Pebble: on disk like RocksDB, in Go alone.
package pebble

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/thalweg/thalweg/state"
)

// Dir returns the backend that keeps its data in the directory path, which is
// made if it does not exist. One engine at a time can have it open.
func Dir(path string) state.Backend { return backend{path: path} }

type backend struct {
	path string
	fs   vfs.FS // nil: the operating system's
}

func (backend) Name() string { return "pebble" }

// Open divides the memory: half for the blocks that are read, the rest for two
// memtables.
func (b backend) Open(o state.Options) (state.Engine, error) {
	if err := os.MkdirAll(b.path, 0o750); err != nil {
		return nil, fmt.Errorf("pebble: %w", err)
	}
	if err := removeIncoming(b.path); err != nil {
		return nil, fmt.Errorf("pebble: %w", err)
	}
	memory := o.Memory
	if memory <= 0 {
		memory = state.DefaultMemory
	}
	cache := pebble.NewCache(memory / 2)
	defer cache.Unref()
	opts := &pebble.Options{
		Cache:                       cache,
		DisableWAL:                  true,
		MemTableSize:                uint64(max(memory/4, 256<<10)),
		MemTableStopWritesThreshold: noLimit,
		L0StopWritesThreshold:       noLimit,
		FormatMajorVersion:          pebble.FormatNewest,
		Logger:                      logger{o.Logger},
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		opts.Levels[i].FilterType = pebble.TableFilter
	}
	if b.fs != nil {
		opts.FS = b.fs
	}
	background, progress := newTrouble(o.Logger), newProgress()
	opts.EventListener = &pebble.EventListener{
		BackgroundError: background.report,
		FlushEnd:        func(pebble.FlushInfo) { progress.made() },
		CompactionEnd:   func(pebble.CompactionInfo) { progress.made() },
	}
	opts.EnsureDefaults()
	db, err := pebble.Open(b.path, opts)
	switch {
	case err == nil:
		return &engine{db: db, path: b.path, opts: opts, background: background, progress: progress}, nil
	case errors.Is(err, syscall.EAGAIN), strings.Contains(err.Error(), "lock held by current process"):
		return nil, fmt.Errorf("pebble: open %s: %w: %w", b.path, state.ErrInUse, err)
	}
	return nil, fmt.Errorf("pebble: open %s: %w", b.path, err)
}

// engine is one Pebble database.
//
// The write-ahead log is off: what is lost when the process dies is restored
// from the changelogs. Memtables are flushed whole and in order, and a batch is
// never split over two, so what is left is always a prefix of the batches.
type engine struct {
	db   *pebble.DB
	path string
	opts *pebble.Options

	background *trouble
	progress   *progress

	// mu is held for reading by every call, so that none meets a closed
	// database, which would panic.
	mu     sync.RWMutex
	closed bool
	open   atomic.Int64 // iterators and snapshots
}

func (e *engine) Get(dst, key []byte) ([]byte, bool, error) { return e.get(e.db, dst, key) }

func (e *engine) get(r pebble.Reader, dst, key []byte) ([]byte, bool, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return dst[:0], false, state.ErrClosed
	}
	v, closer, err := r.Get(key)
	if err == pebble.ErrNotFound {
		return dst[:0], false, nil
	}
	if err != nil {
		return dst[:0], false, fmt.Errorf("pebble: get: %w", err)
	}
	dst = append(dst[:0], v...)
	return dst, true, closer.Close()
}

func (e *engine) Scan(lo, hi []byte, reverse bool) state.Iterator {
	return e.scan(e.db, lo, hi, reverse)
}

func (e *engine) Apply(b *state.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return state.ErrClosed
	}
	if err := e.room(); err != nil {
		return fmt.Errorf("pebble: write: %w", err)
	}
	batch := e.db.NewBatch()
	defer batch.Close()
	// A large batch becomes a memtable of its own, which keeps its bytes.
	if err := batch.SetRepr(slices.Clone(b.Bytes())); err != nil {
		return fmt.Errorf("pebble: write: %w", err)
	}
	if err := batch.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("pebble: write: %w", err)
	}
	return nil
}

func (e *engine) Snapshot() state.Snapshot {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return &snapshot{e: e, closed: true}
	}
	e.open.Add(1)
	return &snapshot{e: e, at: e.db.NewSnapshot()}
}

func (e *engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return state.ErrClosed
	}
	if n := e.open.Load(); n > 0 {
		return fmt.Errorf("pebble: close: %d iterators or snapshots are open", n)
	}
	e.closed = true
	err := e.flush() // Close alone would lose the memtables, there being no log
	if cerr := e.db.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("pebble: close: %w", err)
	}
	return nil
}

// flush brings the memtables to the disk. Pebble tries for ever where it cannot.
func (e *engine) flush() error {
	if err := e.background.err(); err != nil {
		return err
	}
	flushed, err := e.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-flushed:
		return nil
	case <-e.background.happened:
		return e.background.err()
	}
}

// snapshot guards itself, because a query may close it while another reads.
type snapshot struct {
	e      *engine
	mu     sync.RWMutex
	at     *pebble.Snapshot
	closed bool
}

func (s *snapshot) Get(dst, key []byte) ([]byte, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return dst[:0], false, state.ErrClosed
	}
	return s.e.get(s.at, dst, key)
}

func (s *snapshot) Scan(lo, hi []byte, reverse bool) state.Iterator {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return &iterator{err: state.ErrClosed}
	}
	return s.e.scan(s.at, lo, hi, reverse)
}

func (s *snapshot) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return state.ErrClosed
	}
	s.closed = true
	s.e.open.Add(-1)
	return s.at.Close()
}

// logger passes on what matters: Pebble tells of every flush and compaction.
type logger struct{ to *slog.Logger }

func (l logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	if l.to != nil {
		l.to.Error("pebble: " + fmt.Sprintf(format, args...))
	}
}

// Fatalf is called when the database cannot go on without breaking its
// promises, as when its disk fails; it must not return.
func (l logger) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	panic("pebble: " + fmt.Sprintf(format, args...))
}
