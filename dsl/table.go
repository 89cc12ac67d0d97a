package dsl

import (
	"fmt"
	"time"

	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// A Table holds the latest value of each key. Each update is a change, which
// flows on to the tables made of it.
type Table[K, V any] struct {
	b *Builder
	n *tableNode[K, V]
}

// tableNode is what is known of the node that makes a table. It is complete
// when the topology is built, not before: operators below may ask for a store
// or for old values.
type tableNode[K, V any] struct {
	p    *topology.Port[K, Change[V]]
	ks   serde.Serde[K]
	vs   serde.Serde[V]
	srcs []int

	store string // "" as long as it has none
	// handle is the store's, if it is a key-value store.
	handle *state.TimestampedHandle[K, V]
	// window is the handle of a window or session store.
	window any
	// getter reads the table's current values in a task, from its store or
	// from those that it is computed of. It is called while wiring.
	getter func(w *topology.Wiring) getter[K, V]
	// reads returns the stores that the getter reads.
	reads func() []string
	// materialise gives the table a store if it cannot be read otherwise.
	materialise func()
	// askOld asks for old values in the changes. force gives tables a store
	// where that is needed to know them. It reports whether they will come.
	askOld  func(force bool) bool
	sendOld bool

	versioned bool
	history   time.Duration // of its own versioned store
	expire    time.Duration // of the rows of its store; 0: never
	// clocks are those of the windowed aggregations that the table is made of.
	clocks []*clock
	// grace is for how long, in milliseconds, a window of the table may change
	// after its end; -1 for a table that is not windowed.
	grace int64
}

// Store returns the handle of the table's store, to query it. A table that has
// none gets one. It is for tables that are not windowed: see WindowStore and
// SessionStore for those.
func (t Table[K, V]) Store() state.TimestampedHandle[K, V] {
	t.n.materialise()
	if t.n.handle == nil {
		t.b.t.Fail("dsl: Store of table %q: it has no key-value store: use Stored, WindowStore or SessionStore", t.name())
		return state.Timestamped(t.name(), t.n.ks, t.n.vs)
	}
	return *t.n.handle
}

func (t Table[K, V]) name() string { return t.b.t.Node(t.n.p.Node()).Name }

// ToStream returns the table's changes as a stream of new values; a deletion is
// a null value.
func (t Table[K, V]) ToStream[_ lazy](opts ...Option) Stream[K, V] {
	o := operatorOf(opts)
	name := t.b.name(o.name, "to-stream", t.n.p.Node())
	p := topology.Attach(t.b.t, topology.Spec{Name: name, Op: "to-stream"}, func(w *topology.Wiring, _ int, out *topology.Port[K, V]) processor.Node[K, Change[V]] {
		return &toStreamNode[K, V]{next: out.Next(w)}
	}, t.n.p)
	return Stream[K, V]{b: t.b, p: p, ks: t.n.ks, vs: t.n.vs, srcs: t.n.srcs}
}

type toStreamNode[K, V any] struct{ next processor.Node[K, V] }

func (n *toStreamNode[K, V]) Process(c *processor.Context, k K, ch Change[V]) error {
	f := c.Frame()
	was := f.NullValue
	f.NullValue = !ch.HasNew
	err := n.next.Process(c, k, ch.New)
	f.NullValue = was
	return err
}

// tableStore is a store that holds a table in a task: timestamped, or
// versioned.
type tableStore[K, V any] interface {
	getter[K, V]
	// put sets or, with has false, deletes. stored false: the update was too
	// old and must not be forwarded. stale: it is not the latest.
	put(k K, v V, has bool, ts int64) (stored, stale bool, err error)
	// caching reports whether changes are forwarded by the flush instead.
	caching() bool
	onFlush(wantOld bool, f func(k K, u state.Update[V]) error)
}

// storeFor declares the store of a table, and connects the node to it when id
// is not negative. It returns the means to find it in a task.
func storeFor[K, V any](b *Builder, n *tableNode[K, V], name string, s *storing, id int) func(w *topology.Wiring) tableStore[K, V] {
	ks := b.serdeFor(n.ks, fmt.Sprintf("key of store %q", name))
	vs := valueSerde(b, s, n.vs, fmt.Sprintf("value of store %q", name))
	n.ks, n.vs, n.store = ks, vs, name
	s.holdsBack(b, name, false)
	if s.expire != 0 && (s.expire < time.Millisecond || s.history > 0) {
		b.t.Fail("dsl: store %q: ExpireAfter of %v: it must be at least 1ms, and not for versions", name, s.expire)
	}
	n.expire = s.expire
	var open func(w *topology.Wiring) tableStore[K, V]
	if s.history > 0 {
		n.versioned = true
		open = versionedStore(b, n, name, s)
	} else {
		h := state.Timestamped(name, ks, vs, s.opts...)
		b.own(h)
		n.handle = &h
		open = func(w *topology.Wiring) tableStore[K, V] { return &timedStore[K, V]{h.In(w.Context)} }
	}
	if id >= 0 {
		b.t.ConnectNode(id, name)
	}
	n.getter = func(w *topology.Wiring) getter[K, V] { return open(w) }
	n.reads = func() []string { return []string{name} }
	n.materialise = func() {}
	return open
}

// timedStore is the usual store of a table.
type timedStore[K, V any] struct{ *state.TimestampedKV[K, V] }

func (s *timedStore[K, V]) get(k K) (V, int64, bool, error) { return s.Get(k) }

func (s *timedStore[K, V]) tracked() getter[K, V] { return &trackedStore[K, V]{s.TimestampedKV} }

// trackedStore is a timedStore whose reads are tracked by its cache.
type trackedStore[K, V any] struct{ *state.TimestampedKV[K, V] }

func (s *trackedStore[K, V]) get(k K) (V, int64, bool, error) { return s.GetTracked(k) }

func (s *trackedStore[K, V]) tracked() getter[K, V] { return s }

func (s *timedStore[K, V]) put(k K, v V, has bool, ts int64) (bool, bool, error) {
	if !has {
		return true, false, s.Delete(k)
	}
	return true, false, s.Put(k, v, ts)
}

func (s *timedStore[K, V]) caching() bool { return s.Caching() }

func (s *timedStore[K, V]) onFlush(wantOld bool, f func(k K, u state.Update[V]) error) {
	s.OnFlush(wantOld, f)
}

// stored is the part of a node that keeps its result in a store: it writes,
// and forwards either at once or when the cache is flushed.
type stored[K, V any] struct {
	name    string
	st      tableStore[K, V] // nil: nothing is stored
	cached  bool
	sendOld bool
	isNull  func(V) bool
	next    processor.Node[K, Change[V]]
}

// newStored completes a node while it is wired.
func newStored[K, V any](w *topology.Wiring, id int, n *tableNode[K, V], open func(*topology.Wiring) tableStore[K, V], out *topology.Port[K, Change[V]]) stored[K, V] {
	s := stored[K, V]{name: w.Name(id), sendOld: n.sendOld, isNull: null.Test(n.vs), next: out.Next(w)}
	if open == nil {
		return s
	}
	s.st = open(w)
	if timed, ok := s.st.(*timedStore[K, V]); ok && n.expire > 0 {
		w.Own(id, &expirer[K, V]{scope: w.Scope(id), st: timed, sendOld: n.sendOld, next: s.next})
	}
	if s.cached = s.st.caching(); s.cached {
		c, next := w.Context, s.next
		s.st.onFlush(n.sendOld, func(k K, u state.Update[V]) error {
			return forwardFlushed(c, next, k, flushedChange(u, n.sendOld), u.Timestamp)
		})
	}
	return s
}

// set stores the new value and forwards the change. Old is the value before,
// where it is known and wanted.
func (s *stored[K, V]) set(c *processor.Context, k K, ch Change[V], ts int64) error {
	if s.st != nil {
		ok, stale, err := s.st.put(k, ch.New, ch.HasNew, ts)
		if err != nil {
			return c.Broken(s.name, err)
		}
		if !ok {
			return nil
		}
		if s.cached {
			return nil
		}
		ch.Stale = stale
	}
	if !s.sendOld && ch.HasOld {
		var none V
		ch.Old, ch.HasOld = none, false
	}
	return forwardChange(c, s.next, k, ch, ts)
}
