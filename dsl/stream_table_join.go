package dsl

import (
	"fmt"
	"slices"
	"time"

	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// JoinOption changes a join.
type JoinOption interface{ join(*joining) }

type joining struct {
	operator
	topic string // prefix of repartition topics
	store string // prefix of stores
	grace time.Duration
	opts  []StoreOption
}

func (n named) join(j *joining) { j.operator.name = string(n) }

func (r repartitionAs) join(j *joining) { j.topic = r.name }

func (f storeOption) join(j *joining) { j.opts = append(j.opts, f) }

type joinOption func(*joining)

func (f joinOption) join(j *joining) { f(j) }

// JoinGrace holds the stream's records back for d of stream time, so that they
// meet the versions that were valid at their timestamps even when these come
// late (KIP-923). The table must be versioned, for at least d. The join needs
// Named, after which the store of what is held back is called.
func JoinGrace(d time.Duration) JoinOption { return joinOption(func(j *joining) { j.grace = d }) }

// StoresAs names the stores of a join of streams; otherwise they are named
// after the join.
func StoresAs(name string) JoinOption { return joinOption(func(j *joining) { j.store = name }) }

func joiningOf(opts []JoinOption) *joining {
	j := &joining{}
	for _, o := range opts {
		o.join(j)
	}
	return j
}

// JoinTable looks each record's key up in the table and joins the two values;
// records without a row are left out. Only the stream causes results. Records
// with a null key or value are dropped and counted.
//
// A stream whose keys may have changed needs RepartitionAs, or Repartition in
// front; a key that leaves records in their partitions is said by KeepsPartition.
func (s Stream[K, V]) JoinTable[VO, VR any](t Table[K, VO], f func(V, VO) VR, opts ...JoinOption) Stream[K, VR] {
	return joinTable(s, t, true, func(_ *processor.Context, _ K, v V, o Maybe[VO]) (VR, error) { return f(v, o.Value), nil }, opts)
}

// JoinTableWithKey is JoinTable for a function that also reads the key.
func (s Stream[K, V]) JoinTableWithKey[VO, VR any](t Table[K, VO], f func(K, V, VO) VR, opts ...JoinOption) Stream[K, VR] {
	return joinTable(s, t, true, func(_ *processor.Context, k K, v V, o Maybe[VO]) (VR, error) { return f(k, v, o.Value), nil }, opts)
}

// LeftJoinTable is JoinTable for all records: those without a row, or with a
// null key, are joined with nothing.
func (s Stream[K, V]) LeftJoinTable[VO, VR any](t Table[K, VO], f func(V, Maybe[VO]) VR, opts ...JoinOption) Stream[K, VR] {
	return joinTable(s, t, false, func(_ *processor.Context, _ K, v V, o Maybe[VO]) (VR, error) { return f(v, o), nil }, opts)
}

// LeftJoinTableWithKey is LeftJoinTable for a function that also reads the key.
func (s Stream[K, V]) LeftJoinTableWithKey[VO, VR any](t Table[K, VO], f func(K, V, Maybe[VO]) VR, opts ...JoinOption) Stream[K, VR] {
	return joinTable(s, t, false, func(_ *processor.Context, k K, v V, o Maybe[VO]) (VR, error) { return f(k, v, o), nil }, opts)
}

func joinTable[K, V, VO, VR any](s Stream[K, V], t Table[K, VO], inner bool, f func(*processor.Context, K, V, Maybe[VO]) (VR, error), opts []JoinOption) Stream[K, VR] {
	b, j := s.b, joiningOf(opts)
	s = joinable(s, "JoinTable", j.topic)
	t.n.requireReadable()
	op := "join-table"
	if !inner {
		op = "left-join-table"
	}
	name := b.name(j.operator.name, op, s.p.Node())
	out := null.Test[VR](nil)
	stores := t.n.reads()
	idle := storingOf(j.opts).holdsBack(b, name, j.grace != 0)
	var buffer state.KVHandle[[]byte, []byte]
	if j.grace != 0 {
		checkGrace(b, name, t, j)
		s.ks = b.serdeFor(s.ks, fmt.Sprintf("key of join %q", name))
		s.vs = b.serdeFor(s.vs, fmt.Sprintf("value of join %q", name))
		buffer = state.KeyValue(name+"-Buffer", serde.Bytes, serde.Bytes, append(storingOf(j.opts).opts, state.Uncached())...)
		b.own(buffer)
		stores = append(slices.Clone(stores), buffer.StoreName())
	}
	p := topology.Attach(b.t, topology.Spec{Name: name, Op: op, Stores: stores}, func(w *topology.Wiring, id int, p *topology.Port[K, VR]) processor.Node[K, V] {
		n := &joinTableNode[K, V, VO, VR]{name: name, inner: inner, f: f, isNull: out, table: t.n.getter(w), next: p.Next(w)}
		if t.n.versioned {
			n.versions, _ = n.table.(asOfGetter[K, VO])
		}
		if j.grace != 0 {
			g := &graceNode[K, V, VO, VR]{
				joinTableNode: n, st: buffer.In(w.Context), grace: j.grace.Milliseconds(),
				ks: serde.ForTask(s.ks), vs: serde.ForTask(s.vs), observed: -1,
			}
			w.Context.KeepTime(name, &g.observed)
			idleAfter(w, id, idle, &g.observed, g.advance)
			return g
		}
		return n
	}, s.p)
	if !inner {
		b.outer[p.Node()] = true
	}
	srcs := append(slices.Clone(s.srcs), t.n.srcs...)
	b.t.Copartition(srcs...)
	return Stream[K, VR]{b: b, p: p, ks: s.ks, srcs: srcs}
}

// joinable sends a stream whose keys may have changed through a repartition
// topic; a join needs a name for it.
func joinable[K, V any](s Stream[K, V], op, topic string) Stream[K, V] {
	if !s.rekeyed {
		return s
	}
	if topic == "" {
		s.b.t.Fail("dsl: %s below %q follows a change of keys: name the repartition topic with RepartitionAs, put Repartition in front, or say KeepsPartition where the key changes", op, s.b.t.Node(s.p.Node()).Name)
		topic = "unnamed"
	}
	return s.repartition(topic, &repartition{})
}

func checkGrace[K, V any](b *Builder, name string, t Table[K, V], j *joining) {
	if j.operator.name == "" {
		b.t.Fail("dsl: JoinGrace needs Named: the buffer's changelog is called after the join")
	}
	if !t.n.versioned {
		b.t.Fail("dsl: %q: JoinGrace needs a versioned table", name)
	} else if t.n.history > 0 && j.grace > t.n.history {
		b.t.Fail("dsl: %q: JoinGrace of %v is longer than the table's history, %v", name, j.grace, t.n.history)
	}
}

type joinTableNode[K, V, VO, VR any] struct {
	name     string
	inner    bool
	f        func(*processor.Context, K, V, Maybe[VO]) (VR, error)
	isNull   func(VR) bool
	table    getter[K, VO]
	versions asOfGetter[K, VO] // nil: not versioned
	next     processor.Node[K, VR]
}

func (n *joinTableNode[K, V, VO, VR]) Process(c *processor.Context, k K, v V) error {
	f := c.Frame()
	if f.NullKey && n.inner {
		c.Drop(processor.DropNullKey)
		return nil
	}
	if f.NullValue {
		c.Drop(processor.DropNullValue)
		return nil
	}
	return n.join(c, k, v)
}

func (n *joinTableNode[K, V, VO, VR]) join(c *processor.Context, k K, v V) error {
	f := c.Frame()
	var o Maybe[VO]
	if !f.NullKey {
		var err error
		if n.versions != nil {
			o.Value, _, o.OK, err = n.versions.asOf(k, f.Timestamp)
		} else {
			o.Value, _, o.OK, err = n.table.get(k)
		}
		if err != nil {
			return unread(c, n.name, k, v, err)
		}
	}
	if !o.OK && n.inner {
		return nil
	}
	w, err := n.call(c, k, v, o)
	if err != nil {
		return c.Fail(processor.StageProcess, n.name, k, v, err)
	}
	return forwardValue(c, n.next, k, w, n.isNull)
}

func (n *joinTableNode[K, V, VO, VR]) call(c *processor.Context, k K, v V, o Maybe[VO]) (w VR, err error) {
	defer processor.Recover(&err)
	return n.f(c, k, v, o)
}
