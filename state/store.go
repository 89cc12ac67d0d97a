package state

import (
	"fmt"

	"github.com/thalweg/thalweg/processor"
)

// A Store is a store of a running task, as the task sees it. It belongs to the
// task's goroutine.
type Store interface {
	// Name is the name it was declared with.
	Name() string
	// Flush writes what the store's cache holds back to the transaction and the
	// changelog, in the order of the last updates, and tells the listener.
	Flush() error
	// Restore applies one record of the store's changelog; a nil value is a
	// tombstone. It writes neither to the changelog nor to the cache, and is
	// seen after the next commit of the transaction.
	Restore(key, value []byte, timestamp int64, headers processor.Headers) error
	// Close ends the use of the store without flushing.
	Close() error
}

// Declared is what every store handle is: a store by name, with the means to
// open it in a task.
type Declared interface {
	StoreName() string
	Spec() Spec
	Open(Env) (Store, error)
}

// Record is the context of the record a task works on. A cache keeps it for each
// dirty entry, and gives it back to the task while it flushes the entry.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Timestamp int64
	Headers   processor.Headers
}

// Env is what a task gives a store it opens. Only Partition is required.
type Env struct {
	// Partition holds the store's rows.
	Partition *Partition
	// ReadOnly refuses writes with ErrReadOnly, whatever the Partition allows.
	// The store that writes the same rows must have no cache.
	ReadOnly bool
	// Log sends a record to the store's changelog; a nil value is a tombstone.
	// The slices are valid during the call only. Nil: the store has no changelog.
	Log func(key, value []byte, timestamp int64, headers processor.Headers) error
	// Record returns the context of the record being processed, and SetRecord
	// replaces it while a cache flushes.
	Record    func() Record
	SetRecord func(Record)
	// Cache is the budget of the caches of the task's worker. Nil: no caching.
	Cache *Cache
	// Dropped counts a write the store refused, by reason.
	Dropped func(reason string)
}

// DroppedExpired is the reason of writes a window or session store refuses
// because their time is behind its retention.
const DroppedExpired = "expired"

func (e *Env) readOnly() bool { return e.ReadOnly || e.Partition != nil && e.Partition.readOnly }

// Stores finds the stores a processor is connected to; *processor.Context is
// one. When it returns an error instead of a store, every method of the store
// that In makes of it returns that error.
type Stores interface{ Store(name string) any }

// Entry is one row found by a scan. Timestamp is -1 in stores that keep none.
type Entry[K, V any] struct {
	Key       K
	Value     V
	Timestamp int64
}

// Update is what a flush of a cache has written for one key: what the key holds
// now and, if the listener asked for it or the key holds nothing now, what it
// held at the last flush.
type Update[V any] struct {
	New, Old       V
	HasNew, HasOld bool
	// Timestamp is that stored with New, or of the record of the last update
	// where the store keeps none or New is absent.
	Timestamp int64
	// ReadAhead says that GetTracked has read the row since the flush before.
	ReadAhead bool
}

// found makes a typed store of what Stores has found.
func found[S any](s Stores, name string, broken func(error) S) S {
	switch got := s.Store(name).(type) {
	case S:
		return got
	case error:
		return broken(got)
	case nil:
		return broken(fmt.Errorf("state: no store %q is connected here", name))
	default:
		return broken(fmt.Errorf("state: store %q is a %T", name, got))
	}
}
