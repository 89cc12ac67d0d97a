package dsl

import (
	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// GlobalTable is a table of which every process holds all rows, so that a
// stream can be joined with it by any key.
type GlobalTable[K, V any] struct {
	b *Builder
	h state.TimestampedHandle[K, V]
}

// GlobalTable reads all partitions of a topic into a store of every process.
// Records with a null key are dropped and counted. Its rows have no relation to
// the time of the streams joined with it.
func (b *Builder) GlobalTable[K, V any](t topology.Topic[K, V], store string, opts ...StoreOption) GlobalTable[K, V] {
	s := storingOf(opts)
	if s.history > 0 {
		b.t.Fail("dsl: global table %q: it cannot be versioned", store)
	}
	if store == "" {
		b.t.Fail("dsl: GlobalTable of topic %q needs the name of a store", t.Name)
	}
	s.holdsBack(b, storeName(store), false)
	b.tableOf[t.Name] = true
	vs := valueSerde(b, s, t.Value, store)
	h := state.Timestamped(storeName(store), t.Key, vs, append(s.opts, state.Uncached(), state.Unlogged())...)
	b.t.AddGlobalStore(h, b.name(s.operator.name, t.Name+"-global", -1), t, func() *globalUpdate[K, V] {
		return &globalUpdate[K, V]{h: h}
	})
	return GlobalTable[K, V]{b, h}
}

// Store returns the handle of the table's store, to query it.
func (g GlobalTable[K, V]) Store() state.TimestampedHandle[K, V] { return g.h }

// GlobalStore keeps a store of every process up to date by a processor of the
// user's, which gets all records of the topic and alone may write. Every
// processor may read the store, without being connected to it.
func (b *Builder) GlobalStore[P processor.Processor[K, V, KO, VO], K, V, KO, VO any](h topology.Declared, name string, t topology.Topic[K, V], make func() P) {
	b.tableOf[t.Name] = true
	b.t.AddGlobalStore(h, b.name(name, t.Name+"-global", -1), t, make)
}

// ReadOnlyStore keeps a store whose changelog is a topic that others write: a
// processor of the user's gets its records and stores them as they are, and the
// store is restored from the topic itself. Other processors that the store is
// passed to may read it.
func (b *Builder) ReadOnlyStore[P processor.Processor[K, V, KO, VO], K, V, KO, VO any](h topology.Declared, name string, t topology.Topic[K, V], make func() P) {
	b.tableOf[t.Name] = true
	b.t.AddReadOnlyStore(h, b.name(name, t.Name+"-store", -1), t, make)
}

type globalUpdate[K, V any] struct {
	h  state.TimestampedHandle[K, V]
	st *state.TimestampedKV[K, V]
}

func (u *globalUpdate[K, V]) Init(c *processor.Context, _ *processor.Out[K, V]) error {
	u.st = u.h.In(c)
	return nil
}

func (u *globalUpdate[K, V]) Process(c *processor.Context, r processor.Record[K, V], _ *processor.Out[K, V]) error {
	if r.NullKey {
		c.Drop(processor.DropNullKey)
		return nil
	}
	if r.NullValue {
		return processor.Fatal(u.st.Delete(r.Key))
	}
	return processor.Fatal(u.st.Put(r.Key, r.Value, r.Timestamp))
}

// JoinGlobal looks the key that key gives for each record up in a global table
// and joins the two values; records without a row are left out. The record
// keeps its own key, so nothing is repartitioned. A record whose key is null
// for the table, or whose value is null, is dropped and counted.
func (s Stream[K, V]) JoinGlobal[KO, VO, VR any](g GlobalTable[KO, VO], key func(K, V) KO, f func(V, VO) VR, opts ...Option) Stream[K, VR] {
	return joinGlobal(s, g, true, key, func(_ *processor.Context, _ K, _ KO, v V, o Maybe[VO]) (VR, error) { return f(v, o.Value), nil }, opts)
}

// JoinGlobalWithKey is JoinGlobal for a function that also reads the record's
// key, which is not the one that was looked up: see JoinGlobalWithKeys.
func (s Stream[K, V]) JoinGlobalWithKey[KO, VO, VR any](g GlobalTable[KO, VO], key func(K, V) KO, f func(K, V, VO) VR, opts ...Option) Stream[K, VR] {
	return joinGlobal(s, g, true, key, func(_ *processor.Context, k K, _ KO, v V, o Maybe[VO]) (VR, error) { return f(k, v, o.Value), nil }, opts)
}

// JoinGlobalWithKeys is JoinGlobal for a function that also reads both keys: the
// record's and the one looked up in the table.
func (s Stream[K, V]) JoinGlobalWithKeys[KO, VO, VR any](g GlobalTable[KO, VO], key func(K, V) KO, f func(K, KO, V, VO) VR, opts ...Option) Stream[K, VR] {
	return joinGlobal(s, g, true, key, func(_ *processor.Context, k K, ko KO, v V, o Maybe[VO]) (VR, error) { return f(k, ko, v, o.Value), nil }, opts)
}

// LeftJoinGlobal is JoinGlobal for all records: those without a row, or with a
// null key for the table, are joined with nothing.
func (s Stream[K, V]) LeftJoinGlobal[KO, VO, VR any](g GlobalTable[KO, VO], key func(K, V) KO, f func(V, Maybe[VO]) VR, opts ...Option) Stream[K, VR] {
	return joinGlobal(s, g, false, key, func(_ *processor.Context, _ K, _ KO, v V, o Maybe[VO]) (VR, error) { return f(v, o), nil }, opts)
}

// LeftJoinGlobalWithKey is LeftJoinGlobal for a function that also reads the
// record's key.
func (s Stream[K, V]) LeftJoinGlobalWithKey[KO, VO, VR any](g GlobalTable[KO, VO], key func(K, V) KO, f func(K, V, Maybe[VO]) VR, opts ...Option) Stream[K, VR] {
	return joinGlobal(s, g, false, key, func(_ *processor.Context, k K, _ KO, v V, o Maybe[VO]) (VR, error) { return f(k, v, o), nil }, opts)
}

// LeftJoinGlobalWithKeys is LeftJoinGlobal for a function that also reads both
// keys: the record's and the one looked up in the table, which may be null.
func (s Stream[K, V]) LeftJoinGlobalWithKeys[KO, VO, VR any](g GlobalTable[KO, VO], key func(K, V) KO, f func(K, KO, V, Maybe[VO]) VR, opts ...Option) Stream[K, VR] {
	return joinGlobal(s, g, false, key, func(_ *processor.Context, k K, ko KO, v V, o Maybe[VO]) (VR, error) { return f(k, ko, v, o), nil }, opts)
}

func joinGlobal[K, V, KO, VO, VR any](s Stream[K, V], g GlobalTable[KO, VO], inner bool, key func(K, V) KO, f func(*processor.Context, K, KO, V, Maybe[VO]) (VR, error), opts []Option) Stream[K, VR] {
	op := "join-global"
	if !inner {
		op = "left-join-global"
	}
	out := null.Test[VR](nil)
	keyNull := null.Test[KO](nil)
	r := s.then[K, VR](op, opts, func(w *topology.Wiring, name string, next processor.Node[K, VR]) processor.Node[K, V] {
		return &joinGlobalNode[K, V, KO, VO, VR]{name: name, inner: inner, key: key, f: f, keyNull: keyNull, isNull: out, table: g.h.In(w.Context), next: next}
	})
	if !inner {
		s.b.outer[r.p.Node()] = true
	}
	r.ks = s.ks
	r.change = nil
	return r
}

type joinGlobalNode[K, V, KO, VO, VR any] struct {
	name    string
	inner   bool
	key     func(K, V) KO
	f       func(*processor.Context, K, KO, V, Maybe[VO]) (VR, error)
	keyNull func(KO) bool
	isNull  func(VR) bool
	table   *state.TimestampedKV[KO, VO]
	next    processor.Node[K, VR]
}

func (n *joinGlobalNode[K, V, KO, VO, VR]) Process(c *processor.Context, k K, v V) error {
	f := c.Frame()
	if f.NullValue {
		c.Drop(processor.DropNullValue)
		return nil
	}
	ko, err := n.callKey(k, v)
	if err != nil {
		return c.Fail(processor.StageProcess, n.name, k, v, err)
	}
	has := present(ko, n.keyNull)
	if !has && n.inner {
		c.Drop(processor.DropNullKey)
		return nil
	}
	var o Maybe[VO]
	if has {
		if o.Value, _, o.OK, err = n.table.Get(ko); err != nil {
			return c.Broken(n.name, err)
		}
	}
	if !o.OK && n.inner {
		return nil
	}
	w, err := n.call(c, k, ko, v, o)
	if err != nil {
		return c.Fail(processor.StageProcess, n.name, k, v, err)
	}
	return forwardValue(c, n.next, k, w, n.isNull)
}

func (n *joinGlobalNode[K, V, KO, VO, VR]) callKey(k K, v V) (ko KO, err error) {
	defer processor.Recover(&err)
	return n.key(k, v), nil
}

func (n *joinGlobalNode[K, V, KO, VO, VR]) call(c *processor.Context, k K, ko KO, v V, o Maybe[VO]) (w VR, err error) {
	defer processor.Recover(&err)
	return n.f(c, k, ko, v, o)
}
