package dsl

import "github.com/thalweg/thalweg/processor"

// Change is what travels between tables: the new value of a key and, where
// somebody below needs it, the one before. HasNew false is a deletion; for
// types with a null of their own the flags and the nulls go together.
type Change[V any] struct {
	New, Old       V
	HasNew, HasOld bool
	// Stale marks an update of a versioned table that is older than the
	// latest version.
	Stale bool
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

// present reports whether v is not null.
func present[V any](v V, isNull func(V) bool) bool { return isNull == nil || !isNull(v) }
