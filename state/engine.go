package state

import (
	"errors"
	"log/slog"
)

// ErrClosed is returned by engines and stores that are used after Close.
var ErrClosed = errors.New("state: closed")

// ErrInUse is returned by a backend whose directory is open already.
var ErrInUse = errors.New("state: the directory is in use: give each process and each application one of its own")

// A Backend opens an engine. Backends are values: mem.New(), rocks.Dir(path),
// pebble.Dir(path).
type Backend interface {
	// Name is the engine's name for people: "memory", "rocksdb", "pebble".
	Name() string
	// Open opens the engine, creating it where it does not exist yet.
	Open(Options) (Engine, error)
}

// Options are what a process gives its engine.
type Options struct {
	// Memory bounds block cache and write buffers together, in bytes.
	// 0 means 64 MiB.
	Memory int64
	// Logger receives what the engine has to say; nil discards it.
	Logger *slog.Logger
}

// DefaultMemory is the memory of an engine whose Options do not say.
const DefaultMemory = 64 << 20

// Reader reads an ordered space of byte keys. Keys are not empty.
type Reader interface {
	// Get appends the value of key to dst[:0] and returns it, and whether there
	// is one.
	Get(dst, key []byte) (value []byte, ok bool, err error)
	// Scan iterates over the keys in [lo, hi) in bytewise order, or from the
	// last to the first. A nil hi means no upper end. lo and hi must stay as they
	// are until the iterator is closed.
	Scan(lo, hi []byte, reverse bool) Iterator
}

// An Engine is one ordered space of byte keys for a process. All methods may be
// called from any goroutine.
type Engine interface {
	Reader
	// Snapshot returns a view that later writes do not change.
	Snapshot() Snapshot
	// Apply makes the writes of b, all or none. What is applied may be lost
	// when the process dies, but only a suffix of the applied batches is: a
	// batch that survives has all those before it under it.
	Apply(b *Batch) error
	// Ingest makes the writes of several runs, all or none, as Apply does: each
	// is sorted by key with each key once, and no two reach into each other. It
	// is for many rows, which are written once, as files, and survive the death
	// of the process with everything that was applied before.
	Ingest(runs ...Run) error
	// Close writes out what was applied and closes the engine. Iterators and
	// snapshots must be closed before.
	Close() error
}

// A Run yields puts and deletes in the order of their keys. Key and value are
// valid during the call. It runs once.
type Run func(yield func(op Op, key, value []byte))

// A Snapshot is the engine as it was at one instant. It may be used from any
// goroutine.
type Snapshot interface {
	Reader
	Close() error
}

// An Iterator walks over a range of keys. It belongs to one goroutine.
type Iterator interface {
	// Next moves to the next key (the first one, on the first call) and
	// reports whether there is one.
	Next() bool
	// Key and Value are valid until the next call of Next or Close.
	Key() []byte
	Value() []byte
	// Err returns what made Next return false early, if anything did.
	Err() error
	// Close releases the iterator. It returns the same error as Err.
	Close() error
}
