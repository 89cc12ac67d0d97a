package dsl

import (
	"fmt"
	"math"
	"time"

	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// TimeWindowed is a grouped stream cut into windows whose bounds do not depend
// on the records.
//
// A record belongs to a window as long as the window's end lies after the
// stream time, as the aggregation has observed it, less the grace; later it is
// late for the window: dropped and counted. Records with a null key are dropped
// as well. Those with a null value move the stream time: Count counts them, and
// other aggregates take them where the type has a null of its own.
type TimeWindowed[K, V any] struct {
	g     Grouped[K, V]
	w     windowing.Windows
	final bool
	late  lateFunc[K, V]
	idle  time.Duration
}

// lateFunc is told of a record that is late for the window start..end.
type lateFunc[K, V any] func(c *processor.Context, r processor.Record[K, V], start, end int64)

// tell calls the function, if there is one.
func (l lateFunc[K, V]) tell(c *processor.Context, node string, k K, v V, start, end int64) error {
	if l == nil {
		return nil
	}
	err := guard(func() error { l(c, recordOf(c.Frame(), k, v), start, end); return nil })
	if err != nil {
		return c.Fail(processor.StageProcess, node, k, v, err)
	}
	return nil
}

// WindowedBy cuts each key's records into tumbling, hopping, calendar or
// unlimited windows.
func (g Grouped[K, V]) WindowedBy(w windowing.Windows) TimeWindowed[K, V] {
	if err := w.Validate(); err != nil {
		g.s.b.t.Fail("dsl: WindowedBy below %q: %w", g.s.b.t.Node(g.s.p.Node()).Name, err)
	}
	return TimeWindowed[K, V]{g: g, w: w}
}

// EmitOnClose emits each window once, when it can no longer change, in the
// order of time and key. Nothing is emitted before, and the window's last
// change must be followed by a record that moves the stream time.
func (t TimeWindowed[K, V]) EmitOnClose() TimeWindowed[K, V] {
	if _, endless := t.w.(windowing.Endless); endless {
		t.g.s.b.t.Fail("dsl: EmitOnClose of an unlimited window: it never closes")
	}
	t.final = true
	return t
}

// OnLate has f called for each window that a record is too late for. It is
// called beside the counting, by the task's goroutine, and must not keep the
// context.
func (t TimeWindowed[K, V]) OnLate(f func(c *processor.Context, r processor.Record[K, V], start, end int64)) TimeWindowed[K, V] {
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
func (t TimeWindowed[K, V]) IdleAfter(d time.Duration) TimeWindowed[K, V] {
	checkIdle(t.g.s.b.t, t.g.s.p.Node(), d)
	t.idle = d
	return t
}

// Count counts the records of each window.
func (t TimeWindowed[K, V]) Count[KW windowing.KeyOf[K]](store string, opts ...StoreOption) Table[KW, int64] {
	return timeWindows[K, V, int64, KW](t, "window-count", store, countStep[K, V](), nil, opts)
}

// Reduce combines the values of each window. The first one is taken as it is.
func (t TimeWindowed[K, V]) Reduce[KW windowing.KeyOf[K]](store string, f func(a, v V) V, opts ...StoreOption) Table[KW, V] {
	return timeWindows[K, V, V, KW](t, "window-reduce", store, reduceStep[K](f, nil), t.g.s.vs, opts)
}

// Aggregate folds the values of each window into an aggregate, which zero
// begins. An aggregate that is null deletes the window.
func (t TimeWindowed[K, V]) Aggregate[A any, KW windowing.KeyOf[K]](store string, zero func() A, add func(k K, v V, a A) A, opts ...StoreOption) Table[KW, A] {
	return timeWindows[K, V, A, KW](t, "window-aggregate", store, aggregateStep(zero, add), keepValueSerde[V, A](t.g.s.vs), opts)
}

func timeWindows[K, V, A any, KW windowing.KeyOf[K]](t TimeWindowed[K, V], op, store string, st step[K, V, A], vs serde.Serde[A], opts []StoreOption) Table[KW, A] {
	b, so := t.g.s.b, storingOf(opts)
	s := t.g.copartitioned(requireStore(b, op, store, t.g.s.p.Node()))
	wt := newWindowTable[K, A, KW](b, s.ks, vs, s.srcs, storeName(store), so, windowShape{
		longest: t.w.Longest(), grace: t.w.GraceMillis(), end: t.w.End, final: t.final,
	})
	timeWindowNode(b, wt, t, s, so.operator.name, op, st)
	return Table[KW, A]{b, wt.n}
}

// timeWindowNode adds the node that aggregates one stream into a window table.
func timeWindowNode[K, V, A any, KW windowing.KeyOf[K]](b *Builder, wt *windowTable[K, A, KW], t TimeWindowed[K, V], s Stream[K, V], name, op string, st step[K, V, A]) {
	plain, clock := plain(s.vs), wt.n.newClock(t.idle)
	wt.n.p = topology.Attach(b.t, topology.Spec{Name: b.name(name, op, s.p.Node()), Op: op, Stores: []string{wt.n.store}}, func(w *topology.Wiring, id int, p *topology.Port[KW, Change[A]]) processor.Node[K, V] {
		n := &windowNode[K, V, A, KW]{
			windowStored: wt.wire(w, id, p), w: t.w, grace: t.w.GraceMillis(), step: st,
			skipNull: plain && !st.null, observed: -1, late: t.late,
		}
		if wt.shape.final {
			n.close = newCloser(b, wt.n.store)
		}
		w.Context.KeepTime(n.name, &n.observed)
		idleAfter(w, id, clock.idle, &n.observed, func(c *processor.Context, ts int64) error {
			n.observed = max(n.observed, ts)
			if n.close == nil {
				return nil
			}
			return n.emit(c, n.observed-n.grace)
		})
		return n
	}, s.p)
	clock.node = wt.n.p.Node()
}

// windowShape is what a windowed store and its readers must know of windows.
type windowShape struct {
	longest int64 // milliseconds
	grace   int64
	keep    int64 // least retention, if more than longest and grace
	end     func(start int64) int64
	final   bool
	noCache bool
}

// windowTable is a windowed table under construction.
type windowTable[K, A any, KW windowing.KeyOf[K]] struct {
	n     *tableNode[KW, A]
	h     state.WindowHandle[K, A]
	shape windowShape
}

// millis is a duration of ms milliseconds, or the longest there is.
func millis(ms int64) time.Duration {
	if ms > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64
	}
	return time.Duration(ms) * time.Millisecond
}

func newWindowTable[K, A any, KW windowing.KeyOf[K]](b *Builder, ks serde.Serde[K], vs serde.Serde[A], srcs []int, store string, so *storing, shape windowShape) *windowTable[K, A, KW] {
	so.holdsBack(b, store, false)
	ks = b.serdeFor(ks, fmt.Sprintf("key of store %q", store))
	vs = valueSerde(b, so, vs, fmt.Sprintf("value of store %q", store))
	least := max(shape.longest, shape.keep)
	if least += shape.grace; least < 0 {
		least = math.MaxInt64
	}
	retention := millis(least)
	if so.retention != 0 {
		if so.retention < retention {
			b.t.Fail("dsl: store %q: retention %v is shorter than its windows and their grace, %v", store, so.retention, retention)
		}
		retention = so.retention
	}
	if so.history > 0 {
		b.t.Fail("dsl: store %q: windows cannot be versioned", store)
	}
	if so.expire != 0 {
		b.t.Fail("dsl: store %q: windows have a Retention, not ExpireAfter", store)
	}
	o := so.opts
	if shape.final {
		o = append(o, state.TimeOrdered())
	}
	if shape.noCache {
		o = append(o, state.Uncached())
	}
	h := state.TimestampedWindow(store, ks, vs, retention, millis(shape.longest), o...)
	b.own(h)
	kws, _ := any(windowing.TimeKey(ks, shape.end)).(serde.Serde[KW])
	n := &tableNode[KW, A]{ks: kws, vs: vs, srcs: srcs, store: store, grace: shape.grace, window: h}
	n.materialise = func() {}
	n.reads = func() []string { return []string{store} }
	n.getter = func(w *topology.Wiring) getter[KW, A] { return windowGetter[K, A, KW]{h.In(w.Context), false} }
	n.askOld = func(bool) bool { n.sendOld = true; return true }
	return &windowTable[K, A, KW]{n: n, h: h, shape: shape}
}

type windowGetter[K, A any, KW windowing.KeyOf[K]] struct {
	st    *state.WindowStore[K, A]
	track bool
}

func (g windowGetter[K, A, KW]) tracked() getter[KW, A] { return windowGetter[K, A, KW]{g.st, true} }

func (g windowGetter[K, A, KW]) get(kw KW) (A, int64, bool, error) {
	w := windowing.Windowed[K](kw)
	if g.track {
		return g.st.GetTracked(w.Key, w.Start)
	}
	return g.st.Get(w.Key, w.Start)
}

// WindowStore returns the handle of a windowed table's store, to query it.
func WindowStore[K, V any](t Table[windowing.Windowed[K], V]) state.WindowHandle[K, V] {
	h, ok := t.n.window.(state.WindowHandle[K, V])
	if !ok {
		t.b.t.Fail("dsl: WindowStore of table %q: it has no window store", t.name())
	}
	return h
}

// windowStored is the part of a node that keeps windows in a store.
type windowStored[K, A any, KW windowing.KeyOf[K]] struct {
	name    string
	st      *state.WindowStore[K, A]
	end     func(start int64) int64
	quiet   bool // forwarding is done by the flush, or when windows close
	sendOld bool
	isNull  func(A) bool
	next    processor.Node[KW, Change[A]]
}

// wire opens the store for a node. Several nodes may share it, with one output.
func (t *windowTable[K, A, KW]) wire(w *topology.Wiring, id int, p *topology.Port[KW, Change[A]]) windowStored[K, A, KW] {
	s := windowStored[K, A, KW]{
		name: w.Name(id), st: t.h.In(w.Context), end: t.shape.end, sendOld: t.n.sendOld,
		isNull: null.Test(t.n.vs), next: p.Next(w),
	}
	s.quiet = t.shape.final || s.st.Caching()
	if !t.shape.final && s.st.Caching() {
		c, next, end, sendOld := w.Context, s.next, s.end, s.sendOld
		s.st.OnFlush(sendOld, func(k K, start int64, u state.Update[A]) error {
			return forwardFlushed(c, next, KW(windowing.Windowed[K]{Key: k, Start: start, End: end(start)}), flushedChange(u, sendOld), u.Timestamp)
		})
	}
	return s
}

// forwardFlushed is forwardChange under the context of a cache's entry, whose
// key and value are not null.
func forwardFlushed[K, V any](c *processor.Context, next processor.Node[K, Change[V]], k K, ch Change[V], ts int64) error {
	f := c.Frame()
	nk, nv := f.NullKey, f.NullValue
	f.NullKey, f.NullValue = false, false
	err := forwardChange(c, next, k, ch, ts)
	f.NullKey, f.NullValue = nk, nv
	return err
}

func (s *windowStored[K, A, KW]) key(k K, start int64) KW {
	return KW(windowing.Windowed[K]{Key: k, Start: start, End: s.end(start)})
}

// set stores a window and forwards the change, unless that is done elsewhere.
func (s *windowStored[K, A, KW]) set(c *processor.Context, k K, start int64, ch Change[A], ts int64) error {
	var err error
	if ch.HasNew {
		err = s.st.Put(k, start, ch.New, ts)
	} else {
		err = s.st.Delete(k, start)
	}
	if err != nil {
		return c.Broken(s.name, err)
	}
	if s.quiet {
		return nil
	}
	return forwardFlushed(c, s.next, s.key(k, start), ch, ts)
}

type windowNode[K, V, A any, KW windowing.KeyOf[K]] struct {
	windowStored[K, A, KW]
	w        windowing.Windows
	grace    int64
	step     step[K, V, A]
	skipNull bool  // of the values that the step is given
	observed int64 // stream time, as far as this node has seen it
	late     lateFunc[K, V]
	close    *closer
}

func (n *windowNode[K, V, A, KW]) Process(c *processor.Context, k K, v V) error {
	f := c.Frame()
	if f.NullKey {
		c.Drop(processor.DropNullKey)
		return nil
	}
	n.observed = max(n.observed, f.Timestamp)
	closed := n.observed - n.grace
	if n.close == nil {
		return abandoned(n.add(c, k, v, closed))
	}
	return abandoned(n.close.around(func() error { return n.emit(c, closed) }, func() error { return n.add(c, k, v, closed) }))
}

// add aggregates the record into its windows that are open.
func (n *windowNode[K, V, A, KW]) add(c *processor.Context, k K, v V, closed int64) error {
	f := c.Frame()
	if passes(f, n.skipNull) {
		c.Drop(processor.DropNullValue)
		return nil
	}
	ts := f.Timestamp
	for start, ok := n.w.First(ts); ok; start, ok = n.w.Next(start, ts) {
		end := n.w.End(start)
		if end <= closed {
			c.Drop(processor.DropLate)
			if err := n.late.tell(c, n.name, k, v, start, end); err != nil {
				return err
			}
			continue
		}
		if err := n.update(c, k, v, start); err != nil {
			return err
		}
	}
	return nil
}

// update aggregates the record into one window.
func (n *windowNode[K, V, A, KW]) update(c *processor.Context, k K, v V, start int64) error {
	f := c.Frame()
	old, ts, has, err := n.st.Get(k, start)
	if err != nil {
		return c.Broken(n.name, err)
	}
	was, now, err := n.step.apply(c, k, v, old, has)
	if err != nil {
		return abandon(c, n.name, k, v, err)
	}
	if !has || f.Timestamp > ts {
		ts = f.Timestamp
	}
	ch := Change[A]{New: now, HasNew: present(now, n.isNull)}
	if n.sendOld {
		ch.Old, ch.HasOld = was, (has || n.step.zero != nil) && present(was, n.isNull)
	}
	return n.set(c, k, start, ch, ts)
}

// emit forwards the windows that have closed since the last time.
func (n *windowNode[K, V, A, KW]) emit(c *processor.Context, closed int64) error {
	if !n.close.due(c, closed) {
		return nil
	}
	longest := n.w.Longest()
	last, first := n.close.last, int64(0)
	if last >= 0 {
		first = max(0, last-longest) + 1
		if last < longest {
			first = 0
		}
	}
	upper := closed
	if t, ok := n.w.(windowing.Time); ok {
		// A window that closed must begin in here; mostly none does.
		upper = closed - longest
		if upper < 0 {
			return nil
		}
		if adv := t.Advance.Milliseconds(); upper/adv*adv < first {
			return nil
		}
	}
	for e, err := range n.st.FetchAll(first, upper) {
		if err != nil {
			return c.Broken(n.name, err)
		}
		if end := n.end(e.Start); end > closed || end <= last {
			continue
		}
		if err := forwardFlushed(c, n.next, n.key(e.Key, e.Start), Change[A]{New: e.Value, HasNew: true}, e.Timestamp); err != nil {
			return err
		}
	}
	n.close.done(c, closed)
	return nil
}
