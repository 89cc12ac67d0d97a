package dsl

import (
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// Value groups by the value itself: s.GroupBy(dsl.Value).
func Value[K, V any](_ K, v V) V { return v }

// Grouped is a stream whose records with one key belong together.
type Grouped[K, V any] struct {
	s      Stream[K, V]
	topic  string        // the name given to its repartition topic
	shared *Stream[K, V] // beyond it, once it is there; used when it has a name
	opts   []RepartitionOption
}

// GroupOption changes a group.
type GroupOption interface{ group(*grouping) }

type grouping struct {
	operator
	topic string
	opts  []RepartitionOption
}

type repartitionAs struct {
	name string
	opts []RepartitionOption
}

func (r repartitionAs) group(g *grouping) { g.topic, g.opts = r.name, r.opts }

// RepartitionAs names the repartition topic of a group, which all aggregations
// of that group then share, or of a join. Otherwise each aggregation has one
// called after its store.
func RepartitionAs(name string, opts ...RepartitionOption) interface {
	GroupOption
	JoinOption
} {
	return repartitionAs{name, opts}
}

func (n named) group(g *grouping) { g.operator.name = string(n) }

// GroupByKey groups the records by their keys. When these may have changed
// since the last topic, they go through a repartition topic.
func (s Stream[K, V]) GroupByKey(opts ...GroupOption) Grouped[K, V] {
	var g grouping
	for _, o := range opts {
		o.group(&g)
	}
	return Grouped[K, V]{s: s, topic: g.topic, shared: new(Stream[K, V]), opts: g.opts}
}

// GroupBy groups the records by a new key, through a repartition topic.
func (s Stream[K, V]) GroupBy[KR any](key func(K, V) KR, opts ...GroupOption) Grouped[KR, V] {
	var g grouping
	for _, o := range opts {
		o.group(&g)
	}
	r := s.rekey("group-by", func(_ *processor.Context, k K, v V) (KR, V, error) { return key(k, v), v, nil }, serde.Serde[KR](nil), s.vs, []Option{Named(g.operator.name)})
	return Grouped[KR, V]{s: r, topic: g.topic, shared: new(Stream[KR, V]), opts: g.opts}
}

// copartitioned returns the group's stream, beyond a repartition topic if its
// keys have changed.
func (g Grouped[K, V]) copartitioned[_ lazy](store string) Stream[K, V] {
	if !g.s.rekeyed {
		return g.s
	}
	if g.topic != "" && g.shared.b != nil {
		return *g.shared
	}
	r := &repartition{}
	for _, o := range g.opts {
		o.repartition(r)
	}
	name := g.topic
	if name == "" {
		name = store
	}
	*g.shared = g.s.repartition(name, r)
	return *g.shared
}

// Count counts the records of each key. Records with a null key or value are
// dropped and counted as such.
func (g Grouped[K, V]) Count[_ lazy](store string, opts ...StoreOption) Table[K, int64] {
	return aggregate(g, "count", store, countStep[K, V](), nil, opts)
}

// Reduce combines the values of each key. The first one is taken as it is.
func (g Grouped[K, V]) Reduce[_ lazy](store string, f func(a, v V) V, opts ...StoreOption) Table[K, V] {
	return aggregate(g, "reduce", store, reduceStep[K](f, nil), g.s.vs, opts)
}

// Aggregate folds the values of each key into an aggregate, which zero begins.
// An aggregate that is null deletes the row, and the next value begins anew.
//
// add may change its argument in place only if nothing below needs old values
// and the store has no cache.
func (g Grouped[K, V]) Aggregate[A any](store string, zero func() A, add func(k K, v V, a A) A, opts ...StoreOption) Table[K, A] {
	return aggregate(g, "aggregate", store, aggregateStep(zero, add), keepValueSerde[V, A](g.s.vs), opts)
}

func aggregate[K, V, A any](g Grouped[K, V], op, store string, st step[K, V, A], vs serde.Serde[A], opts []StoreOption) Table[K, A] {
	b := g.s.b
	so := storingOf(opts)
	s := g.copartitioned(requireStore(b, op, store, g.s.p.Node()))
	n := &tableNode[K, A]{ks: s.ks, vs: vs, srcs: s.srcs, grace: -1}
	open := storeFor(b, n, storeName(store), so, -1)
	n.p = topology.Attach(b.t, topology.Spec{Name: b.name(so.operator.name, op, s.p.Node()), Op: op, Stores: []string{n.store}}, func(w *topology.Wiring, id int, out *topology.Port[K, Change[A]]) processor.Node[K, V] {
		return &aggregateNode[K, V, A]{stored: newStored(w, id, n, open, out), step: st}
	}, s.p)
	n.askOld = func(bool) bool { n.sendOld = true; return true }
	return Table[K, A]{b, n}
}

// requireStore reports an operator whose store has no name. parent is the node
// above it, or negative.
func requireStore(b *Builder, op, store string, parent int) string {
	if store == "" && parent < 0 {
		b.t.Fail("dsl: %s needs the name of a store", op)
	} else if store == "" {
		b.t.Fail("dsl: %s below %q needs the name of a store", op, b.t.Node(parent).Name)
	}
	return storeName(store)
}

func storeName(store string) string {
	if store == "" {
		return "unnamed"
	}
	return store
}

type aggregateNode[K, V, A any] struct {
	stored[K, A]
	step step[K, V, A]
}

func (n *aggregateNode[K, V, A]) Process(c *processor.Context, k K, v V) error {
	f := c.Frame()
	if f.NullKey {
		c.Drop(processor.DropNullKey)
		return nil
	}
	if f.NullValue {
		c.Drop(processor.DropNullValue)
		return nil
	}
	old, ts, has, err := n.st.get(k)
	if err != nil {
		return c.Broken(n.name, err)
	}
	was, now, err := n.step.apply(c, k, v, old, has)
	if err != nil {
		return c.Fail(processor.StageProcess, n.name, k, v, err)
	}
	if !has || f.Timestamp > ts {
		ts = f.Timestamp
	}
	ch := Change[A]{New: now, HasNew: present(now, n.isNull)}
	if n.sendOld {
		// Kafka Streams sends what the initializer made as the first old value.
		ch.Old, ch.HasOld = was, (has || n.step.zero != nil) && present(was, n.isNull)
	}
	return n.set(c, k, ch, ts)
}
