package dsl

import (
	"slices"

	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/internal/quirk"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/topology"
)

// Join joins the rows of two tables that have the same key. There is a row in
// the result where there is one in both. The result has a store only if Stored
// says so.
func (t Table[K, V]) Join[VO, VR any](o Table[K, VO], f func(V, VO) VR, opts ...StoreOption) Table[K, VR] {
	return joinTables(t, o, innerJoin, func(_ *processor.Context, _ K, l Maybe[V], r Maybe[VO]) (VR, error) { return f(l.Value, r.Value), nil }, opts)
}

// JoinWithKey is Join for a function that also reads the key.
func (t Table[K, V]) JoinWithKey[VO, VR any](o Table[K, VO], f func(K, V, VO) VR, opts ...StoreOption) Table[K, VR] {
	return joinTables(t, o, innerJoin, func(_ *processor.Context, k K, l Maybe[V], r Maybe[VO]) (VR, error) {
		return f(k, l.Value, r.Value), nil
	}, opts)
}

// LeftJoin is Join with a row in the result for each row of t.
func (t Table[K, V]) LeftJoin[VO, VR any](o Table[K, VO], f func(V, Maybe[VO]) VR, opts ...StoreOption) Table[K, VR] {
	return joinTables(t, o, leftJoin, func(_ *processor.Context, _ K, l Maybe[V], r Maybe[VO]) (VR, error) { return f(l.Value, r), nil }, opts)
}

// LeftJoinWithKey is LeftJoin for a function that also reads the key.
func (t Table[K, V]) LeftJoinWithKey[VO, VR any](o Table[K, VO], f func(K, V, Maybe[VO]) VR, opts ...StoreOption) Table[K, VR] {
	return joinTables(t, o, leftJoin, func(_ *processor.Context, k K, l Maybe[V], r Maybe[VO]) (VR, error) { return f(k, l.Value, r), nil }, opts)
}

// OuterJoin is Join with a row in the result for each row of either table.
func (t Table[K, V]) OuterJoin[VO, VR any](o Table[K, VO], f func(Maybe[V], Maybe[VO]) VR, opts ...StoreOption) Table[K, VR] {
	return joinTables(t, o, outerJoin, func(_ *processor.Context, _ K, l Maybe[V], r Maybe[VO]) (VR, error) { return f(l, r), nil }, opts)
}

// OuterJoinWithKey is OuterJoin for a function that also reads the key.
func (t Table[K, V]) OuterJoinWithKey[VO, VR any](o Table[K, VO], f func(K, Maybe[V], Maybe[VO]) VR, opts ...StoreOption) Table[K, VR] {
	return joinTables(t, o, outerJoin, func(_ *processor.Context, k K, l Maybe[V], r Maybe[VO]) (VR, error) { return f(k, l, r), nil }, opts)
}

type joinKind uint8

const (
	innerJoin joinKind = iota
	leftJoin
	outerJoin
)

func (k joinKind) String() string { return [...]string{"join", "left-join", "outer-join"}[k] }

// has reports whether the result of a join has a row, given the sides.
func (k joinKind) has(left, right bool) bool {
	switch k {
	case innerJoin:
		return left && right
	case leftJoin:
		return left
	default:
		return left || right
	}
}

type tableJoiner[K, V, VO, VR any] struct {
	kind   joinKind
	f      func(*processor.Context, K, Maybe[V], Maybe[VO]) (VR, error)
	isNull func(VR) bool
}

// row is the row of the result, if there is one; otherwise the zero value.
func (j *tableJoiner[K, V, VO, VR]) row(c *processor.Context, k K, l Maybe[V], r Maybe[VO]) (w VR, has bool, err error) {
	if !j.kind.has(l.OK, r.OK) {
		return w, false, nil
	}
	defer processor.Recover(&err)
	w, err = j.f(c, k, l, r)
	has = err == nil && present(w, j.isNull)
	return orZero(w, has), has, err
}

func joinTables[K, V, VO, VR any](t Table[K, V], o Table[K, VO], kind joinKind, f func(*processor.Context, K, Maybe[V], Maybe[VO]) (VR, error), opts []StoreOption) Table[K, VR] {
	b, s := t.b, storingOf(opts)
	t.n.requireReadable()
	o.n.requireReadable()
	if kind != innerJoin {
		t.n.askOld(true)
	}
	if kind == outerJoin {
		o.n.askOld(true)
	}
	shared := !b.quirks.Has(quirk.UnseenDeletes) && slices.ContainsFunc(t.n.reads(), func(store string) bool { return slices.Contains(o.n.reads(), store) })
	j := &tableJoiner[K, V, VO, VR]{kind: kind, f: f, isNull: null.Test[VR](nil)}
	name := b.name(s.operator.name, "table-"+kind.String(), t.n.p.Node())
	n := &tableNode[K, VR]{ks: t.n.ks, grace: max(t.n.grace, o.n.grace)}
	n.srcs = append(slices.Clone(t.n.srcs), o.n.srcs...)
	n.clocks = append(slices.Clone(t.n.clocks), o.n.clocks...)
	b.t.Copartition(n.srcs...)

	left := topology.Attach(b.t, topology.Spec{Name: b.name("", name+"/this", -1), Op: "join-this", Stores: o.n.reads()}, func(w *topology.Wiring, id int, p *topology.Port[K, Change[VR]]) processor.Node[K, Change[V]] {
		return &joinSideNode[K, V, VO, VR]{name: name, kind: kind, left: true, shared: shared, row: j.row, versioned: t.n.versioned, sendOld: n.sendOld, other: joinGetter(b, o.n, w), next: p.Next(w)}
	}, t.n.p)
	right := topology.Attach(b.t, topology.Spec{Name: b.name("", name+"/other", -1), Op: "join-other", Stores: t.n.reads()}, func(w *topology.Wiring, id int, p *topology.Port[K, Change[VR]]) processor.Node[K, Change[VO]] {
		flip := func(c *processor.Context, k K, r Maybe[VO], l Maybe[V]) (VR, bool, error) { return j.row(c, k, l, r) }
		return &joinSideNode[K, VO, V, VR]{name: name, kind: kind, row: flip, versioned: o.n.versioned, sendOld: n.sendOld, other: joinGetter(b, t.n, w), next: p.Next(w)}
	}, o.n.p)

	var open func(*topology.Wiring) tableStore[K, VR]
	n.p = topology.Attach(b.t, topology.Spec{Name: name, Op: "table-" + kind.String()}, func(w *topology.Wiring, id int, out *topology.Port[K, Change[VR]]) processor.Node[K, Change[VR]] {
		return &mergeTablesNode[K, VR]{newStored(w, id, n, open, out)}
	}, left, right)
	if s.as != "" {
		open = storeFor(b, n, s.as, s, n.p.Node())
	} else {
		s.holdsBack(b, name, false)
		n.materialise = func() {}
		n.reads = func() []string { return append(slices.Clone(t.n.reads()), o.n.reads()...) }
		n.getter = func(w *topology.Wiring) getter[K, VR] {
			return &joinedGetter[K, V, VO, VR]{name, w.Context, t.n.getter(w), o.n.getter(w), j}
		}
	}
	n.askOld = func(bool) bool {
		t.n.askOld(true)
		o.n.askOld(true)
		n.sendOld = true
		return true
	}
	return Table[K, VR]{b, n}
}

// joinSideNode processes the changes of one side (V) of a join and looks up
// the other (VO).
type joinSideNode[K, V, VO, VR any] struct {
	name      string
	kind      joinKind
	left      bool
	shared    bool // both sides are made of one table
	row       func(*processor.Context, K, Maybe[V], Maybe[VO]) (VR, bool, error)
	versioned bool
	sendOld   bool
	other     getter[K, VO]
	next      processor.Node[K, Change[VR]]
}

func (n *joinSideNode[K, V, VO, VR]) Process(c *processor.Context, k K, in Change[V]) error {
	f := c.Frame()
	if f.NullKey {
		c.Drop(processor.DropNullKey)
		return nil
	}
	if n.versioned && in.Stale {
		c.Drop(processor.DropStale)
		return nil
	}
	var o Maybe[VO]
	var ots int64
	var err error
	if o.Value, ots, o.OK, err = n.other.get(k); err != nil {
		return unread(c, n.name, k, in.New, err)
	}
	ts := f.Timestamp
	if o.OK {
		ts = max(ts, ots)
	} else if !n.concerned(in) {
		return nil
	}
	var ch Change[VR]
	if ch.New, ch.HasNew, err = n.row(c, k, Maybe[V]{in.New, in.HasNew}, o); err != nil {
		return c.Fail(processor.StageProcess, n.name, k, in.New, err)
	}
	if n.sendOld {
		if ch.Old, ch.HasOld, err = n.row(c, k, Maybe[V]{in.Old, in.HasOld}, o); err != nil {
			return c.Fail(processor.StageProcess, n.name, k, in.Old, err)
		}
	}
	ch.Stale, ch.ReadAhead = in.Stale, in.ReadAhead
	return forwardChange(c, n.next, k, ch, ts)
}

// concerned reports whether a change matters although the other side has no row.
// There may have been a result when the other row went: that side then read this
// one as a cache held it, or, if both are made of one table, as gone too.
func (n *joinSideNode[K, V, VO, VR]) concerned(in Change[V]) bool {
	if in.ReadAhead || n.shared && n.left && !in.HasNew {
		return true
	}
	return (n.kind == outerJoin || n.kind == leftJoin && n.left) && (in.HasNew || in.HasOld)
}

// mergeTablesNode passes the changes of both sides on, and stores the result if
// it is to be stored.
type mergeTablesNode[K, V any] struct{ stored[K, V] }

func (n *mergeTablesNode[K, V]) Process(c *processor.Context, k K, ch Change[V]) error {
	return n.set(c, k, ch, c.Frame().Timestamp)
}

// joinedGetter computes rows of a join that has no store.
type joinedGetter[K, V, VO, VR any] struct {
	name  string
	c     *processor.Context
	left  getter[K, V]
	right getter[K, VO]
	j     *tableJoiner[K, V, VO, VR]
}

func (g *joinedGetter[K, V, VO, VR]) tracked() getter[K, VR] {
	t := *g
	t.left, t.right = g.left.tracked(), g.right.tracked()
	return &t
}

func (g *joinedGetter[K, V, VO, VR]) get(k K) (w VR, ts int64, ok bool, err error) {
	var l Maybe[V]
	var r Maybe[VO]
	var lts, rts int64
	if l.Value, lts, l.OK, err = g.left.get(k); err != nil {
		return w, 0, false, err
	}
	if r.Value, rts, r.OK, err = g.right.get(k); err != nil {
		return w, 0, false, err
	}
	switch {
	case l.OK && r.OK:
		ts = max(lts, rts)
	case l.OK:
		ts = lts
	default:
		ts = rts
	}
	w, ok, err = g.j.row(g.c, k, l, r)
	return w, ts, ok, rowFailed(g.name, err)
}
