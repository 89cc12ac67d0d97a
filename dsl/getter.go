package dsl

import (
	"github.com/thalweg/thalweg/internal/quirk"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/topology"
)

// getter reads current values of a table in a task: from its store, or computed
// from those that it is made of.
type getter[K, V any] interface {
	// get returns the zero value where there is no row: v goes to the user's
	// functions as it is.
	get(k K) (v V, ts int64, ok bool, err error)
	// tracked returns a getter for a join of tables, whose results outlive what
	// was read: if a row that it has read is deleted before the cache has
	// forwarded it, the deletion is forwarded all the same.
	tracked() getter[K, V]
}

// joinGetter returns the getter of a table for a join of tables.
func joinGetter[K, V any](b *Builder, n *tableNode[K, V], w *topology.Wiring) getter[K, V] {
	if b.quirks.Has(quirk.UnseenDeletes) {
		return n.getter(w)
	}
	return n.getter(w).tracked()
}

// asOfGetter reads values as of a time.
type asOfGetter[K, V any] interface {
	asOf(k K, at int64) (v V, ts int64, ok bool, err error)
}

// rowError is a failure of the user's function that computes a row of a table
// without a store. It passes from a getter to the node that looked the row up.
type rowError struct {
	node string // whose function failed
	err  error
}

func (e *rowError) Error() string { return e.err.Error() }
func (e *rowError) Unwrap() error { return e.err }

func rowFailed(node string, err error) error {
	if err == nil {
		return nil
	}
	return &rowError{node, err}
}

// unread handles an error of a getter in the node that looked k up: a failed
// function goes to the failure handler, under the name of its own node; all else
// is an error of the store.
func unread[K, V any](c *processor.Context, name string, k K, v V, err error) error {
	if e, ok := err.(*rowError); ok {
		return c.Fail(processor.StageProcess, e.node, k, v, e.err)
	}
	return c.Broken(name, err)
}
