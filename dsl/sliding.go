package dsl

import (
	"math"
	"time"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// SlidingWindowed is a grouped stream cut into sliding windows: there is a
// window for each distinct set of a key's records that are at most the time
// difference apart. Its windows' ends are inclusive. (KIP-450)
//
// Records with a null key or value are dropped and counted; so are records that
// are late: whose windows all ended before the stream time less the grace.
type SlidingWindowed[K, V any] struct {
	g     Grouped[K, V]
	w     windowing.Sliding
	final bool
	late  lateFunc[K, V]
	idle  time.Duration
}

// SlidingBy cuts each key's records into sliding windows.
func (g Grouped[K, V]) SlidingBy(w windowing.Sliding) SlidingWindowed[K, V] {
	if err := w.Validate(); err != nil {
		g.s.b.t.Fail("dsl: SlidingBy below %q: %w", g.s.b.t.Node(g.s.p.Node()).Name, err)
	}
	return SlidingWindowed[K, V]{g: g, w: w}
}

// EmitOnClose emits each window once, when it can no longer change.
func (t SlidingWindowed[K, V]) EmitOnClose() SlidingWindowed[K, V] { t.final = true; return t }

// OnLate has f called for each window that a record is too late for.
func (t SlidingWindowed[K, V]) OnLate(f func(c *processor.Context, r processor.Record[K, V], start, end int64)) SlidingWindowed[K, V] {
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
func (t SlidingWindowed[K, V]) IdleAfter(d time.Duration) SlidingWindowed[K, V] {
	checkIdle(t.g.s.b.t, t.g.s.p.Node(), d)
	t.idle = d
	return t
}

// Count counts the records of each window.
func (t SlidingWindowed[K, V]) Count[KW windowing.KeyOf[K]](store string, opts ...StoreOption) Table[KW, int64] {
	return slidingWindows[K, V, int64, KW](t, "sliding-count", store, countStep[K, V](), nil, opts)
}

// Reduce combines the values of each window. The first one is taken as it is.
func (t SlidingWindowed[K, V]) Reduce[KW windowing.KeyOf[K]](store string, f func(a, v V) V, opts ...StoreOption) Table[KW, V] {
	return slidingWindows[K, V, V, KW](t, "sliding-reduce", store, reduceStep[K](f, nil), t.g.s.vs, opts)
}

// Aggregate folds the values of each window into an aggregate, which zero
// begins. Windows share their beginnings, so add must not change its argument
// in place.
func (t SlidingWindowed[K, V]) Aggregate[A any, KW windowing.KeyOf[K]](store string, zero func() A, add func(k K, v V, a A) A, opts ...StoreOption) Table[KW, A] {
	return slidingWindows[K, V, A, KW](t, "sliding-aggregate", store, aggregateStep(zero, add), keepValueSerde[V, A](t.g.s.vs), opts)
}

func slidingShape(w windowing.Sliding, final bool) windowShape {
	d := w.Difference.Milliseconds()
	return windowShape{
		longest: d, grace: w.Grace.Milliseconds(), keep: 2 * d, end: windowing.EndAfter(d), final: final, noCache: final,
	}
}

func slidingWindows[K, V, A any, KW windowing.KeyOf[K]](t SlidingWindowed[K, V], op, store string, st step[K, V, A], vs serde.Serde[A], opts []StoreOption) Table[KW, A] {
	b, so := t.g.s.b, storingOf(opts)
	s := t.g.copartitioned(requireStore(b, op, store, t.g.s.p.Node()))
	wt := newWindowTable[K, A, KW](b, s.ks, vs, s.srcs, storeName(store), so, slidingShape(t.w, t.final))
	slidingNode(b, wt, t, s, so.operator.name, op, st)
	return Table[KW, A]{b, wt.n}
}

func slidingNode[K, V, A any, KW windowing.KeyOf[K]](b *Builder, wt *windowTable[K, A, KW], t SlidingWindowed[K, V], s Stream[K, V], name, op string, st step[K, V, A]) {
	clock := wt.n.newClock(t.idle)
	wt.n.p = topology.Attach(b.t, topology.Spec{Name: b.name(name, op, s.p.Node()), Op: op, Stores: []string{wt.n.store}}, func(w *topology.Wiring, id int, p *topology.Port[KW, Change[A]]) processor.Node[K, V] {
		n := &slidingWindowNode[K, V, A, KW]{
			windowStored: wt.wire(w, id, p), diff: t.w.Difference.Milliseconds(), grace: t.w.Grace.Milliseconds(),
			step: st, observed: -1, late: t.late,
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

// slidingWindowNode keeps for each record time t of a key the left window
// [t-diff, t] and, when a record lies in it, the right window [t+1, t+1+diff].
// Windows that would begin before 0 are all one, [0, diff].
type slidingWindowNode[K, V, A any, KW windowing.KeyOf[K]] struct {
	windowStored[K, A, KW]
	diff, grace int64
	step        step[K, V, A]
	observed    int64
	late        lateFunc[K, V]
	close       *closer
	seen        []slidingWindow[A] // scratch
}

// slidingWindow is a window that was there before the record.
type slidingWindow[A any] struct {
	start, ts int64
	value     A
	ok        bool
}

func (n *slidingWindowNode[K, V, A, KW]) Process(c *processor.Context, k K, v V) error {
	f := c.Frame()
	if f.NullKey {
		c.Drop(processor.DropNullKey)
		return nil
	}
	if f.NullValue {
		c.Drop(processor.DropNullValue)
		return nil
	}
	t := f.Timestamp
	if t > math.MaxInt64-2*n.diff-1 {
		c.Drop(processor.DropTime) // its windows would end after the end of time
		return nil
	}
	n.observed = max(n.observed, t)
	closed := n.observed - n.grace
	if t+n.diff < closed {
		c.Drop(processor.DropLate)
		return n.late.tell(c, n.name, k, v, t-n.diff, t)
	}
	if t < n.diff {
		return abandoned(n.early(c, k, v, t, closed))
	}
	if n.close == nil {
		return abandoned(n.usual(c, k, v, t, closed))
	}
	return abandoned(n.close.around(func() error { return n.emit(c, closed) }, func() error { return n.usual(c, k, v, t, closed) }))
}

// fetch collects the key's windows that begin from..to, before any changes.
func (n *slidingWindowNode[K, V, A, KW]) fetch(c *processor.Context, k K, from, to int64, backward bool) error {
	n.seen = n.seen[:0]
	seq := n.st.Fetch(k, from, to)
	if backward {
		seq = n.st.FetchBackward(k, from, to)
	}
	for e, err := range seq {
		if err != nil {
			return c.Broken(n.name, err)
		}
		n.seen = append(n.seen, slidingWindow[A]{e.Start, e.Timestamp, e.Value, true})
	}
	return nil
}

// usual handles a record none of whose windows begins before 0.
func (n *slidingWindowNode[K, V, A, KW]) usual(c *processor.Context, k K, v V, t, closed int64) error {
	if err := n.fetch(c, k, max(0, t-2*n.diff), t+1, true); err != nil {
		return err
	}
	var (
		left, right bool                  // the record's own windows exist
		previous    int64            = -1 // time of the record before
		before      slidingWindow[A]      // the nearest window that ends before t
		after       slidingWindow[A]      // the latest window that contains t
	)
	for _, w := range n.seen {
		end := w.start + n.diff
		if w.start == t+1 {
			right = true
		} else if end > t {
			if !after.ok {
				after = w
			}
			if err := n.update(c, k, v, w, closed); err != nil {
				return err
			}
		} else if end == t {
			left = true
			if w.ts >= t {
				// There was a record of this very time: all windows exist.
				return n.update(c, k, v, w, closed)
			}
			previous = w.ts
			if err := n.update(c, k, v, w, closed); err != nil {
				return err
			}
		} else {
			before, previous = w, w.ts
			break
		}
	}
	if previous >= 0 {
		if start := previous + 1; !n.exists(start) && start+n.diff >= t {
			if err := n.update(c, k, v, slidingWindow[A]{start: start}, closed); err != nil {
				return err
			}
		}
	}
	if !left {
		w := slidingWindow[A]{start: t - n.diff}
		if before.ok && previous >= t-n.diff {
			w = slidingWindow[A]{start: t - n.diff, ts: before.ts, value: before.value, ok: true}
		}
		if err := n.update(c, k, v, w, closed); err != nil {
			return err
		}
	}
	if !right && after.ok && after.ts > t {
		return n.create(c, k, after, t+1, closed)
	}
	return nil
}

// early handles a record that lies in the window [0, diff].
func (n *slidingWindowNode[K, V, A, KW]) early(c *processor.Context, k K, v V, t, closed int64) error {
	if err := n.fetch(c, k, 0, t+1, false); err != nil {
		return err
	}
	var (
		right    bool
		previous int64 = -1
		combined slidingWindow[A]
		after    slidingWindow[A]
	)
	for _, w := range n.seen {
		switch {
		case w.start == 0:
			combined = w
			if w.ts < t {
				previous = w.ts
			}
		case w.start <= t:
			after = w
			if err := n.update(c, k, v, w, closed); err != nil {
				return err
			}
		default:
			right = true
		}
	}
	if !after.ok && combined.ok && combined.ts > t {
		after = combined
	}
	if !right && after.ok && after.ts > t {
		if err := n.create(c, k, after, t+1, closed); err != nil {
			return err
		}
	}
	if previous >= 0 {
		if start := previous + 1; !n.exists(start) && start+n.diff >= t {
			if err := n.update(c, k, v, slidingWindow[A]{start: start}, closed); err != nil {
				return err
			}
		}
	}
	combined.start = 0
	return n.update(c, k, v, combined, closed)
}

func (n *slidingWindowNode[K, V, A, KW]) exists(start int64) bool {
	for i := range n.seen {
		if n.seen[i].start == start {
			return true
		}
	}
	return false
}

// update aggregates the record into a window as it was before.
func (n *slidingWindowNode[K, V, A, KW]) update(c *processor.Context, k K, v V, w slidingWindow[A], closed int64) error {
	f := c.Frame()
	if w.start+n.diff < closed {
		c.Drop(processor.DropLate)
		return n.late.tell(c, n.name, k, v, w.start, w.start+n.diff)
	}
	was, now, err := n.step.apply(c, k, v, w.value, w.ok)
	if err != nil {
		return abandon(c, n.name, k, v, err)
	}
	ch := Change[A]{New: now, HasNew: present(now, n.isNull)}
	if n.sendOld {
		ch.Old, ch.HasOld = was, (w.ok || n.step.zero != nil) && present(was, n.isNull)
	}
	return n.set(c, k, w.start, ch, max(w.ts, f.Timestamp))
}

// create makes the record's right window, which holds what a later window held
// before the record came.
func (n *slidingWindowNode[K, V, A, KW]) create(c *processor.Context, k K, from slidingWindow[A], start, closed int64) error {
	if start+n.diff < closed {
		c.Drop(processor.DropLate)
		return nil
	}
	return n.set(c, k, start, Change[A]{New: from.value, HasNew: true}, from.ts)
}

// emit forwards the windows that have closed since the last time.
func (n *slidingWindowNode[K, V, A, KW]) emit(c *processor.Context, closed int64) error {
	if !n.close.due(c, closed) {
		return nil
	}
	upper := closed - n.diff - 1
	if upper < 0 {
		return nil
	}
	lower := int64(0)
	if n.close.last >= 0 {
		lower = max(0, n.close.last-n.diff)
	}
	for e, err := range n.st.FetchAll(lower, upper) {
		if err != nil {
			return c.Broken(n.name, err)
		}
		if err := forwardFlushed(c, n.next, n.key(e.Key, e.Start), Change[A]{New: e.Value, HasNew: true}, e.Timestamp); err != nil {
			return err
		}
	}
	n.close.done(c, closed)
	return nil
}
