package dsl

import (
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// KeepHeaders makes the headers of each record a part of its value, so that they
// are aggregated and stored with it, and found there by queries. The changelogs
// of such stores have the plain value, and its headers as the record's. It is a
// function, and not a method, because its result has a type that grows.
//
// The operators of Kafka Streams store no headers, even in the format that could
// have some; see LogTombstoneHeaders for what that format changes there.
func KeepHeaders[K, V any](s Stream[K, V], opts ...Option) Stream[K, state.WithHeaders[V]] {
	r := s.then[K, state.WithHeaders[V]]("keep-headers", opts, func(_ *topology.Wiring, _ string, next processor.Node[K, state.WithHeaders[V]]) processor.Node[K, V] {
		return &keepHeadersNode[K, V]{next}
	})
	var vs serde.Serde[state.WithHeaders[V]]
	if s.vs != nil {
		vs = state.HeadersSerde(s.vs)
	}
	r.ks, r.vs, r.change = s.ks, vs, nil
	return r
}

type keepHeadersNode[K, V any] struct {
	next processor.Node[K, state.WithHeaders[V]]
}

func (n *keepHeadersNode[K, V]) Process(c *processor.Context, k K, v V) error {
	return n.next.Process(c, k, state.WithHeaders[V]{Value: v, Headers: c.Headers()})
}

// UseHeaders undoes KeepHeaders: the headers in each value become those of the
// record. A record without a value keeps its own.
func UseHeaders[K, V any](s Stream[K, state.WithHeaders[V]], opts ...Option) Stream[K, V] {
	r := s.then[K, V]("use-headers", opts, func(_ *topology.Wiring, _ string, next processor.Node[K, V]) processor.Node[K, state.WithHeaders[V]] {
		return &useHeadersNode[K, V]{next}
	})
	r.ks, r.change = s.ks, nil
	return r
}

type useHeadersNode[K, V any] struct{ next processor.Node[K, V] }

func (n *useHeadersNode[K, V]) Process(c *processor.Context, k K, v state.WithHeaders[V]) error {
	f := c.Frame()
	was := f.Headers
	if !f.NullValue {
		f.Headers = v.Headers
	}
	err := n.next.Process(c, k, v.Value)
	f.Headers = was
	return err
}
