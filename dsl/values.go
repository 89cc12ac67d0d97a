package dsl

import (
	"iter"

	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// keepValueSerde carries a serde over an operator on values when the type is
// the same on both sides.
func keepValueSerde[V, VR any](vs serde.Serde[V]) serde.Serde[VR] {
	s, _ := any(vs).(serde.Serde[VR])
	return s
}

// valued completes a stream whose operator kept the keys of s.
func (s Stream[K, V]) valued[VR any](r Stream[K, VR]) Stream[K, VR] {
	r.ks, r.vs = s.ks, keepValueSerde[V, VR](s.vs)
	r.change = nil // what is below has other records
	return r
}

// MapValues replaces each value. Keys stay, so nothing is repartitioned below.
func (s Stream[K, V]) MapValues[VR any](f func(V) VR, opts ...Option) Stream[K, VR] {
	plain := plain(s.vs)
	out := null.Test(keepValueSerde[V, VR](s.vs))
	return s.valued(s.then[K, VR]("map-values", opts, func(_ *topology.Wiring, name string, next processor.Node[K, VR]) processor.Node[K, V] {
		return &mapValuesNode[K, V, VR]{name: name, f: f, plain: plain, isNull: out, next: next}
	}))
}

type mapValuesNode[K, V, VR any] struct {
	name   string
	f      func(V) VR
	plain  bool // the values given to f
	isNull func(VR) bool
	next   processor.Node[K, VR]
}

func (n *mapValuesNode[K, V, VR]) Process(c *processor.Context, k K, v V) error {
	if passes(c.Frame(), n.plain) {
		var none VR
		return n.next.Process(c, k, none)
	}
	w, err := n.call(v)
	if err != nil {
		return c.Fail(processor.StageProcess, n.name, k, v, err)
	}
	return forwardValue(c, n.next, k, w, n.isNull)
}

func (n *mapValuesNode[K, V, VR]) call(v V) (w VR, err error) {
	defer processor.Recover(&err)
	return n.f(v), nil
}

// MapValuesWithKey is MapValues for a function that also reads the key.
func (s Stream[K, V]) MapValuesWithKey[VR any](f func(K, V) VR, opts ...Option) Stream[K, VR] {
	return s.mapRecords("map-values", func(_ *processor.Context, k K, v V) (VR, error) { return f(k, v), nil }, opts)
}

// TryMapValues is MapValues for a function that may fail and that sees the
// whole record.
func (s Stream[K, V]) TryMapValues[VR any](f func(*processor.Context, processor.Record[K, V]) (VR, error), opts ...Option) Stream[K, VR] {
	return s.mapRecords("map-values", func(c *processor.Context, k K, v V) (VR, error) {
		return f(c, recordOf(c.Frame(), k, v))
	}, opts)
}

func (s Stream[K, V]) mapRecords[VR any](op string, f func(*processor.Context, K, V) (VR, error), opts []Option) Stream[K, VR] {
	plain := plain(s.vs)
	out := null.Test(keepValueSerde[V, VR](s.vs))
	return s.valued(s.then[K, VR](op, opts, func(_ *topology.Wiring, name string, next processor.Node[K, VR]) processor.Node[K, V] {
		return &mapRecordsNode[K, V, VR]{name: name, f: f, plain: plain, isNull: out, next: next}
	}))
}

type mapRecordsNode[K, V, VR any] struct {
	name   string
	f      func(*processor.Context, K, V) (VR, error)
	plain  bool // the values given to f
	isNull func(VR) bool
	next   processor.Node[K, VR]
}

func (n *mapRecordsNode[K, V, VR]) Process(c *processor.Context, k K, v V) error {
	if passes(c.Frame(), n.plain) {
		var none VR
		return n.next.Process(c, k, none)
	}
	w, err := n.call(c, k, v)
	if err != nil {
		return c.Fail(processor.StageProcess, n.name, k, v, err)
	}
	return forwardValue(c, n.next, k, w, n.isNull)
}

func (n *mapRecordsNode[K, V, VR]) call(c *processor.Context, k K, v V) (w VR, err error) {
	defer processor.Recover(&err)
	return n.f(c, k, v)
}

// FlatMapValues replaces each value by any number of values. The iterators of
// the standard library fit as they are: FlatMapValues(strings.FieldsSeq).
func (s Stream[K, V]) FlatMapValues[VR any](f func(V) iter.Seq[VR], opts ...Option) Stream[K, VR] {
	return s.flatMapRecords(func(_ *processor.Context, _ K, v V) (iter.Seq[VR], error) { return f(v), nil }, opts)
}

// FlatMapValuesWithKey is FlatMapValues for a function that also reads the key.
func (s Stream[K, V]) FlatMapValuesWithKey[VR any](f func(K, V) iter.Seq[VR], opts ...Option) Stream[K, VR] {
	return s.flatMapRecords(func(_ *processor.Context, k K, v V) (iter.Seq[VR], error) { return f(k, v), nil }, opts)
}

// TryFlatMapValues is FlatMapValues for a function that may fail and that sees
// the whole record.
func (s Stream[K, V]) TryFlatMapValues[VR any](f func(*processor.Context, processor.Record[K, V]) (iter.Seq[VR], error), opts ...Option) Stream[K, VR] {
	return s.flatMapRecords(func(c *processor.Context, k K, v V) (iter.Seq[VR], error) {
		return f(c, recordOf(c.Frame(), k, v))
	}, opts)
}

func (s Stream[K, V]) flatMapRecords[VR any](f func(*processor.Context, K, V) (iter.Seq[VR], error), opts []Option) Stream[K, VR] {
	plain := plain(s.vs)
	out := null.Test(keepValueSerde[V, VR](s.vs))
	return s.valued(s.then[K, VR]("flat-map-values", opts, func(_ *topology.Wiring, name string, next processor.Node[K, VR]) processor.Node[K, V] {
		return &flatMapValuesNode[K, V, VR]{name: name, f: f, plain: plain, isNull: out, next: next}
	}))
}

type flatMapValuesNode[K, V, VR any] struct {
	name   string
	f      func(*processor.Context, K, V) (iter.Seq[VR], error)
	plain  bool // the values given to f
	isNull func(VR) bool
	next   processor.Node[K, VR]
}

func (n *flatMapValuesNode[K, V, VR]) Process(c *processor.Context, k K, v V) error {
	f := c.Frame()
	if passes(f, n.plain) {
		var none VR
		return n.next.Process(c, k, none)
	}
	was := f.NullValue
	if err := n.call(c, k, v); err != nil {
		f.NullValue = was
		return c.Fail(processor.StageProcess, n.name, k, v, err)
	}
	return nil
}

// call forwards while the user's iterator runs. An error of forwardValue is
// fatal and passes through Fail untouched.
func (n *flatMapValuesNode[K, V, VR]) call(c *processor.Context, k K, v V) (err error) {
	defer processor.Recover(&err)
	seq, err := n.f(c, k, v)
	if err != nil || seq == nil {
		return err
	}
	for w := range seq {
		if err := forwardValue(c, n.next, k, w, n.isNull); err != nil {
			return err
		}
	}
	return nil
}
