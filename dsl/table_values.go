package dsl

import (
	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// Filter keeps the rows for which keep is true; others are deleted from the
// result. When the table knows old values, rows that were not and are not in
// the result cause no deletion. The result has a store only if Stored says so.
func (t Table[K, V]) Filter[_ lazy](keep func(K, V) bool, opts ...StoreOption) Table[K, V] {
	return t.filter("table-filter", keep, false, opts)
}

// FilterNot drops the rows for which drop is true.
func (t Table[K, V]) FilterNot[_ lazy](drop func(K, V) bool, opts ...StoreOption) Table[K, V] {
	return t.filter("table-filter-not", drop, true, opts)
}

func (t Table[K, V]) filter[_ lazy](op string, f func(K, V) bool, not bool, opts []StoreOption) Table[K, V] {
	asked := t.n.askOld(false) // where they come anyhow
	r := deriveTable(t, op, t.n.vs, storingOf(opts), func(k K, v V) (V, bool, error) {
		ok, err := callFilter(f, k, v)
		return v, ok != not, err
	})
	r.n.sendOld = r.n.sendOld || asked
	r.derived.filter = true
	return r.Table
}

func callFilter[K, V any](f func(K, V) bool, k K, v V) (ok bool, err error) {
	defer processor.Recover(&err)
	return f(k, v), nil
}

// MapValues replaces the value of each row. f is not called for deletions.
func (t Table[K, V]) MapValues[VR any](f func(V) VR, opts ...StoreOption) Table[K, VR] {
	return t.mapRows(func(_ K, v V) (VR, error) { return f(v), nil }, opts)
}

// MapValuesWithKey is MapValues for a function that also reads the key.
func (t Table[K, V]) MapValuesWithKey[VR any](f func(K, V) VR, opts ...StoreOption) Table[K, VR] {
	return t.mapRows(func(k K, v V) (VR, error) { return f(k, v), nil }, opts)
}

// TryMapValues is MapValues for a function that may fail. It may be called
// again for a value that it has been called with before.
func (t Table[K, V]) TryMapValues[VR any](f func(K, V) (VR, error), opts ...StoreOption) Table[K, VR] {
	return t.mapRows(f, opts)
}

func (t Table[K, V]) mapRows[VR any](f func(K, V) (VR, error), opts []StoreOption) Table[K, VR] {
	vs := keepValueSerde[V, VR](t.n.vs)
	isNull := null.Test(vs)
	return deriveTable(t, "table-map-values", vs, storingOf(opts), func(k K, v V) (VR, bool, error) {
		w, err := callMap(f, k, v)
		return w, err == nil && present(w, isNull), err
	}).Table
}

func callMap[K, V, VR any](f func(K, V) (VR, error), k K, v V) (w VR, err error) {
	defer processor.Recover(&err)
	return f(k, v)
}

// derivation computes a row of a table from the row of another: a value, and
// whether there is one.
type derivation[K, V, VR any] func(k K, v V) (VR, bool, error)

// row is the derived row; the zero value where there is none.
func (f derivation[K, V, VR]) row(k K, v V) (VR, bool, error) {
	w, has, err := f(k, v)
	return orZero(w, has), has, err
}

type derivedTable[K, VR any] struct {
	Table[K, VR]
	derived *derivedFlags
}

// derivedFlags are decided after the node was added.
type derivedFlags struct {
	// filter says to forward nothing where old values are known and there was
	// and is no value.
	filter bool
}

// deriveTable adds a table each of whose rows is a function of a row of t.
func deriveTable[K, V, VR any](t Table[K, V], op string, vs serde.Serde[VR], s *storing, f derivation[K, V, VR]) derivedTable[K, VR] {
	b, parent := t.b, t.n
	n := &tableNode[K, VR]{ks: parent.ks, vs: vs, srcs: parent.srcs, grace: parent.grace, clocks: parent.clocks}
	flags := &derivedFlags{}
	var open func(*topology.Wiring) tableStore[K, VR]
	name := b.name(s.operator.name, op, parent.p.Node())
	n.p = topology.Attach(b.t, topology.Spec{Name: name, Op: op}, func(w *topology.Wiring, id int, out *topology.Port[K, Change[VR]]) processor.Node[K, Change[V]] {
		return &derivedNode[K, V, VR]{
			stored: newStored(w, id, n, open, out), f: f, skip: flags.filter && n.sendOld && !parent.versioned,
		}
	}, parent.p)
	if s.as != "" {
		open = storeFor(b, n, s.as, s, n.p.Node())
	} else {
		s.holdsBack(b, name, false)
		n.versioned = parent.versioned
		n.materialise = parent.requireReadable
		n.reads = func() []string { return parent.reads() }
		n.getter = func(w *topology.Wiring) getter[K, VR] {
			return &derivedGetter[K, V, VR]{name, parent.getter(w), f}
		}
	}
	n.askOld = func(force bool) bool {
		n.sendOld = n.sendOld || n.store != "" || parent.askOld(force)
		return n.sendOld
	}
	return derivedTable[K, VR]{Table[K, VR]{b, n}, flags}
}

// requireReadable makes sure that the table's current values can be read.
func (n *tableNode[K, V]) requireReadable() {
	if n.store == "" && n.materialise != nil {
		n.materialise()
	}
}

type derivedNode[K, V, VR any] struct {
	stored[K, VR]
	f    derivation[K, V, VR]
	skip bool
}

func (n *derivedNode[K, V, VR]) Process(c *processor.Context, k K, in Change[V]) error {
	var ch Change[VR]
	var err error
	if in.HasNew {
		if ch.New, ch.HasNew, err = n.f.row(k, in.New); err != nil {
			return c.Fail(processor.StageProcess, n.name, k, in.New, err)
		}
	}
	if n.sendOld {
		if n.st != nil {
			if ch.Old, _, ch.HasOld, err = n.st.get(k); err != nil {
				return c.Broken(n.name, err)
			}
		} else if in.HasOld {
			if ch.Old, ch.HasOld, err = n.f.row(k, in.Old); err != nil {
				return c.Fail(processor.StageProcess, n.name, k, in.Old, err)
			}
		}
		if n.skip && !ch.HasNew && !ch.HasOld && !in.ReadAhead {
			return nil
		}
	}
	ch.Stale, ch.ReadAhead = in.Stale, in.ReadAhead
	return n.set(c, k, ch, c.Frame().Timestamp)
}

type derivedGetter[K, V, VR any] struct {
	name string
	of   getter[K, V]
	f    derivation[K, V, VR]
}

func (g *derivedGetter[K, V, VR]) tracked() getter[K, VR] {
	t := *g
	t.of = g.of.tracked()
	return &t
}

func (g *derivedGetter[K, V, VR]) get(k K) (w VR, ts int64, ok bool, err error) {
	v, ts, ok, err := g.of.get(k)
	if err != nil || !ok {
		return w, ts, false, err
	}
	w, ok, err = g.f.row(k, v)
	return w, ts, ok, rowFailed(g.name, err)
}

func (g *derivedGetter[K, V, VR]) asOf(k K, at int64) (w VR, ts int64, ok bool, err error) {
	of, has := g.of.(asOfGetter[K, V])
	if !has {
		return g.get(k)
	}
	v, ts, ok, err := of.asOf(k, at)
	if err != nil || !ok {
		return w, ts, false, err
	}
	w, ok, err = g.f.row(k, v)
	return w, ts, ok, rowFailed(g.name, err)
}
