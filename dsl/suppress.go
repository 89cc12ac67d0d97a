package dsl

import (
	"fmt"
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

// Suppression says how long the changes of a table are held back, and how many.
// It is made by Every.
type Suppression struct {
	wait       time.Duration
	maxRecords int
	maxBytes   int64
	strict     bool
}

// Every emits the changes of a key at most every d of stream time: the first
// change of a key waits for d, and later ones replace it.
func Every(d time.Duration) Suppression { return Suppression{wait: d} }

// MaxRecords holds at most n keys back; when there are more, the earliest are
// emitted before their time.
func (s Suppression) MaxRecords(n int) Suppression { s.maxRecords = n; return s }

// MaxBytes holds at most about n bytes back; when there are more, the earliest
// changes are emitted before their time.
func (s Suppression) MaxBytes(n int64) Suppression { s.maxBytes = n; return s }

// FailWhenFull ends the task instead of emitting early.
func (s Suppression) FailWhenFull() Suppression { s.strict = true; return s }

// Suppress holds changes back, so that of several changes of a key only the
// last is emitted. Time is that of the records that reach it; it takes further
// records for what was held back to be emitted. The old value of an emitted
// change is the one that its last change came with.
//
// The buffer is a store in memory with a changelog. It is called after the
// operator's name, or the table's store, and "-store".
func (t Table[K, V]) Suppress[_ lazy](s Suppression, opts ...StoreOption) Table[K, V] {
	return suppress(t, s, nil, opts)
}

// FinalOnly holds each window back until it is closed, and then emits its last
// value, once: the stream time is past its end and its grace. Deletions are not
// emitted. It is a function, and not a method, so that the compiler takes
// windowed tables only. See also EmitOnClose, which needs no buffer.
//
// With IdleAfter, here or on the windows, it goes by the time of the windows, of
// all where it is made of several, and emits before each commit what they have
// closed.
func FinalOnly[K, V any](t Table[windowing.Windowed[K], V], opts ...StoreOption) Table[windowing.Windowed[K], V] {
	if t.n.grace < 0 {
		t.b.t.Fail("dsl: FinalOnly of table %q: it is not the result of a windowed aggregation", t.name())
	}
	s := Suppression{wait: millis(max(t.n.grace, 0)), strict: true}
	return suppress(t, s, func(w windowing.Windowed[K]) int64 { return w.End }, opts)
}

// suppress adds the buffer. until gives the time of a key in place of that of
// its first change; deletions are then left out.
func suppress[K, V any](t Table[K, V], s Suppression, until func(K) int64, opts []StoreOption) Table[K, V] {
	b, so, parent := t.b, storingOf(opts), t.n
	if parent.versioned {
		b.t.Fail("dsl: Suppress of table %q: a versioned table cannot be suppressed", t.name())
	}
	if s.wait < 0 {
		b.t.Fail("dsl: Suppress of table %q: %v is negative", t.name(), s.wait)
	}
	base := so.operator.name
	if base == "" && parent.store != "" {
		base = parent.store + "-suppress"
	}
	if base == "" {
		b.t.Fail("dsl: Suppress of table %q, which has no store, needs Named: the buffer's changelog is called after it", t.name())
		base = "unnamed"
	}
	parent.askOld(true)
	where := fmt.Sprintf("buffer %q", base+"-store")
	ks, vs := b.serdeFor(parent.ks, "key of "+where), b.serdeFor(parent.vs, "value of "+where)
	h := newBufferHandle(base+"-store", so.opts)
	b.own(h)
	idle := so.holdsBack(b, base, true)
	var clocks []*clock // nil: it has a time of its own
	if until != nil && idleClocks(b, base, parent.clocks, idle) {
		idle, clocks = 0, parent.clocks
	}

	n := &tableNode[K, V]{ks: ks, vs: vs, srcs: parent.srcs, grace: parent.grace, clocks: parent.clocks, sendOld: true}
	n.p = topology.Attach(b.t, topology.Spec{Name: b.name(so.operator.name, "suppress", parent.p.Node()), Op: "suppress", Stores: []string{h.StoreName()}}, func(w *topology.Wiring, id int, out *topology.Port[K, Change[V]]) processor.Node[K, Change[V]] {
		x := &suppressNode[K, V]{
			name: w.Name(id), s: s, wait: s.wait.Milliseconds(), until: until, observed: -1,
			ks: serde.ForTask(ks), vs: serde.ForTask(vs), isNull: null.Test(vs), next: out.Next(w),
		}
		w.Context.KeepTime(x.name, &x.observed)
		if clocks == nil {
			idleAfter(w, id, idle, &x.observed, func(c *processor.Context, ts int64) error {
				x.observed = max(x.observed, ts)
				return x.release(c)
			})
		}
		x.buf, _ = w.Context.Store(h.StoreName()).(*buffer)
		if x.buf == nil {
			w.Fail("dsl: %s is not open", where)
		} else if clocks != nil {
			x.buf.onFlush = x.following(w, clocks)
		}
		return x
	}, parent.p)
	n.materialise = parent.requireReadable
	n.reads = func() []string { return append(slices.Clone(parent.reads()), h.StoreName()) }
	n.getter = func(w *topology.Wiring) getter[K, V] {
		buf, _ := w.Context.Store(h.StoreName()).(*buffer)
		return &suppressedGetter[K, V]{buf, serde.ForTask(ks), serde.ForTask(vs), parent.getter(w), nil}
	}
	n.askOld = func(bool) bool { return true }
	return Table[K, V]{b, n}
}

type suppressNode[K, V any] struct {
	name     string
	s        Suppression
	wait     int64
	until    func(K) int64
	observed int64
	buf      *buffer
	ks       serde.Serde[K]
	vs       serde.Serde[V]
	isNull   func(V) bool
	kb       []byte
	next     processor.Node[K, Change[V]]
}

func (n *suppressNode[K, V]) Process(c *processor.Context, k K, ch Change[V]) error {
	f := c.Frame()
	if f.NullKey {
		c.Drop(processor.DropNullKey)
		return nil
	}
	n.observed = max(n.observed, f.Timestamp)
	v := bufferValue{rec: state.Record{
		Topic: f.Topic, Partition: f.Partition, Offset: f.Offset, Timestamp: f.Timestamp, Headers: keepHeaders(f.Headers),
	}}
	if err := n.encode(k, ch, &v); err != nil {
		return c.Fail(processor.StageEncode, n.name, k, ch.New, err)
	}
	at := f.Timestamp
	if n.until != nil {
		at = n.until(k)
	}
	n.buf.put(n.kb, at, v)
	if err := n.release(c); err != nil {
		return err
	}
	for n.full() {
		if n.s.strict {
			return c.Broken(n.name, fmt.Errorf("dsl: the buffer is full with %d records, %d bytes", len(n.buf.byKey), n.buf.size))
		}
		if err := n.emit(c, n.buf.first()); err != nil {
			return err
		}
	}
	return nil
}

// following returns a function that moves time to that of the windows above and
// releases what has closed by it. It is called when their caches are flushed, so
// that what is held back is their last value, and they take no record any more
// for what is released: each window is emitted once, also when their time went on
// without records.
func (n *suppressNode[K, V]) following(w *topology.Wiring, clocks []*clock) func() error {
	var names []string
	for _, c := range clocks {
		names = append(names, w.Name(c.node))
	}
	return func() error {
		now := int64(math.MaxInt64)
		for _, name := range names {
			now = min(now, *w.Context.KeptTime(name))
		}
		n.observed = max(n.observed, now-1) // sessions and sliding windows take records for a moment longer
		return n.release(w.Context)
	}
}

// release emits what has waited long enough.
func (n *suppressNode[K, V]) release(c *processor.Context) error {
	for e := n.buf.first(); e != nil && e.time <= n.observed-n.wait; e = n.buf.first() {
		if err := n.emit(c, e); err != nil {
			return err
		}
	}
	return nil
}

func (n *suppressNode[K, V]) full() bool {
	return len(n.buf.byKey) > 0 &&
		(n.s.maxRecords > 0 && len(n.buf.byKey) > n.s.maxRecords || n.s.maxBytes > 0 && n.buf.size > n.s.maxBytes)
}

func (n *suppressNode[K, V]) encode(k K, ch Change[V], v *bufferValue) (err error) {
	defer processor.Recover(&err)
	if n.kb, err = n.ks.Append(n.kb[:0], k); err != nil {
		return err
	}
	if ch.HasNew {
		if v.new, err = n.vs.Append([]byte{}, ch.New); err != nil {
			return err
		}
	}
	if ch.HasOld {
		v.old, err = n.vs.Append([]byte{}, ch.Old)
	}
	return err
}

// emit forwards an entry under the context of its last change, and then takes
// it from the buffer: who reads the table meanwhile still sees the value before.
func (n *suppressNode[K, V]) emit(c *processor.Context, e *bufferEntry) error {
	if e.value.new != nil || n.until == nil {
		if err := n.forward(c, e); err != nil {
			return err
		}
	}
	n.buf.remove(e)
	return nil
}

func (n *suppressNode[K, V]) forward(c *processor.Context, e *bufferEntry) error {
	var k K
	var ch Change[V]
	err := n.ks.Decode([]byte(e.key), &k)
	if err == nil && e.value.new != nil {
		ch.HasNew = true
		err = n.vs.Decode(e.value.new, &ch.New)
	}
	if err == nil && e.value.old != nil {
		ch.HasOld = true
		err = n.vs.Decode(e.value.old, &ch.Old)
	}
	if err != nil {
		return c.Broken(n.name, err)
	}
	return forwardUnder(c, n.next, k, ch, &e.value.rec)
}

// forwardUnder forwards a record under the context of an earlier one.
func forwardUnder[K, V any](c *processor.Context, next processor.Node[K, V], k K, v V, r *state.Record) error {
	f := c.Frame()
	was := *f
	f.Topic, f.Partition, f.Offset, f.Timestamp, f.Headers = r.Topic, r.Partition, r.Offset, r.Timestamp, r.Headers
	f.NullKey, f.NullValue = false, false
	err := next.Process(c, k, v)
	was.StreamTime, was.WallClock = f.StreamTime, f.WallClock
	*f = was
	return err
}

// keepHeaders copies headers out of the memory of the fetched batch.
func keepHeaders(h processor.Headers) processor.Headers {
	if len(h) == 0 {
		return nil
	}
	kept := make(processor.Headers, len(h))
	for i, x := range h {
		kept[i].Key = string([]byte(x.Key))
		if x.Value != nil {
			kept[i].Value = append([]byte{}, x.Value...)
		}
	}
	return kept
}

// suppressedGetter reads a suppressed table: of a key that is held back, the
// value it had before.
type suppressedGetter[K, V any] struct {
	buf    *buffer
	ks     serde.Serde[K]
	vs     serde.Serde[V]
	parent getter[K, V]
	kb     []byte
}

func (g *suppressedGetter[K, V]) tracked() getter[K, V] {
	t := *g
	t.parent = g.parent.tracked()
	return &t
}

func (g *suppressedGetter[K, V]) get(k K) (v V, ts int64, ok bool, err error) {
	if g.kb, err = g.ks.Append(g.kb[:0], k); err != nil {
		return v, 0, false, err
	}
	e := g.buf.byKey[string(g.kb)]
	if e == nil {
		return g.parent.get(k)
	}
	if e.value.prior == nil {
		return v, 0, false, nil
	}
	err = g.vs.Decode(e.value.prior, &v)
	return v, -1, err == nil, err
}
