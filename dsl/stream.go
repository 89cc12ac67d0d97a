package dsl

import (
	"reflect"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// A Stream is an unbounded sequence of independent records. Streams are values:
// each operator returns a new one and leaves the old one usable.
type Stream[K, V any] struct {
	b  *Builder
	p  *topology.Port[K, V]
	ks serde.Serde[K] // carried along while the type is unchanged; may be nil
	vs serde.Serde[V]
	// rekeyed says that the key may have changed since the last topic, so that
	// records with one key may lie in several partitions.
	rekeyed bool
	srcs    []int // source nodes, whose topics a join co-partitions
	change  *changer
}

// Stream reads a topic, or several of the same types, as a stream. Calling it
// again with the same topics returns the same stream.
func (b *Builder) Stream[K, V any](t topology.Topic[K, V], more ...topology.Topic[K, V]) Stream[K, V] {
	return b.StreamNamed("", t, more...)
}

// StreamNamed is Stream with a name for the source.
func (b *Builder) StreamNamed[K, V any](name string, t topology.Topic[K, V], more ...topology.Topic[K, V]) Stream[K, V] {
	id := t.Name
	for _, m := range more {
		id += "," + m.Name
	}
	if s, ok := b.sources[id]; ok {
		if s, ok := s.(Stream[K, V]); ok {
			return s
		}
		b.t.Fail("dsl: topic %q is read twice, with different types: %v and %v", id, reflect.TypeOf(s), reflect.TypeFor[Stream[K, V]]())
	}
	p := b.t.AddSource(b.name(name, id, -1), t, more...)
	for _, t := range append(more, t) {
		b.placed[p.Node()] = b.placed[p.Node()] || t.Partitioned()
	}
	s := Stream[K, V]{b: b, p: p, ks: t.Key, vs: t.Value, srcs: []int{p.Node()}}
	b.sources[id] = s
	return s
}

// StreamMatching reads all topics of a pattern as one stream, those that appear
// while the application runs included. Calling it again with the same pattern
// returns the same stream. The topic of a record is in the context.
func (b *Builder) StreamMatching[K, V any](p topology.Pattern[K, V], opts ...Option) Stream[K, V] {
	id := topology.PatternName(p.Expr)
	if s, ok := b.sources[id]; ok {
		if s, ok := s.(Stream[K, V]); ok {
			return s
		}
		b.t.Fail("dsl: pattern %q is read twice, with different types: %v and %v", p.Expr, reflect.TypeOf(s), reflect.TypeFor[Stream[K, V]]())
	}
	src := b.t.AddPatternSource(b.name(operatorOf(opts).name, id, -1), p)
	t := p.Topic(id)
	b.placed[src.Node()] = t.Partitioned()
	s := Stream[K, V]{b: b, p: src, ks: t.Key, vs: t.Value, srcs: []int{src.Node()}}
	b.sources[id] = s
	return s
}

// then adds an operator below s. The streams made by it differ in their types,
// so what is carried along is filled in by the callers.
func (s Stream[K, V]) then[KR, VR any](op string, opts []Option, wire func(w *topology.Wiring, name string, next processor.Node[KR, VR]) processor.Node[K, V]) Stream[KR, VR] {
	o := operatorOf(opts)
	name := s.b.name(o.name, op, s.p.Node())
	p := topology.Attach(s.b.t, topology.Spec{Name: name, Op: op}, func(w *topology.Wiring, id int, out *topology.Port[KR, VR]) processor.Node[K, V] {
		return wire(w, name, out.Next(w))
	}, s.p)
	return Stream[KR, VR]{b: s.b, p: p, rekeyed: s.rekeyed, srcs: s.srcs, change: s.change}
}

// same completes a stream whose operator kept the types of s.
func (s Stream[K, V]) same(r Stream[K, V]) Stream[K, V] {
	r.ks, r.vs = s.ks, s.vs
	return r
}
