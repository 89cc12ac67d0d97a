package dsl

import (
	"reflect"

	"github.com/thalweg/thalweg/internal/null"
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

// nulls are the tests for null of a key and a value; nil where the type has
// no null of its own.
type nulls[K, V any] struct {
	key   func(K) bool
	value func(V) bool
}

func nullsOf[K, V any](ks serde.Serde[K], vs serde.Serde[V]) nulls[K, V] {
	return nulls[K, V]{null.Test(ks), null.Test(vs)}
}

// hidden reports whether the record at hand has a null value that its type
// cannot show to a function of key and value. A null key is no reason to keep
// a record from a function: the key is absent, and a function sees the zero
// value, as for the records of a topic without keys.
func (n *nulls[K, V]) hidden(f *processor.Frame) bool {
	return f.NullValue && n.value == nil
}

// dropHidden counts a record whose null cannot be shown.
func (n *nulls[K, V]) dropHidden(c *processor.Context) error {
	c.Drop(processor.DropNullValue)
	return nil
}

// forwardValue forwards a record with a new value and sets the frame back.
func forwardValue[K, V any](c *processor.Context, next processor.Node[K, V], k K, v V, isNull func(V) bool) error {
	f := c.Frame()
	was := f.NullValue
	f.NullValue = isNull != nil && isNull(v)
	err := next.Process(c, k, v)
	f.NullValue = was
	return err
}

// forwardPair forwards a record with a new key and value and sets the frame
// back.
func forwardPair[K, V any](c *processor.Context, next processor.Node[K, V], k K, v V, n *nulls[K, V]) error {
	f := c.Frame()
	nk, nv := f.NullKey, f.NullValue
	f.NullKey = n.key != nil && n.key(k)
	f.NullValue = n.value != nil && n.value(v)
	err := next.Process(c, k, v)
	f.NullKey, f.NullValue = nk, nv
	return err
}

// recordOf is the record at hand for functions that take all of it.
func recordOf[K, V any](f *processor.Frame, k K, v V) processor.Record[K, V] {
	return processor.Record[K, V]{
		Key: k, Value: v, Timestamp: f.Timestamp, Headers: f.Headers, NullKey: f.NullKey, NullValue: f.NullValue,
	}
}
