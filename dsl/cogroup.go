package dsl

import (
	"slices"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// Cogrouped aggregates several grouped streams, of one key type, into one
// value. (KIP-150)
type Cogrouped[K, A any] struct {
	b     *Builder
	parts []cogroupPart[K, A]
}

// cogroupPart is one of the streams. Its functions add the node that
// aggregates it, and hide the type of its values.
type cogroupPart[K, A any] struct {
	// through sends the stream through its repartition topic if it must, and
	// returns its key serde and sources.
	through func(store string) (ks serde.Serde[K], srcs []int)
	plain   func(n *tableNode[K, A], open func(*topology.Wiring) tableStore[K, A], name string, zero func() A) *topology.Port[K, Change[A]]
	windows func(t *windowTable[K, A, windowing.Windowed[K]], w windowing.Windows, name string, zero func() A)
	sliding func(t *windowTable[K, A, windowing.Windowed[K]], w windowing.Sliding, name string, zero func() A)
	session func(t *sessionTable[K, A, windowing.Windowed[K]], w windowing.Session, name string, zero func() A, merge func(K, A, A) A)
}

// Cogroup begins an aggregate of several streams with this one. The others
// follow with And.
func (g Grouped[K, V]) Cogroup[A any](add func(k K, v V, a A) A) Cogrouped[K, A] {
	return Cogrouped[K, A]{b: g.s.b}.And(g, add)
}

// TryCogroup is Cogroup for a function that may fail and sees the whole record.
func (g Grouped[K, V]) TryCogroup[A any](add func(c *processor.Context, r processor.Record[K, V], a A) (A, error)) Cogrouped[K, A] {
	return Cogrouped[K, A]{b: g.s.b}.TryAnd(g, add)
}

// And adds a stream, and how its values are added to the aggregate.
func (c Cogrouped[K, A]) And[V any](g Grouped[K, V], add func(k K, v V, a A) A) Cogrouped[K, A] {
	return c.and(g, fold[K, V, A]{plain: add})
}

// TryAnd is And for a function that may fail and sees the whole record.
func (c Cogrouped[K, A]) TryAnd[V any](g Grouped[K, V], add func(c *processor.Context, r processor.Record[K, V], a A) (A, error)) Cogrouped[K, A] {
	return c.and(g, fold[K, V, A]{try: add})
}

func (c Cogrouped[K, A]) and[V any](g Grouped[K, V], add fold[K, V, A]) Cogrouped[K, A] {
	b := c.b
	var s Stream[K, V]
	through := func(store string) (serde.Serde[K], []int) {
		s = g.copartitioned(store)
		return s.ks, s.srcs
	}
	part := cogroupPart[K, A]{through: through}
	part.plain = func(n *tableNode[K, A], open func(*topology.Wiring) tableStore[K, A], name string, zero func() A) *topology.Port[K, Change[A]] {
		return topology.Attach(b.t, topology.Spec{Name: b.name("", name, -1), Op: "cogroup", Stores: []string{n.store}}, func(w *topology.Wiring, id int, out *topology.Port[K, Change[A]]) processor.Node[K, V] {
			return &aggregateNode[K, V, A]{stored: newStored(w, id, n, open, out), step: step[K, V, A]{zero: zero, add: add}}
		}, s.p)
	}
	part.windows = func(t *windowTable[K, A, windowing.Windowed[K]], w windowing.Windows, name string, zero func() A) {
		timeWindowNode(b, t, TimeWindowed[K, V]{w: w}, s, b.name("", name, -1), "cogroup-window", step[K, V, A]{zero: zero, add: add})
	}
	part.sliding = func(t *windowTable[K, A, windowing.Windowed[K]], w windowing.Sliding, name string, zero func() A) {
		slidingNode(b, t, SlidingWindowed[K, V]{w: w}, s, b.name("", name, -1), "cogroup-sliding", step[K, V, A]{zero: zero, add: add})
	}
	part.session = func(t *sessionTable[K, A, windowing.Windowed[K]], w windowing.Session, name string, zero func() A, merge func(K, A, A) A) {
		sessionNodeFor(b, t, SessionWindowed[K, V]{w: w}, s, b.name("", name, -1), "cogroup-session", step[K, V, A]{zero: zero, add: add}.merging(merge))
	}
	c.parts = append(c.parts[:len(c.parts):len(c.parts)], part)
	return c
}

// through sends all parts through their repartition topics, and requires them
// to be co-partitioned.
func (c Cogrouped[K, A]) through[_ lazy](store string) (ks serde.Serde[K], srcs []int) {
	for _, p := range c.parts {
		k, s := p.through(store)
		if ks == nil {
			ks = k
		}
		srcs = append(srcs, s...)
	}
	c.b.t.Copartition(slices.Clone(srcs)...)
	return ks, srcs
}

// mergeChanges adds the node where the changes made by all parts come together.
func mergeChanges[K, A any](b *Builder, name string, parts []*topology.Port[K, Change[A]]) *topology.Port[K, Change[A]] {
	return topology.Attach(b.t, topology.Spec{Name: name, Op: "cogroup-merge"}, func(w *topology.Wiring, _ int, out *topology.Port[K, Change[A]]) processor.Node[K, Change[A]] {
		return out.Next(w)
	}, parts...)
}

// Aggregate folds the values of all streams into one aggregate for each key,
// which zero begins.
func (c Cogrouped[K, A]) Aggregate[_ lazy](store string, zero func() A, opts ...StoreOption) Table[K, A] {
	b, so := c.b, storingOf(opts)
	store = requireStore(b, "Cogroup", store, -1)
	ks, srcs := c.through(store)
	n := &tableNode[K, A]{ks: ks, srcs: srcs, grace: -1}
	open := storeFor(b, n, store, so, -1)
	name := b.name(so.operator.name, store+"/cogroup", -1)
	var ports []*topology.Port[K, Change[A]]
	for _, p := range c.parts {
		ports = append(ports, p.plain(n, open, name, zero))
	}
	n.p = mergeChanges(b, name+"-merge", ports)
	n.askOld = func(bool) bool { n.sendOld = true; return true }
	return Table[K, A]{b, n}
}

// TimeCogrouped is a cogroup cut into windows.
type TimeCogrouped[K, A any] struct {
	c Cogrouped[K, A]
	w windowing.Windows
}

// WindowedBy cuts each key's records into windows. Each stream has a stream
// time of its own, by which its records are late.
func (c Cogrouped[K, A]) WindowedBy(w windowing.Windows) TimeCogrouped[K, A] {
	if err := w.Validate(); err != nil {
		c.b.t.Fail("dsl: WindowedBy of a cogroup: %w", err)
	}
	return TimeCogrouped[K, A]{c, w}
}

// Aggregate folds the values of all streams into one aggregate for each window.
func (t TimeCogrouped[K, A]) Aggregate[KW windowing.KeyOf[K]](store string, zero func() A, opts ...StoreOption) Table[KW, A] {
	shape := windowShape{longest: t.w.Longest(), grace: t.w.GraceMillis(), end: t.w.End}
	return cogroupWindows[K, A, KW](t.c, store, shape, opts, func(p cogroupPart[K, A], wt *windowTable[K, A, windowing.Windowed[K]], name string) {
		p.windows(wt, t.w, name, zero)
	})
}

// SlidingCogrouped is a cogroup cut into sliding windows.
type SlidingCogrouped[K, A any] struct {
	c Cogrouped[K, A]
	w windowing.Sliding
}

// SlidingBy cuts each key's records into sliding windows.
func (c Cogrouped[K, A]) SlidingBy(w windowing.Sliding) SlidingCogrouped[K, A] {
	if err := w.Validate(); err != nil {
		c.b.t.Fail("dsl: SlidingBy of a cogroup: %w", err)
	}
	return SlidingCogrouped[K, A]{c, w}
}

// Aggregate folds the values of all streams into one aggregate for each window.
func (t SlidingCogrouped[K, A]) Aggregate[KW windowing.KeyOf[K]](store string, zero func() A, opts ...StoreOption) Table[KW, A] {
	return cogroupWindows[K, A, KW](t.c, store, slidingShape(t.w, false), opts, func(p cogroupPart[K, A], wt *windowTable[K, A, windowing.Windowed[K]], name string) {
		p.sliding(wt, t.w, name, zero)
	})
}

func cogroupWindows[K, A any, KW windowing.KeyOf[K]](c Cogrouped[K, A], store string, shape windowShape, opts []StoreOption, add func(cogroupPart[K, A], *windowTable[K, A, windowing.Windowed[K]], string)) Table[KW, A] {
	b, so := c.b, storingOf(opts)
	store = requireStore(b, "Cogroup", store, -1)
	ks, srcs := c.through(store)
	wt := newWindowTable[K, A, windowing.Windowed[K]](b, ks, nil, srcs, store, so, shape)
	name := b.name(so.operator.name, store+"/cogroup", -1)
	var ports []*topology.Port[windowing.Windowed[K], Change[A]]
	for _, p := range c.parts {
		add(p, wt, name)
		ports = append(ports, wt.n.p)
	}
	wt.n.p = mergeChanges(b, name+"-merge", ports)
	n, _ := any(wt.n).(*tableNode[KW, A])
	return Table[KW, A]{b, n}
}

// SessionCogrouped is a cogroup cut into sessions.
type SessionCogrouped[K, A any] struct {
	c Cogrouped[K, A]
	w windowing.Session
}

// SessionBy cuts each key's records into sessions.
func (c Cogrouped[K, A]) SessionBy(w windowing.Session) SessionCogrouped[K, A] {
	if err := w.Validate(); err != nil {
		c.b.t.Fail("dsl: SessionBy of a cogroup: %w", err)
	}
	return SessionCogrouped[K, A]{c, w}
}

// Aggregate folds the values of all streams into one aggregate for each
// session; merge combines the aggregates of sessions that become one.
func (t SessionCogrouped[K, A]) Aggregate[KW windowing.KeyOf[K]](store string, zero func() A, merge func(k K, a, b A) A, opts ...StoreOption) Table[KW, A] {
	b, so := t.c.b, storingOf(opts)
	store = requireStore(b, "Cogroup", store, -1)
	ks, srcs := t.c.through(store)
	tb := newSessionTable[K, A, windowing.Windowed[K]](b, ks, nil, srcs, store, so, t.w, false)
	name := b.name(so.operator.name, store+"/cogroup", -1)
	var ports []*topology.Port[windowing.Windowed[K], Change[A]]
	for _, p := range t.c.parts {
		p.session(tb, t.w, name, zero, merge)
		ports = append(ports, tb.n.p)
	}
	tb.n.p = mergeChanges(b, name+"-merge", ports)
	n, _ := any(tb.n).(*tableNode[KW, A])
	return Table[KW, A]{b, n}
}
