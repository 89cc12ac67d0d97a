package dsl

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// GroupedTable is a table whose rows are aggregated by a new key. When a row
// changes, it is taken out of the aggregate that it was in and added to the one
// it belongs to now.
type GroupedTable[K, V any] struct {
	b      *Builder
	p      *topology.Port[K, Change[V]]
	vs     serde.Serde[V]
	topic  string
	opts   []RepartitionOption
	shared *regrouped[K, V] // beyond the repartition topic; used when it has a name
}

// regrouped is a grouped table beyond its repartition topic.
type regrouped[K, V any] struct {
	p   *topology.Port[K, Change[V]]
	ks  serde.Serde[K]
	src int
}

// GroupBy gives each row a new key and value, to be aggregated by that key.
// A row for which either is null is in no group. f is called for the old row as
// well, so it must give the same result for the same row.
func (t Table[K, V]) GroupBy[KR, VR any](f func(K, V) (KR, VR), opts ...GroupOption) GroupedTable[KR, VR] {
	var g grouping
	for _, o := range opts {
		o.group(&g)
	}
	t.n.askOld(true)
	b := t.b
	out := nullsOf[KR, VR](nil, nil)
	ks := b.serdeFor(serde.Serde[KR](nil), fmt.Sprintf("key of GroupBy below %q", t.name()))
	name := b.name(g.operator.name, "table-group-by", t.n.p.Node())
	p := topology.Attach(b.t, topology.Spec{Name: name, Op: "table-group-by"}, func(w *topology.Wiring, _ int, p *topology.Port[KR, Change[VR]]) processor.Node[K, Change[V]] {
		return &selectNode[K, V, KR, VR]{name: name, f: f, out: out, ks: serde.ForTask(ks), versioned: t.n.versioned, next: p.Next(w)}
	}, t.n.p)
	var vs serde.Serde[VR]
	if vs = keepValueSerde[V, VR](t.n.vs); vs == nil {
		vs = b.serdeFor(vs, fmt.Sprintf("value of GroupBy below %q", t.name()))
	}
	return GroupedTable[KR, VR]{b: b, p: p, vs: vs, topic: g.topic, opts: g.opts, shared: &regrouped[KR, VR]{ks: ks}}
}

type selectNode[K, V, KR, VR any] struct {
	name      string
	f         func(K, V) (KR, VR)
	out       nulls[KR, VR]
	ks        serde.Serde[KR]
	kb        [2][]byte
	versioned bool
	next      processor.Node[KR, Change[VR]]
}

var errNullTableKey = errors.New("dsl: a row with a null key cannot be grouped")

func (n *selectNode[K, V, KR, VR]) Process(c *processor.Context, k K, in Change[V]) error {
	f := c.Frame()
	if f.NullKey {
		return c.Fail(processor.StageProcess, n.name, k, in.New, errNullTableKey)
	}
	if n.versioned && in.Stale {
		return nil
	}
	var newKey, oldKey KR
	var add, sub Change[VR]
	var err error
	if in.HasNew {
		if newKey, add.New, add.HasNew, err = n.pair(k, in.New); err != nil {
			return c.Fail(processor.StageProcess, n.name, k, in.New, err)
		}
	}
	if in.HasOld {
		if oldKey, sub.Old, sub.HasOld, err = n.pair(k, in.Old); err != nil {
			return c.Fail(processor.StageProcess, n.name, k, in.Old, err)
		}
	}
	if add.HasNew && sub.HasOld {
		same, err := n.same(newKey, oldKey)
		if err != nil {
			return c.Fail(processor.StageEncode, n.name, k, in.New, err)
		}
		if same {
			add.Old, add.HasOld, sub.HasOld = sub.Old, true, false
		}
	}
	if sub.HasOld {
		if err := n.next.Process(c, oldKey, sub); err != nil {
			return err
		}
	}
	if add.HasNew {
		return n.next.Process(c, newKey, add)
	}
	return nil
}

func (n *selectNode[K, V, KR, VR]) pair(k K, v V) (kr KR, vr VR, ok bool, err error) {
	defer processor.Recover(&err)
	kr, vr = n.f(k, v)
	return kr, vr, present(kr, n.out.key) && present(vr, n.out.value), nil
}

// same compares keys by their bytes, as everything behind the topic does.
func (n *selectNode[K, V, KR, VR]) same(a, b KR) (same bool, err error) {
	defer processor.Recover(&err)
	for i, k := range [2]KR{a, b} {
		if n.kb[i], err = n.ks.Append(n.kb[i][:0], k); err != nil {
			return false, err
		}
	}
	return bytes.Equal(n.kb[0], n.kb[1]), nil
}

// regroup sends the changes through the repartition topic.
func (g GroupedTable[K, V]) regroup[_ lazy](store string) *regrouped[K, V] {
	if g.topic != "" && g.shared.p != nil {
		return g.shared
	}
	r := &repartition{}
	for _, o := range g.opts {
		o.repartition(r)
	}
	name := g.topic
	if name == "" {
		name = store
	}
	topic := repartitionTopic(name)
	t := topology.NewTopic(topic, g.shared.ks, serde.Serde[Change[V]](changeSerde[V]{g.vs})).OnInvalidTime(topology.FailInvalidTime)
	b := g.b
	b.t.AddInternalSink(b.name("", topic+"-sink", -1), t, g.p)
	p := b.t.AddInternalSource(b.name(r.nodeName, topic+"-source", -1), t, r.partitions)
	x := &regrouped[K, V]{p: p, ks: g.shared.ks, src: p.Node()}
	if g.topic != "" {
		*g.shared = *x
	}
	return x
}

// Count counts the rows of each group. A group that becomes empty stays, with
// the count 0.
func (g GroupedTable[K, V]) Count[_ lazy](store string, opts ...StoreOption) Table[K, int64] {
	return aggregateTable(g, "table-count", store, countStep[K, V](), nil, opts)
}

// Reduce combines the values of each group: add takes a value in, sub takes
// one out. The first value of a group is taken as it is.
func (g GroupedTable[K, V]) Reduce[_ lazy](store string, add, sub func(a, v V) V, opts ...StoreOption) Table[K, V] {
	return aggregateTable(g, "table-reduce", store, reduceStep[K](add, sub), g.vs, opts)
}

// Aggregate folds the values of each group into an aggregate, which zero
// begins: add takes a value in, sub takes one out. A value that replaces
// another in the same group is handled at once, sub first.
func (g GroupedTable[K, V]) Aggregate[A any](store string, zero func() A, add, sub func(k K, v V, a A) A, opts ...StoreOption) Table[K, A] {
	return aggregateTable(g, "table-aggregate", store, aggregateStep(zero, add).taking(fold[K, V, A]{plain: sub}), keepValueSerde[V, A](g.vs), opts)
}

func aggregateTable[K, V, A any](g GroupedTable[K, V], op, store string, st step[K, V, A], vs serde.Serde[A], opts []StoreOption) Table[K, A] {
	b, so := g.b, storingOf(opts)
	in := g.regroup(requireStore(b, op, store, g.p.Node()))
	n := &tableNode[K, A]{ks: in.ks, vs: vs, srcs: []int{in.src}, grace: -1}
	open := storeFor(b, n, storeName(store), so, -1)
	n.p = topology.Attach(b.t, topology.Spec{Name: b.name(so.operator.name, op, in.src), Op: op, Stores: []string{n.store}}, func(w *topology.Wiring, id int, out *topology.Port[K, Change[A]]) processor.Node[K, Change[V]] {
		return &aggregateTableNode[K, V, A]{stored: newStored(w, id, n, open, out), step: st}
	}, in.p)
	n.askOld = func(bool) bool { n.sendOld = true; return true }
	return Table[K, A]{b, n}
}

type aggregateTableNode[K, V, A any] struct {
	stored[K, A]
	step step[K, V, A]
}

func (n *aggregateTableNode[K, V, A]) Process(c *processor.Context, k K, in Change[V]) error {
	f := c.Frame()
	if f.NullKey {
		return c.Fail(processor.StageProcess, n.name, k, in.New, errNullTableKey)
	}
	old, ts, has, err := n.st.get(k)
	if err != nil {
		return c.Broken(n.name, err)
	}
	now, hasNow, called, err := n.apply(c, k, in, old, has)
	if err != nil {
		return c.Fail(processor.StageProcess, n.name, k, in.New, err)
	}
	if !has || !called || f.Timestamp > ts {
		ts = f.Timestamp
	}
	ch := Change[A]{New: now, HasNew: hasNow}
	if n.sendOld {
		ch.Old, ch.HasOld = old, has
	}
	return n.set(c, k, ch, ts)
}

// apply takes the old value out and the new one in. called reports whether a
// function of the user's saw the aggregate.
func (n *aggregateTableNode[K, V, A]) apply(c *processor.Context, k K, in Change[V], a A, has bool) (now A, hasNow, called bool, err error) {
	defer processor.Recover(&err)
	if in.HasOld && has {
		if a, err = n.step.sub.call(c, k, in.Old, a); err != nil {
			return a, false, true, err
		}
		has, called = present(a, n.isNull), true
	}
	if in.HasNew {
		switch {
		case has:
			a, err = n.step.add.call(c, k, in.New, a)
			called = true
		case n.step.zero != nil:
			a, err = n.step.add.call(c, k, in.New, n.step.zero())
			called = true
		default:
			a = n.step.one(in.New)
		}
		has = present(a, n.isNull)
	}
	return a, has, called, err
}
