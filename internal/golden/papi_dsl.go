package golden

import (
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

var globalTexts = state.KeyValue("gs", textSerde, textSerde, state.InMemory(), state.Unlogged())

// marking writes the records of a global topic into a store.
type marking struct{ gs *state.KV[text, text] }

func (m *marking) Init(c *processor.Context, _ *output) error {
	m.gs = globalTexts.In(c)
	return nil
}

func (m *marking) Process(_ *processor.Context, r record, _ *output) error {
	if r.Key == nil {
		return nil
	}
	if r.Value == nil {
		return m.gs.Delete(r.Key)
	}
	return m.gs.Put(r.Key, new(*r.Value+"!"))
}

func globalStore(p *plan) {
	p.b.Topology().AddGlobalStore(globalTexts, "mark", texts("g"), func() *marking { return new(marking) })
	p.b.Stream(texts("s")).
		ProcessValuesFunc("look", func(c *processor.Context, r record, out *processor.ValueOut[text]) error {
			var other text
			if r.Key != nil {
				var err error
				if other, _, err = globalTexts.In(c).Get(r.Key); err != nil {
					return err
				}
			}
			return out.Forward(join(r.Value, other))
		}).
		To(texts("out"))
}

var shared = state.KeyValue("shared", textSerde, serde.Int64)

func mixedStoreShared(p *plan) {
	p.b.Store(shared)
	p.b.Stream(texts("a")).
		ProcessFunc("adder", func(c *processor.Context, r record, out *output) error {
			if r.Key == nil {
				return nil
			}
			s := shared.In(c)
			n, _, err := s.Get(r.Key)
			if err != nil {
				return err
			}
			if err := s.Put(r.Key, n+1); err != nil {
				return err
			}
			r.Value = new(show(r.Value) + "#" + num(n+1))
			return out.Forward(r)
		}, shared).
		GroupByKey().
		Count("cnt", dsl.Uncached()).
		ToStream().
		MapValues(func(n int64) text { return new("c" + num(n)) }).
		To(texts("out"))
	p.b.Stream(texts("b")).
		ProcessValuesFunc("reader", func(c *processor.Context, r record, out *processor.ValueOut[text]) error {
			seen := "null"
			if r.Key != nil {
				n, ok, err := shared.In(c).Get(r.Key)
				if err != nil {
					return err
				}
				if ok {
					seen = num(n)
				}
			}
			return out.Forward(new(show(r.Value) + "=" + seen))
		}, shared).
		To(texts("read"))
}

var (
	lastSeen = state.KeyValue("last", textSerde, textSerde, state.InMemory(), state.Unlogged())
	totals   = state.KeyValue("tot", textSerde, serde.Int64, state.Cached())
)

// remembering keeps the last value and the number of records of each key.
type remembering struct {
	last *state.KV[text, text]
	tot  *state.KV[text, int64]
}

func (m *remembering) Init(c *processor.Context, _ *output) error {
	m.last, m.tot = lastSeen.In(c), totals.In(c)
	return nil
}

func (m *remembering) Process(_ *processor.Context, r record, out *output) error {
	if r.Key == nil {
		return nil
	}
	prev, _, err := m.last.Get(r.Key)
	if err != nil {
		return err
	}
	if err := m.last.Put(r.Key, r.Value); err != nil {
		return err
	}
	n, _, err := m.tot.Get(r.Key)
	if err != nil {
		return err
	}
	if err := m.tot.Put(r.Key, n+1); err != nil {
		return err
	}
	r.Value = new(show(join(prev, r.Value)) + num(n+1))
	return out.Forward(r)
}

func supplierStores(p *plan) {
	s := p.b.Stream(texts("in")).
		Process("remember", func() *remembering { return new(remembering) }, lastSeen, totals)
	s.To(texts("out"))
	s.SelectKey(func(_, v text) text { return new(last(*v)) }).
		GroupByKey().
		Count("c", dsl.Uncached()).
		ToStream().To(counts("c"))
}
