package random

import (
	"strconv"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
)

// remembering joins each value with the last one of its key; some also tell what
// they hold, as time passes.
type remembering[T any] struct {
	types[T]
	n    Node
	h    state.KVHandle[T, T]
	last *state.KV[T, T]
}

func process[T any](t types[T], n Node, s dsl.Stream[T, T]) any {
	var opts []state.Option
	if n.Store.Memory {
		opts = append(opts, state.InMemory())
	}
	if !n.Store.Uncached {
		opts = append(opts, state.Cached())
	}
	h := state.KeyValue(n.Store.Name, t.serde, t.serde, opts...)
	return s.Process(n.Store.Name+"-node", func() *remembering[T] { return &remembering[T]{types: t, n: n, h: h} }, h)
}

func (m *remembering[T]) Init(c *processor.Context, out *processor.Out[T, T]) error {
	m.last = m.h.In(c)
	tell := func(now int64) error {
		for e, err := range m.last.All() {
			if err != nil {
				return err
			}
			v := m.out(made("at" + strconv.FormatInt(now%1000, 10) + show(m.in(e.Value))))
			if err := out.Forward(processor.Record[T, T]{Key: e.Key, Value: v, Timestamp: now}); err != nil {
				return err
			}
		}
		return out.Forward(processor.Record[T, T]{Key: m.out(new("tick")), NullValue: true, Timestamp: now})
	}
	switch m.n.Kind {
	case "stream":
		c.Schedule(ms(m.n.Every), processor.StreamTime, tell)
	case "wall":
		c.Schedule(ms(m.n.Every), processor.WallClock, tell)
	}
	return nil
}

func (m *remembering[T]) Process(_ *processor.Context, r processor.Record[T, T], out *processor.Out[T, T]) error {
	if r.NullKey {
		return nil
	}
	was, _, err := m.last.Get(r.Key)
	if err != nil {
		return err
	}
	if r.NullValue {
		err = m.last.Delete(r.Key)
	} else {
		err = m.last.Put(r.Key, r.Value)
	}
	if err != nil {
		return err
	}
	r.Value, r.NullValue = m.joined(was, r.Value), false
	return out.Forward(r)
}
