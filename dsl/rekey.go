package dsl

import (
	"iter"
	"reflect"
	"runtime"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// Map replaces key and value of each record. The key may have changed, so a
// group, join or table below goes through a repartition topic.
func (s Stream[K, V]) Map[KR, VR any](f func(K, V) (KR, VR), opts ...Option) Stream[KR, VR] {
	return s.rekey("map", func(_ *processor.Context, k K, v V) (KR, VR, error) {
		l, w := f(k, v)
		return l, w, nil
	}, nil, nil, opts)
}

// TryMap is Map for a function that may fail and that sees the whole record.
func (s Stream[K, V]) TryMap[KR, VR any](f func(*processor.Context, processor.Record[K, V]) (KR, VR, error), opts ...Option) Stream[KR, VR] {
	return s.rekey("map", func(c *processor.Context, k K, v V) (KR, VR, error) {
		return f(c, recordOf(c.Frame(), k, v))
	}, nil, nil, opts)
}

// SelectKey gives each record a new key.
//
// SelectKey(windowing.Key) takes the key out of a windowed one. That leaves
// records in their partitions, and is known to.
func (s Stream[K, V]) SelectKey[KR any](f func(K, V) KR, opts ...Option) Stream[KR, V] {
	if f != nil && isWindowingKey(f) {
		opts = append(opts[:len(opts):len(opts)], knownToKeep{})
	}
	return s.rekey("select-key", func(_ *processor.Context, k K, v V) (KR, V, error) { return f(k, v), v, nil }, nil, s.vs, opts)
}

// isWindowingKey reports whether f is windowing.Key, of any types. Functions
// cannot be compared, but all instances of a generic one have one name. Within
// a user's own generic function it has another: the answer is no then, and the
// user says KeepsPartition.
func isWindowingKey(f any) bool {
	name := func(f any) string { return runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name() }
	return name(f) == name(windowing.Key[string, string])
}

func (s Stream[K, V]) rekey[KR, VR any](op string, f func(*processor.Context, K, V) (KR, VR, error), ks serde.Serde[KR], vs serde.Serde[VR], opts []Option) Stream[KR, VR] {
	out := pairsOf(s.vs, ks, vs)
	r := s.then[KR, VR](op, opts, func(_ *topology.Wiring, name string, next processor.Node[KR, VR]) processor.Node[K, V] {
		return &rekeyNode[K, V, KR, VR]{name: name, f: f, out: out, place: placementFor[K, V, KR](s, name, opts), next: next}
	})
	r.ks, r.vs = ks, vs
	return r.rekeyedBy(opts)
}

// rekeyedBy marks a stream whose operator may have changed the keys.
func (s Stream[K, V]) rekeyedBy(opts []Option) Stream[K, V] {
	if o := operatorOf(opts); !o.keepsPart && !o.keepsKnown {
		s.rekeyed = true
		s.change = newChanger(s)
	}
	return s
}

type rekeyNode[K, V, KR, VR any] struct {
	name string
	f    func(*processor.Context, K, V) (KR, VR, error)
	out  pairs[KR, VR]
	// place samples the promise of KeepsPartition; nil without one.
	place *placement[K, KR]
	next  processor.Node[KR, VR]
}

func (n *rekeyNode[K, V, KR, VR]) Process(c *processor.Context, k K, v V) error {
	l, w, err := n.call(c, k, v)
	if err != nil {
		return c.Fail(processor.StageProcess, n.name, k, v, err)
	}
	if n.place != nil {
		if err := n.place.check(c, k, l); err != nil {
			return err
		}
	}
	return forwardPair(c, n.next, l, w, &n.out)
}

func (n *rekeyNode[K, V, KR, VR]) call(c *processor.Context, k K, v V) (l KR, w VR, err error) {
	defer processor.Recover(&err)
	return n.f(c, k, v)
}

// FlatMap replaces each record by any number of records.
func (s Stream[K, V]) FlatMap[KR, VR any](f func(K, V) iter.Seq2[KR, VR], opts ...Option) Stream[KR, VR] {
	return s.flatMap(func(_ *processor.Context, k K, v V) (iter.Seq2[KR, VR], error) { return f(k, v), nil }, opts)
}

// TryFlatMap is FlatMap for a function that may fail and that sees the whole
// record.
func (s Stream[K, V]) TryFlatMap[KR, VR any](f func(*processor.Context, processor.Record[K, V]) (iter.Seq2[KR, VR], error), opts ...Option) Stream[KR, VR] {
	return s.flatMap(func(c *processor.Context, k K, v V) (iter.Seq2[KR, VR], error) {
		return f(c, recordOf(c.Frame(), k, v))
	}, opts)
}

func (s Stream[K, V]) flatMap[KR, VR any](f func(*processor.Context, K, V) (iter.Seq2[KR, VR], error), opts []Option) Stream[KR, VR] {
	out := pairsOf[V, KR, VR](s.vs, nil, nil)
	return s.then[KR, VR]("flat-map", opts, func(_ *topology.Wiring, name string, next processor.Node[KR, VR]) processor.Node[K, V] {
		return &flatMapNode[K, V, KR, VR]{name: name, f: f, out: out, place: placementFor[K, V, KR](s, name, opts), next: next}
	}).rekeyedBy(opts)
}

type flatMapNode[K, V, KR, VR any] struct {
	name string
	f    func(*processor.Context, K, V) (iter.Seq2[KR, VR], error)
	out  pairs[KR, VR]
	// place samples the promise of KeepsPartition; nil without one.
	place *placement[K, KR]
	next  processor.Node[KR, VR]
}

func (n *flatMapNode[K, V, KR, VR]) Process(c *processor.Context, k K, v V) error {
	f := c.Frame()
	nk, nv := f.NullKey, f.NullValue
	if err := n.call(c, k, v); err != nil {
		f.NullKey, f.NullValue = nk, nv
		return c.Fail(processor.StageProcess, n.name, k, v, err)
	}
	return nil
}

func (n *flatMapNode[K, V, KR, VR]) call(c *processor.Context, k K, v V) (err error) {
	defer processor.Recover(&err)
	seq, err := n.f(c, k, v)
	if err != nil || seq == nil {
		return err
	}
	for l, w := range seq {
		if n.place != nil {
			if err := n.place.check(c, k, l); err != nil {
				return err
			}
		}
		if err := forwardPair(c, n.next, l, w, &n.out); err != nil {
			return err
		}
	}
	return nil
}
