package random

import (
	"strconv"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
)

type (
	record = processor.Record[text, text]
	output = processor.Out[text, text]
)

// remembering joins each value with the last one of its key; some also tell what
// they hold, as time passes.
type remembering struct {
	n    Node
	h    state.KVHandle[text, text]
	last *state.KV[text, text]
}

func process(n Node, s dsl.Stream[text, text]) any {
	var opts []state.Option
	if n.Store.Memory {
		opts = append(opts, state.InMemory())
	}
	if !n.Store.Uncached {
		opts = append(opts, state.Cached())
	}
	h := state.KeyValue(n.Store.Name, textSerde, textSerde, opts...)
	return s.Process(n.Store.Name+"-node", func() *remembering { return &remembering{n: n, h: h} }, h)
}

func (m *remembering) Init(c *processor.Context, out *output) error {
	m.last = m.h.In(c)
	tell := func(now int64) error {
		for e, err := range m.last.All() {
			if err != nil {
				return err
			}
			v := made("at" + strconv.FormatInt(now%1000, 10) + show(e.Value))
			if err := out.Forward(record{Key: e.Key, Value: v, Timestamp: now}); err != nil {
				return err
			}
		}
		return out.Forward(record{Key: new("tick"), Timestamp: now})
	}
	switch m.n.Kind {
	case "stream":
		c.Schedule(ms(m.n.Every), processor.StreamTime, tell)
	case "wall":
		c.Schedule(ms(m.n.Every), processor.WallClock, tell)
	}
	return nil
}

func (m *remembering) Process(_ *processor.Context, r record, out *output) error {
	if r.Key == nil {
		return nil
	}
	was, _, err := m.last.Get(r.Key)
	if err != nil {
		return err
	}
	if err := m.last.Put(r.Key, r.Value); err != nil {
		return err
	}
	r.Value = joined(was, r.Value)
	return out.Forward(r)
}
