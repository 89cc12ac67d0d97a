package dsl

import (
	"fmt"
	"time"

	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// SessionWindowed is a grouped stream cut into sessions: records of a key that
// follow each other with no gap longer than the session's.
//
// A record that joins sessions replaces them: each that it replaces is deleted
// by a change of its own, then comes the merged one. Results carry the time of
// the session's end, and no headers. A record whose session would have ended
// before the stream time less gap and grace is late: dropped and counted, like
// one with a null key. Null values are as in TimeWindowed.
type SessionWindowed[K, V any] struct {
	g     Grouped[K, V]
	w     windowing.Session
	final bool
	late  lateFunc[K, V]
	idle  time.Duration
}

// SessionBy cuts each key's records into sessions.
func (g Grouped[K, V]) SessionBy(w windowing.Session) SessionWindowed[K, V] {
	if err := w.Validate(); err != nil {
		g.s.b.t.Fail("dsl: SessionBy below %q: %w", g.s.b.t.Node(g.s.p.Node()).Name, err)
	}
	return SessionWindowed[K, V]{g: g, w: w}
}

// EmitOnClose emits each session once, when it can no longer change.
func (t SessionWindowed[K, V]) EmitOnClose() SessionWindowed[K, V] { t.final = true; return t }

// OnLate has f called for each record that is too late for its session.
func (t SessionWindowed[K, V]) OnLate(f func(c *processor.Context, r processor.Record[K, V], start, end int64)) SessionWindowed[K, V] {
	t.late = f
	return t
}

// IdleAfter has windows close though no record comes: when the operator's time
// has not moved for d of the wall clock, it goes on at the wall clock's pace, as
// if records came. Without it, time stands still with its input, and the last
// windows stay open. Records that come late after such a pause are late for the
// windows closed in it, so d must be more than what records are ever delayed.
//
// It is for each partition on its own, measured from the last record that moved
// time, or from the start of the task, and to within a quarter of d.
func (t SessionWindowed[K, V]) IdleAfter(d time.Duration) SessionWindowed[K, V] {
	checkIdle(t.g.s.b.t, t.g.s.p.Node(), d)
	t.idle = d
	return t
}

// Count counts the records of each session.
func (t SessionWindowed[K, V]) Count[KW windowing.KeyOf[K]](store string, opts ...StoreOption) Table[KW, int64] {
	return sessions[K, V, int64, KW](t, "session-count", store, countStep[K, V](), nil, opts)
}

// Reduce combines the values of each session. The first one is taken as it is.
func (t SessionWindowed[K, V]) Reduce[KW windowing.KeyOf[K]](store string, f func(a, v V) V, opts ...StoreOption) Table[KW, V] {
	return sessions[K, V, V, KW](t, "session-reduce", store, reduceStep[K](f, nil), t.g.s.vs, opts)
}

// Aggregate folds the values of each session into an aggregate, which zero
// begins. merge combines the aggregates of sessions that become one: it begins
// with what zero made and takes the sessions in the order of their ends.
func (t SessionWindowed[K, V]) Aggregate[A any, KW windowing.KeyOf[K]](store string, zero func() A, add func(k K, v V, a A) A, merge func(k K, a, b A) A, opts ...StoreOption) Table[KW, A] {
	return sessions[K, V, A, KW](t, "session-aggregate", store, aggregateStep(zero, add).merging(merge), keepValueSerde[V, A](t.g.s.vs), opts)
}

// sessionTable is a table of sessions under construction.
type sessionTable[K, A any, KW windowing.KeyOf[K]] struct {
	b     *Builder
	n     *tableNode[KW, A]
	h     state.SessionHandle[K, A]
	final bool
}

func newSessionTable[K, A any, KW windowing.KeyOf[K]](b *Builder, ks serde.Serde[K], vs serde.Serde[A], srcs []int, store string, so *storing, w windowing.Session, final bool) *sessionTable[K, A, KW] {
	so.holdsBack(b, store, false)
	ks = b.serdeFor(ks, fmt.Sprintf("key of store %q", store))
	vs = valueSerde(b, so, vs, fmt.Sprintf("value of store %q", store))
	retention := w.Gap + w.Grace
	if so.retention != 0 {
		if so.retention < retention {
			b.t.Fail("dsl: store %q: retention %v is shorter than the gap and the grace, %v", store, so.retention, retention)
		}
		retention = so.retention
	}
	if so.expire != 0 {
		b.t.Fail("dsl: store %q: sessions have a Retention, not ExpireAfter", store)
	}
	o := so.opts
	if final {
		o = append(o, state.TimeOrdered(), state.Uncached())
	}
	h := state.Session(store, ks, vs, retention, o...)
	b.own(h)
	kws, _ := any(windowing.SessionKey(ks)).(serde.Serde[KW])
	n := &tableNode[KW, A]{ks: kws, vs: vs, srcs: srcs, store: store, grace: w.Gap.Milliseconds() + w.Grace.Milliseconds(), window: h}
	n.materialise = func() {}
	n.reads = func() []string { return []string{store} }
	n.getter = func(w *topology.Wiring) getter[KW, A] { return sessionGetter[K, A, KW]{h.In(w.Context), false} }
	n.askOld = func(bool) bool { n.sendOld = true; return true }
	return &sessionTable[K, A, KW]{b: b, n: n, h: h, final: final}
}

type sessionGetter[K, A any, KW windowing.KeyOf[K]] struct {
	st    *state.SessionStore[K, A]
	track bool
}

func (g sessionGetter[K, A, KW]) tracked() getter[KW, A] { return sessionGetter[K, A, KW]{g.st, true} }

func (g sessionGetter[K, A, KW]) get(kw KW) (A, int64, bool, error) {
	w := windowing.Windowed[K](kw)
	get := g.st.Get
	if g.track {
		get = g.st.GetTracked
	}
	v, ok, err := get(w.Key, w.Start, w.End)
	return v, w.End, ok, err
}

// SessionStore returns the handle of a table of sessions' store, to query it.
func SessionStore[K, V any](t Table[windowing.Windowed[K], V]) state.SessionHandle[K, V] {
	h, ok := t.n.window.(state.SessionHandle[K, V])
	if !ok {
		t.b.t.Fail("dsl: SessionStore of table %q: it has no session store", t.name())
	}
	return h
}

func sessions[K, V, A any, KW windowing.KeyOf[K]](t SessionWindowed[K, V], op, store string, st step[K, V, A], vs serde.Serde[A], opts []StoreOption) Table[KW, A] {
	b, so := t.g.s.b, storingOf(opts)
	s := t.g.copartitioned(requireStore(b, op, store, t.g.s.p.Node()))
	tb := newSessionTable[K, A, KW](b, s.ks, vs, s.srcs, storeName(store), so, t.w, t.final)
	sessionNodeFor(b, tb, t, s, so.operator.name, op, st)
	return Table[KW, A]{b, tb.n}
}

func sessionNodeFor[K, V, A any, KW windowing.KeyOf[K]](b *Builder, tb *sessionTable[K, A, KW], t SessionWindowed[K, V], s Stream[K, V], name, op string, st step[K, V, A]) {
	plain, clock := plain(s.vs), tb.n.newClock(t.idle)
	tb.n.p = topology.Attach(b.t, topology.Spec{Name: b.name(name, op, s.p.Node()), Op: op, Stores: []string{tb.n.store}}, func(w *topology.Wiring, id int, p *topology.Port[KW, Change[A]]) processor.Node[K, V] {
		return tb.wire(w, id, p, &sessionNode[K, V, A, KW]{
			gap: t.w.Gap.Milliseconds(), grace: t.w.Grace.Milliseconds(), step: st,
			skipNull: plain && !st.null, observed: -1, late: t.late, idle: clock.idle,
		})
	}, s.p)
	clock.node = tb.n.p.Node()
}

func (t *sessionTable[K, A, KW]) wire[V any](w *topology.Wiring, id int, p *topology.Port[KW, Change[A]], n *sessionNode[K, V, A, KW]) *sessionNode[K, V, A, KW] {
	n.name, n.st, n.sendOld = w.Name(id), t.h.In(w.Context), t.n.sendOld
	n.isNull, n.next = null.Test(t.n.vs), p.Next(w)
	n.quiet = t.final || n.st.Caching()
	w.Context.KeepTime(n.name, &n.observed)
	idleAfter(w, id, n.idle, &n.observed, func(c *processor.Context, ts int64) error {
		n.observed = max(n.observed, ts)
		if n.close == nil {
			return nil
		}
		return n.emit(c, n.observed-n.grace-n.gap)
	})
	if t.final {
		n.close = newCloser(t.b, t.n.store)
	} else if n.st.Caching() {
		c, sendOld := w.Context, n.sendOld
		spec := t.h.Spec()
		bare := spec.LogTombstoneHeaders && !spec.InMemory // as the stores of Kafka Streams that could keep headers
		n.st.OnFlush(sendOld, func(k K, start, end int64, u state.Update[A]) error {
			return n.forwardSession(c, k, start, end, flushedChange(u, sendOld), bare)
		})
	}
	return n
}

type sessionNode[K, V, A any, KW windowing.KeyOf[K]] struct {
	name       string
	gap, grace int64
	step       step[K, V, A]
	skipNull   bool // of the values that the step is given
	observed   int64
	late       lateFunc[K, V]
	idle       time.Duration
	close      *closer
	st         *state.SessionStore[K, A]
	quiet      bool
	sendOld    bool
	isNull     func(A) bool
	next       processor.Node[KW, Change[A]]
	found      []state.SessionEntry[K, A] // scratch
}

func (n *sessionNode[K, V, A, KW]) Process(c *processor.Context, k K, v V) error {
	f := c.Frame()
	if f.NullKey {
		c.Drop(processor.DropNullKey)
		return nil
	}
	n.observed = max(n.observed, f.Timestamp)
	closed := n.observed - n.grace - n.gap
	if n.close == nil {
		return abandoned(n.update(c, k, v, closed))
	}
	return abandoned(n.close.around(func() error { return n.emit(c, closed) }, func() error { return n.update(c, k, v, closed) }))
}

func (n *sessionNode[K, V, A, KW]) update(c *processor.Context, k K, v V, closed int64) error {
	f := c.Frame()
	if passes(f, n.skipNull) {
		c.Drop(processor.DropNullValue)
		return nil
	}
	t := f.Timestamp
	start, end := t, t
	n.found = n.found[:0]
	for e, err := range n.st.Find(k, t-n.gap, plus(t, n.gap)) {
		if err != nil {
			return c.Broken(n.name, err)
		}
		n.found = append(n.found, e)
		start, end = min(start, e.Start), max(end, e.End)
	}
	if end < closed {
		c.Drop(processor.DropLate)
		return n.late.tell(c, n.name, k, v, start, end)
	}
	now, err := n.merged(c, k, v)
	if err != nil {
		return abandon(c, n.name, k, v, err)
	}
	if start != t || end != t {
		for _, e := range n.found {
			if err := n.st.Delete(k, e.Start, e.End); err != nil {
				return c.Broken(n.name, err)
			}
			ch := Change[A]{}
			if n.sendOld {
				ch.Old, ch.HasOld = e.Value, true
			}
			if err := n.forward(c, k, e.Start, e.End, ch); err != nil {
				return err
			}
		}
	}
	if err := n.st.Put(k, start, end, now); err != nil {
		return c.Broken(n.name, err)
	}
	return n.forward(c, k, start, end, Change[A]{New: now, HasNew: present(now, n.isNull)})
}

// merged is the aggregate of the sessions found and the record.
func (n *sessionNode[K, V, A, KW]) merged(c *processor.Context, k K, v V) (a A, err error) {
	defer processor.Recover(&err)
	has := false
	if n.step.zero != nil {
		a, has = n.step.zero(), true
	}
	for _, e := range n.found {
		if has {
			if a, err = n.step.merge.call(c, k, e.Value, a); err != nil {
				return a, err
			}
			has = n.step.zero != nil || present(a, n.isNull)
		} else {
			a, has = e.Value, true
		}
	}
	if !has {
		return n.step.one(v), nil
	}
	return n.step.add.call(c, k, v, a)
}

// forward sends a change of a session, without headers as Kafka Streams does,
// unless the flush or the closing does it.
func (n *sessionNode[K, V, A, KW]) forward(c *processor.Context, k K, start, end int64, ch Change[A]) error {
	if n.quiet {
		return nil
	}
	return n.forwardSession(c, k, start, end, ch, true)
}

func (n *sessionNode[K, V, A, KW]) forwardSession(c *processor.Context, k K, start, end int64, ch Change[A], bare bool) error {
	f := c.Frame()
	h := f.Headers
	if bare {
		f.Headers = nil
	}
	err := forwardFlushed(c, n.next, KW(windowing.Windowed[K]{Key: k, Start: start, End: end}), ch, end)
	f.Headers = h
	return err
}

// emit forwards the sessions that have closed since the last time.
func (n *sessionNode[K, V, A, KW]) emit(c *processor.Context, closed int64) error {
	if !n.close.due(c, closed) || closed < 1 {
		return nil
	}
	for e, err := range n.st.FindEnded(max(0, n.close.last), closed-1) {
		if err != nil {
			return c.Broken(n.name, err)
		}
		if err := forwardFlushed(c, n.next, KW(windowing.Windowed[K]{Key: e.Key, Start: e.Start, End: e.End}), Change[A]{New: e.Value, HasNew: true}, e.End); err != nil {
			return err
		}
	}
	n.close.done(c, closed)
	return nil
}
