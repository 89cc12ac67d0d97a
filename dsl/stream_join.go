package dsl

import (
	"math"
	"slices"
	"time"

	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// Join joins each record with those of the other stream that have the same key
// and a timestamp within the window. The result has the later timestamp, and
// the headers of the record that came last. Records with a null key or value
// are dropped and counted. The stores, and repartition topics if keys may have
// changed, are called after name.
func (s Stream[K, V]) Join[VO, VR any](name string, o Stream[K, VO], w windowing.Join, f func(V, VO) VR, opts ...JoinOption) Stream[K, VR] {
	return joinStreams(s, o, innerJoin, name, w, func(_ *processor.Context, _ K, l Maybe[V], r Maybe[VO]) (VR, error) { return f(l.Value, r.Value), nil }, opts)
}

// JoinWithKey is Join for a function that also reads the key.
func (s Stream[K, V]) JoinWithKey[VO, VR any](name string, o Stream[K, VO], w windowing.Join, f func(K, V, VO) VR, opts ...JoinOption) Stream[K, VR] {
	return joinStreams(s, o, innerJoin, name, w, func(_ *processor.Context, k K, l Maybe[V], r Maybe[VO]) (VR, error) {
		return f(k, l.Value, r.Value), nil
	}, opts)
}

// LeftJoin is Join with a result for each record of s: one that met no record
// until its window was closed, and the grace was over, is joined with nothing.
// So are records with a null key, at once. (KIP-633)
func (s Stream[K, V]) LeftJoin[VO, VR any](name string, o Stream[K, VO], w windowing.Join, f func(V, Maybe[VO]) VR, opts ...JoinOption) Stream[K, VR] {
	return joinStreams(s, o, leftJoin, name, w, func(_ *processor.Context, _ K, l Maybe[V], r Maybe[VO]) (VR, error) { return f(l.Value, r), nil }, opts)
}

// LeftJoinWithKey is LeftJoin for a function that also reads the key.
func (s Stream[K, V]) LeftJoinWithKey[VO, VR any](name string, o Stream[K, VO], w windowing.Join, f func(K, V, Maybe[VO]) VR, opts ...JoinOption) Stream[K, VR] {
	return joinStreams(s, o, leftJoin, name, w, func(_ *processor.Context, k K, l Maybe[V], r Maybe[VO]) (VR, error) { return f(k, l.Value, r), nil }, opts)
}

// OuterJoin is LeftJoin with a result for each record of either stream.
func (s Stream[K, V]) OuterJoin[VO, VR any](name string, o Stream[K, VO], w windowing.Join, f func(Maybe[V], Maybe[VO]) VR, opts ...JoinOption) Stream[K, VR] {
	return joinStreams(s, o, outerJoin, name, w, func(_ *processor.Context, _ K, l Maybe[V], r Maybe[VO]) (VR, error) { return f(l, r), nil }, opts)
}

// OuterJoinWithKey is OuterJoin for a function that also reads the key.
func (s Stream[K, V]) OuterJoinWithKey[VO, VR any](name string, o Stream[K, VO], w windowing.Join, f func(K, Maybe[V], Maybe[VO]) VR, opts ...JoinOption) Stream[K, VR] {
	return joinStreams(s, o, outerJoin, name, w, func(_ *processor.Context, k K, l Maybe[V], r Maybe[VO]) (VR, error) { return f(k, l, r), nil }, opts)
}

// streamJoin is what both sides of one join of streams have in common.
type streamJoin[K, V, VO, VR any] struct {
	name   string
	kind   joinKind
	w      windowing.Join
	f      func(*processor.Context, K, Maybe[V], Maybe[VO]) (VR, error)
	isNull func(VR) bool
	ks     serde.Serde[K]
	left   state.WindowHandle[K, V]
	right  state.WindowHandle[K, VO]
	lone   *state.KVHandle[[]byte, []byte] // of left and outer joins
	idle   time.Duration
	vl     serde.Serde[V]
	vr     serde.Serde[VO]
}

func (j *streamJoin[K, V, VO, VR]) call(c *processor.Context, k K, l Maybe[V], r Maybe[VO]) (w VR, err error) {
	defer processor.Recover(&err)
	return j.f(c, k, l, r)
}

func joinStreams[K, V, VO, VR any](s Stream[K, V], o Stream[K, VO], kind joinKind, name string, w windowing.Join, f func(*processor.Context, K, Maybe[V], Maybe[VO]) (VR, error), opts []JoinOption) Stream[K, VR] {
	b, jo := s.b, joiningOf(opts)
	if name == "" {
		b.t.Fail("dsl: %v below %q needs a name: it names its stores", kind, b.t.Node(s.p.Node()).Name)
		name = "unnamed"
	}
	if err := w.Validate(); err != nil {
		b.t.Fail("dsl: %v %q: %w", kind, name, err)
	}
	topic, stores := name, name
	if jo.topic != "" {
		topic = jo.topic
	}
	if jo.store != "" {
		stores = jo.store
	}
	self := samePort(s.p, o.p) && b.optimise&SingleStoreSelfJoin != 0
	if s.rekeyed && (s.change == nil || b.optimise&MergeRepartitions == 0) {
		self = false // each side comes through a topic of its own
	}
	if s.rekeyed {
		s = s.repartition(topic+"-left", &repartition{})
	}
	if o.rekeyed {
		o = o.repartition(topic+"-right", &repartition{})
	}
	j := &streamJoin[K, V, VO, VR]{name: b.name(name, "join", s.p.Node()), kind: kind, w: w, f: f, isNull: null.Test[VR](nil)}
	so := storingOf(jo.opts)
	j.idle = so.holdsBack(b, j.name, kind != innerJoin)
	j.declare(b, s, o, stores, so)
	srcs := append(slices.Clone(s.srcs), o.srcs...)
	b.t.Copartition(srcs...)

	var p *topology.Port[K, VR]
	b.own(j.left)
	if self { // of every kind, as in Kafka Streams
		p = selfJoin(b, s, any(j).(*streamJoin[K, V, V, VR]))
	} else {
		b.own(j.right)
		if j.lone != nil {
			b.own(*j.lone)
		}
		p = j.attach(b, s, o)
	}
	if kind != innerJoin {
		b.outer[p.Node()] = true
	}
	return Stream[K, VR]{b: b, p: p, ks: s.ks, srcs: srcs}
}

func samePort(a, b any) bool { return a == b }

func (j *streamJoin[K, V, VO, VR]) declare(b *Builder, s Stream[K, V], o Stream[K, VO], stores string, so *storing) {
	left, right, lone := "-this-join-store", "-other-join-store", ""
	switch j.kind {
	case leftJoin:
		right, lone = "-outer-other-join-store", "-left-shared-join-store"
	case outerJoin:
		left, right, lone = "-outer-this-join-store", "-outer-other-join-store", "-outer-shared-join-store"
	}
	ks := s.ks
	if ks == nil {
		ks = o.ks
	}
	j.ks = b.serdeFor(ks, "key of join "+j.name)
	j.vl = b.serdeFor(s.vs, "left value of join "+j.name)
	j.vr = b.serdeFor(o.vs, "right value of join "+j.name)
	size := j.w.Size()
	retention := size + j.w.Grace
	opt := append(so.opts, state.Duplicates(), state.Uncached())
	j.left = state.Window(stores+left, j.ks, j.vl, retention, size, opt...)
	j.right = state.Window(stores+right, j.ks, j.vr, retention, size, opt...)
	if lone != "" {
		h := state.KeyValue(stores+lone, serde.Bytes, serde.Bytes, append(so.opts, state.Uncached())...)
		j.lone = &h
	}
}

func (j *streamJoin[K, V, VO, VR]) attach(b *Builder, s Stream[K, V], o Stream[K, VO]) *topology.Port[K, VR] {
	names := []string{j.left.StoreName(), j.right.StoreName()}
	if j.lone != nil {
		names = append(names, j.lone.StoreName())
	}
	before, after := j.w.Before.Milliseconds(), j.w.After.Milliseconds()
	grace := j.w.Grace.Milliseconds()
	var memo int // key of what the sides share in a task
	shared := func(w *topology.Wiring) *joinTime {
		return w.Memo(memo, func() any {
			t := &joinTime{now: -1, min: math.MaxInt64}
			w.Context.KeepTime(j.name, &t.now)
			return t
		}).(*joinTime)
	}
	left := topology.Attach(b.t, topology.Spec{Name: b.name("", j.name+"/this", -1), Op: "join-this", Stores: names}, func(w *topology.Wiring, id int, out *topology.Port[K, VR]) processor.Node[K, V] {
		n := &streamJoinNode[K, V, VO, VR]{
			name: j.name, left: true, before: before, after: after, grace: grace, time: shared(w),
			outer: j.kind != innerJoin, mine: j.left.In(w.Context), other: j.right.In(w.Context),
			isNull: j.isNull, next: out.Next(w),
		}
		n.join = func(c *processor.Context, k K, v V, o Maybe[VO]) (VR, error) {
			return j.call(c, k, Maybe[V]{v, true}, o)
		}
		n.lone = newLoneRecords(b, j, w, n.time, n.next)
		idleAfter(w, id, j.idle, &n.time.now, func(c *processor.Context, ts int64) error {
			n.time.now = max(n.time.now, ts)
			if n.lone == nil {
				return nil
			}
			return abandoned(n.lone.emit(c, 0))
		})
		n.ks, n.vs = serde.ForTask(j.ks), serde.ForTask(j.vl)
		return n
	}, s.p)
	memo = left.Node()
	right := topology.Attach(b.t, topology.Spec{Name: b.name("", j.name+"/other", -1), Op: "join-other", Stores: names}, func(w *topology.Wiring, _ int, out *topology.Port[K, VR]) processor.Node[K, VO] {
		n := &streamJoinNode[K, VO, V, VR]{
			name: j.name, before: after, after: before, grace: grace, time: shared(w),
			outer: j.kind == outerJoin, mine: j.right.In(w.Context), other: j.left.In(w.Context),
			isNull: j.isNull, next: out.Next(w),
		}
		n.join = func(c *processor.Context, k K, v VO, o Maybe[V]) (VR, error) {
			return j.call(c, k, o, Maybe[VO]{v, true})
		}
		n.lone = newLoneRecords(b, j, w, n.time, n.next)
		n.ks, n.vs = serde.ForTask(j.ks), serde.ForTask(j.vr)
		return n
	}, o.p)
	return topology.Attach(b.t, topology.Spec{Name: j.name, Op: j.kind.String()}, func(w *topology.Wiring, _ int, out *topology.Port[K, VR]) processor.Node[K, VR] {
		return out.Next(w)
	}, left, right)
}

// joinTime is the time that both sides of a join share in a task.
type joinTime struct {
	now  int64 // stream time: the largest timestamp of both sides
	min  int64 // no record without partner is earlier; largest: not known to be any
	next int64 // wall-clock time of the next search for closed ones
}

// streamJoinNode is one side (V) of a join of streams. A record first meets
// those of the other side that came before it, then it is kept itself.
type streamJoinNode[K, V, VO, VR any] struct {
	name          string
	left          bool
	before, after int64
	grace         int64
	outer         bool // records of this side without partner make results
	time          *joinTime
	mine          *state.WindowStore[K, V]
	other         *state.WindowStore[K, VO]
	lone          *loneRecords
	ks            serde.Serde[K]
	vs            serde.Serde[V]
	kb, vb        []byte
	join          func(*processor.Context, K, V, Maybe[VO]) (VR, error)
	isNull        func(VR) bool
	next          processor.Node[K, VR]
}

func (n *streamJoinNode[K, V, VO, VR]) Process(c *processor.Context, k K, v V) error {
	f := c.Frame()
	n.time.now = max(n.time.now, f.Timestamp)
	if f.NullKey || f.NullValue {
		switch {
		case n.outer && !f.NullValue:
			return abandoned(n.forward(c, k, v, Maybe[VO]{}, f.Timestamp))
		case f.NullKey:
			c.Drop(processor.DropNullKey)
		default:
			c.Drop(processor.DropNullValue)
			return c.Broken(n.name, n.mine.Delete(k, f.Timestamp))
		}
		return nil
	}
	if err := abandoned(n.meet(c, k, v)); err != nil {
		return err
	}
	if err := n.mine.Put(k, f.Timestamp, v, f.Timestamp); err != nil {
		return c.Broken(n.name, err)
	}
	return nil
}

func (n *streamJoinNode[K, V, VO, VR]) meet(c *processor.Context, k K, v V) error {
	f := c.Frame()
	t := f.Timestamp
	if n.lone != nil && t == n.time.now {
		if err := n.lone.emit(c, plus(n.after, n.grace)); err != nil {
			return err
		}
	}
	if n.lone != nil {
		var err error
		if n.kb, err = n.ks.Append(n.kb[:0], k); err != nil {
			return c.Fail(processor.StageEncode, n.name, k, v, err)
		}
	}
	met := false
	from, to := max(0, plus(t, -n.before)), max(0, plus(t, n.after))
	for e, err := range n.other.Fetch(k, from, to) {
		if err != nil {
			return c.Broken(n.name, err)
		}
		met = true
		if n.lone != nil {
			if err := n.lone.remove(e.Start, !n.left, n.kb); err != nil {
				return c.Broken(n.name, err)
			}
		}
		if err := n.forward(c, k, v, Maybe[VO]{e.Value, true}, max(t, e.Start)); err != nil {
			return err
		}
	}
	if met || !n.outer {
		return nil
	}
	if !n.lone.early {
		to = plus(to, n.grace)
	}
	if to < n.time.now { // too late to be met
		return n.forward(c, k, v, Maybe[VO]{}, t)
	}
	n.time.min = min(n.time.min, t)
	var err error
	if n.vb, err = n.vs.Append(n.vb[:0], v); err != nil {
		return c.Fail(processor.StageEncode, n.name, k, v, err)
	}
	return c.Broken(n.name, n.lone.add(t, n.left, n.kb, n.vb))
}

func (n *streamJoinNode[K, V, VO, VR]) forward(c *processor.Context, k K, v V, o Maybe[VO], ts int64) error {
	w, err := n.join(c, k, v, o)
	if err != nil {
		return abandon(c, n.name, k, v, err)
	}
	return forwardAt(c, n.next, k, w, n.isNull, ts)
}

// forwardAt is forwardValue with a timestamp.
func forwardAt[K, V any](c *processor.Context, next processor.Node[K, V], k K, v V, isNull func(V) bool, ts int64) error {
	f := c.Frame()
	was := f.Timestamp
	f.Timestamp = ts
	err := forwardValue(c, next, k, v, isNull)
	f.Timestamp = was
	return err
}
