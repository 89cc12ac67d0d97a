package dsl

import (
	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
)

// A Transformer computes the rows of one table from those of another, with the
// help of stores. It may implement processor.ValueIniter and processor.Closer.
type Transformer[K, V, VR any] interface {
	// Transform returns the new value of a row. It is called for deletions as
	// well, and, when old values are needed and the result has no store, for
	// old values.
	Transform(c *processor.Context, k K, v Maybe[V]) (Maybe[VR], error)
}

// TransformValues replaces the value of each row by what a transformer makes of
// it. make is called once for each task. The transformer may use the stores
// given by Using. A result that is joined needs Stored.
func (t Table[K, V]) TransformValues[P Transformer[K, V, VR], VR any](name string, make func() P, opts ...StoreOption) Table[K, VR] {
	b, s, parent := t.b, storingOf(opts), t.n
	if name == "" {
		name = s.operator.name
	}
	n := &tableNode[K, VR]{ks: parent.ks, srcs: parent.srcs, grace: parent.grace, clocks: parent.clocks}
	name = b.name(name, "transform-values", parent.p.Node())
	topology.CheckMake(b.t, name, make)
	var open func(*topology.Wiring) tableStore[K, VR]
	n.p = topology.Attach(b.t, topology.Spec{Name: name, Op: "transform-values", Stores: b.declare(s.uses), User: true}, func(w *topology.Wiring, id int, out *topology.Port[K, Change[VR]]) processor.Node[K, Change[V]] {
		return &transformNode[K, V, VR]{stored: newStored(w, id, n, open, out), t: make(), scope: w.UserScope(id), null: null.Test(n.vs)}
	}, parent.p)
	if s.as != "" {
		open = storeFor(b, n, s.as, s, n.p.Node())
	} else {
		n.versioned = parent.versioned
		n.vs, _ = any(s.serde).(serde.Serde[VR])
		n.materialise = func() {
			b.t.Fail("dsl: the result of TransformValues %q is read by another operator: give it a store with Stored", name)
			open = storeFor(b, n, name, s, n.p.Node())
		}
	}
	n.askOld = func(force bool) bool {
		n.sendOld = n.sendOld || n.store != "" || parent.askOld(force)
		return n.sendOld
	}
	return Table[K, VR]{b, n}
}

type transformNode[K, V, VR any] struct {
	stored[K, VR]
	t     Transformer[K, V, VR]
	scope *processor.Scope
	null  func(VR) bool
}

// Init calls the transformer's Init, if it has one.
func (n *transformNode[K, V, VR]) Init(c *processor.Context) (err error) {
	i, ok := n.t.(processor.ValueIniter)
	if !ok && n.scope.Around == nil {
		return nil
	}
	defer c.Enter(c.Enter(n.scope))
	return c.Broken(n.name, guard(func() error {
		return n.scope.Run(c, processor.CallInit, nil, nil, func() error {
			if !ok {
				return nil
			}
			return i.Init(c)
		})
	}))
}

// Close calls the transformer's Close, if it has one.
func (n *transformNode[K, V, VR]) Close() error {
	if i, ok := n.t.(processor.Closer); ok {
		return guard(i.Close)
	}
	return nil
}

func guard(f func() error) (err error) {
	defer processor.Recover(&err)
	return f()
}

func (n *transformNode[K, V, VR]) Process(c *processor.Context, k K, in Change[V]) error {
	now, err := n.call(c, k, Maybe[V]{in.New, in.HasNew})
	if err != nil {
		return c.Fail(processor.StageProcess, n.name, k, in.New, err)
	}
	ch := Change[VR]{New: now.Value, HasNew: now.OK, Stale: in.Stale, ReadAhead: in.ReadAhead}
	if n.sendOld {
		if n.st != nil {
			if ch.Old, _, ch.HasOld, err = n.st.get(k); err != nil {
				return c.Broken(n.name, err)
			}
		} else {
			old, err := n.call(c, k, Maybe[V]{in.Old, in.HasOld})
			if err != nil {
				return c.Fail(processor.StageProcess, n.name, k, in.Old, err)
			}
			ch.Old, ch.HasOld = old.Value, old.OK
		}
	}
	return n.set(c, k, ch, c.Frame().Timestamp)
}

func (n *transformNode[K, V, VR]) intercepted(c *processor.Context, k K, v Maybe[V]) (w Maybe[VR], err error) {
	err = n.scope.Run(c, processor.CallProcess, k, v.Value, func() (err error) {
		w, err = n.t.Transform(c, k, v)
		return err
	})
	return w, err
}

func (n *transformNode[K, V, VR]) call(c *processor.Context, k K, v Maybe[V]) (w Maybe[VR], err error) {
	defer processor.Recover(&err)
	before := c.Enter(n.scope)
	if n.scope.Around == nil {
		w, err = n.t.Transform(c, k, v)
	} else {
		w, err = n.intercepted(c, k, v)
	}
	c.Enter(before)
	w.OK = w.OK && present(w.Value, n.null)
	w.Value = orZero(w.Value, w.OK)
	return w, err
}
