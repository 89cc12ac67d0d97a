package dsl

import "github.com/thalweg/thalweg/topology"

func versionedStore[K, V any](b *Builder, n *tableNode[K, V], name string, s *storing) func(w *topology.Wiring) tableStore[K, V] {
	b.t.Fail("dsl: store %q: versioned stores are not there", name)
	return nil
}
