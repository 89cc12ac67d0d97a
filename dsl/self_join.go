package dsl

import (
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// selfJoin adds the node that joins a stream with itself, with one store.
func selfJoin[K, V, VR any](b *Builder, s Stream[K, V], j *streamJoin[K, V, V, VR]) *topology.Port[K, VR] {
	before, after := j.w.Before.Milliseconds(), j.w.After.Milliseconds()
	return topology.Attach(b.t, topology.Spec{Name: j.name, Op: "self-join", Stores: []string{j.left.StoreName()}}, func(w *topology.Wiring, _ int, out *topology.Port[K, VR]) processor.Node[K, V] {
		n := &selfJoinNode[K, V, VR]{
			j: j, before: before, after: after, retention: before + after + j.w.Grace.Milliseconds(), observed: -1,
			st: j.left.In(w.Context), next: out.Next(w),
		}
		w.Context.KeepTime(j.name, &n.observed)
		return n
	}, s.p)
}

// selfJoinNode joins a record with those before it, twice: once as the left
// side and once as the right. In between, by time, it meets itself.
type selfJoinNode[K, V, VR any] struct {
	j             *streamJoin[K, V, V, VR]
	before, after int64
	retention     int64
	observed      int64
	st            *state.WindowStore[K, V]
	next          processor.Node[K, VR]
}

func (n *selfJoinNode[K, V, VR]) Process(c *processor.Context, k K, v V) error {
	f := c.Frame()
	if f.NullKey {
		c.Drop(processor.DropNullKey)
		return nil
	}
	if f.NullValue {
		c.Drop(processor.DropNullValue)
		return c.Broken(n.j.name, n.st.Delete(k, f.Timestamp)) // for the changelog, like streamJoinNode
	}
	if err := abandoned(n.meet(c, k, v, f.Timestamp)); err != nil {
		return err
	}
	return c.Broken(n.j.name, n.st.Put(k, f.Timestamp, v, f.Timestamp))
}

// meet joins a record with itself, which is done first and forwarded later, and
// with those before it.
func (n *selfJoinNode[K, V, VR]) meet(c *processor.Context, k K, v V, t int64) error {
	own, err := n.j.call(c, k, Maybe[V]{v, true}, Maybe[V]{v, true})
	if err != nil {
		return abandon(c, n.j.name, k, v, err)
	}
	n.observed = max(n.observed, t)
	for e, err := range n.st.Fetch(k, max(0, t-n.before), max(0, t+n.after)) {
		if err != nil {
			return c.Broken(n.j.name, err)
		}
		if err := n.forward(c, k, v, e.Value, max(t, e.Start)); err != nil {
			return err
		}
	}
	self := t > n.observed-n.retention+1
	for e, err := range n.st.Fetch(k, max(0, t-n.after), max(0, t+n.before)) {
		if err != nil {
			return c.Broken(n.j.name, err)
		}
		if self && e.Start > t {
			self = false
			if err := forwardAt(c, n.next, k, own, n.j.isNull, t); err != nil {
				return err
			}
		}
		if err := n.forward(c, k, e.Value, v, max(t, e.Start)); err != nil {
			return err
		}
	}
	if self {
		return forwardAt(c, n.next, k, own, n.j.isNull, t)
	}
	return nil
}

func (n *selfJoinNode[K, V, VR]) forward(c *processor.Context, k K, l, r V, ts int64) error {
	w, err := n.j.call(c, k, Maybe[V]{l, true}, Maybe[V]{r, true})
	if err != nil {
		return abandon(c, n.j.name, k, l, err)
	}
	return forwardAt(c, n.next, k, w, n.j.isNull, ts)
}
