package dsl

import (
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// versionedTable is the store of a versioned table.
type versionedTable[K, V any] struct{ *state.VersionedStore[K, V] }

func versionedStore[K, V any](b *Builder, n *tableNode[K, V], name string, s *storing) func(w *topology.Wiring) tableStore[K, V] {
	h := state.Versioned(name, n.ks, n.vs, s.history, s.opts...)
	b.own(h)
	n.window = h
	n.history = s.history
	return func(w *topology.Wiring) tableStore[K, V] { return &versionedTable[K, V]{h.In(w.Context)} }
}

// VersionedStore returns the handle of a versioned table's store, to query it.
func VersionedStore[K, V any](t Table[K, V]) state.VersionedHandle[K, V] {
	h, ok := t.n.window.(state.VersionedHandle[K, V])
	if !ok {
		t.b.t.Fail("dsl: VersionedStore of table %q: it has no versioned store", t.name())
	}
	return h
}

func (s *versionedTable[K, V]) get(k K) (V, int64, bool, error) { return s.Get(k) }

func (s *versionedTable[K, V]) tracked() getter[K, V] { return s } // it has no cache

func (s *versionedTable[K, V]) asOf(k K, at int64) (V, int64, bool, error) { return s.GetAsOf(k, at) }

func (s *versionedTable[K, V]) put(k K, v V, has bool, ts int64) (stored, stale bool, err error) {
	var until int64
	if has {
		until, err = s.Put(k, v, ts)
	} else {
		until, err = s.End(k, ts)
	}
	return until != state.NotPut, until != state.StillValid, err
}

func (s *versionedTable[K, V]) caching() bool { return false }

func (s *versionedTable[K, V]) onFlush(bool, func(K, state.Update[V]) error) {}
