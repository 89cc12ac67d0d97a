package dsl

import (
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
)

// Change is what travels between tables: the new value of a key and, where
// somebody below needs it, the one before. HasNew false is a deletion. A value
// that is not there is the zero value; for types with a null of their own the
// flags and the nulls go together.
type Change[V any] struct {
	New, Old       V
	HasNew, HasOld bool
	// Stale marks an update of a versioned table that is older than the
	// latest version.
	Stale bool
	// ReadAhead says that a join has read the row in the cache, since it was
	// forwarded last. What the join made of it has to be set right, also where
	// the old and the new value alone ask for nothing.
	ReadAhead bool
}

// flushedChange is the change that a cache's flush tells of.
func flushedChange[V any](u state.Update[V], sendOld bool) Change[V] {
	ch := Change[V]{New: u.New, HasNew: u.HasNew, ReadAhead: u.ReadAhead}
	if sendOld {
		ch.Old, ch.HasOld = u.Old, u.HasOld
	}
	return ch
}

// forwardChange forwards a change with a timestamp and sets the frame back.
func forwardChange[K, V any](c *processor.Context, next processor.Node[K, Change[V]], k K, ch Change[V], ts int64) error {
	f := c.Frame()
	was := f.Timestamp
	f.Timestamp = ts
	err := next.Process(c, k, ch)
	f.Timestamp = was
	return err
}
