package random

import (
	"fmt"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/windowing"
)

// Aggregations are "count", "reduce:F" and "aggregate:F" with a reducer F; an
// aggregate begins with the empty text.
func split(agg string) (how, f string) {
	for i, c := range agg {
		if c == ':' {
			return agg[:i], agg[i+1:]
		}
	}
	return agg, ""
}

func (w *Window) time() windowing.Time {
	return windowing.Hopping(ms(w.Size), ms(w.Advance)).WithGrace(ms(w.Grace))
}

func (w *Window) sliding() windowing.Sliding {
	return windowing.SlidingOf(ms(w.Size)).WithGrace(ms(w.Grace))
}

func (w *Window) session() windowing.Session {
	return windowing.Sessions(ms(w.Size)).WithGrace(ms(w.Grace))
}

func (a *assembly[T]) aggregateStream(n Node, g dsl.Grouped[T, T]) (any, error) {
	how, f := split(n.Agg)
	name, opts := n.Store.Name, n.Store.options(false)
	if n.Window == nil {
		switch how {
		case "count":
			return g.Count(name, opts...), nil
		case "reduce":
			return g.Reduce(name, a.reducer(f), opts...), nil
		}
		return g.Aggregate(name, a.empty, a.adder(f), opts...), nil
	}
	switch n.Window.Kind {
	case "time":
		w := g.WindowedBy(n.Window.time())
		if n.Window.Final {
			w = w.EmitOnClose()
		}
		switch how {
		case "count":
			return w.Count(name, opts...), nil
		case "reduce":
			return w.Reduce(name, a.reducer(f), opts...), nil
		}
		return w.Aggregate(name, a.empty, a.adder(f), opts...), nil
	case "sliding":
		w := g.SlidingBy(n.Window.sliding())
		if n.Window.Final {
			w = w.EmitOnClose()
		}
		switch how {
		case "count":
			return w.Count(name, opts...), nil
		case "reduce":
			return w.Reduce(name, a.reducer(f), opts...), nil
		}
		return w.Aggregate(name, a.empty, a.adder(f), opts...), nil
	case "session":
		w := g.SessionBy(n.Window.session())
		if n.Window.Final {
			w = w.EmitOnClose()
		}
		switch how {
		case "count":
			return w.Count(name, opts...), nil
		case "reduce":
			return w.Reduce(name, a.reducer(f), opts...), nil
		}
		return w.Aggregate(name, a.empty, a.adder(f), a.merged, opts...), nil
	}
	return nil, fmt.Errorf("no window is called %q", n.Window.Kind)
}

// cogroup aggregates several streams into one table. The aggregators mark what
// came from which.
func (a *assembly[T]) cogroup(n Node) any {
	var c dsl.Cogrouped[T, T]
	for i, in := range n.In {
		s := present(a, n, a.made[in].(dsl.Stream[T, T]))
		mark := string(rune('A' + i))
		name := dsl.RepartitionAs(n.Store.Name + mark)
		g := s.GroupByKey(name)
		if n.Keys[i] != "" {
			g = s.GroupBy(selector[T, T, T](a.types, n.Keys[i]), name)
		}
		add := func(_, v, sum T) T { return a.out(made(show(a.in(sum)) + mark + show(a.in(v)))) }
		if i == 0 {
			c = g.Cogroup(add)
		} else {
			c = c.And(g, add)
		}
	}
	name, opts := n.Store.Name, n.Store.options(false)
	if n.Window == nil {
		return c.Aggregate(name, a.empty, opts...)
	}
	switch n.Window.Kind {
	case "sliding":
		return c.SlidingBy(n.Window.sliding()).Aggregate(name, a.empty, opts...)
	case "session":
		return c.SessionBy(n.Window.session()).Aggregate(name, a.empty, a.merged, opts...)
	}
	return c.WindowedBy(n.Window.time()).Aggregate(name, a.empty, opts...)
}
