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

func empty() text { return new("") }

func adder(f string) func(k, v, sum text) text {
	r := reducers[f]
	return func(_, v, sum text) text { return r(sum, v) }
}

func mergeSessions(_, a, b text) text { return merged(a, b) }

func (w *Window) time() windowing.Time {
	return windowing.Hopping(ms(w.Size), ms(w.Advance)).WithGrace(ms(w.Grace))
}

func (w *Window) sliding() windowing.Sliding {
	return windowing.SlidingOf(ms(w.Size)).WithGrace(ms(w.Grace))
}

func (w *Window) session() windowing.Session {
	return windowing.Sessions(ms(w.Size)).WithGrace(ms(w.Grace))
}

func (a *assembly) aggregateStream(n Node, g dsl.Grouped[text, text]) (any, error) {
	how, f := split(n.Agg)
	name, opts := n.Store.Name, n.Store.options(false)
	if n.Window == nil {
		switch how {
		case "count":
			return g.Count(name, opts...), nil
		case "reduce":
			return g.Reduce(name, reducers[f], opts...), nil
		}
		return g.Aggregate(name, empty, adder(f), opts...), nil
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
			return w.Reduce(name, reducers[f], opts...), nil
		}
		return w.Aggregate(name, empty, adder(f), opts...), nil
	case "sliding":
		w := g.SlidingBy(n.Window.sliding())
		if n.Window.Final {
			w = w.EmitOnClose()
		}
		switch how {
		case "count":
			return w.Count(name, opts...), nil
		case "reduce":
			return w.Reduce(name, reducers[f], opts...), nil
		}
		return w.Aggregate(name, empty, adder(f), opts...), nil
	case "session":
		w := g.SessionBy(n.Window.session())
		if n.Window.Final {
			w = w.EmitOnClose()
		}
		switch how {
		case "count":
			return w.Count(name, opts...), nil
		case "reduce":
			return w.Reduce(name, reducers[f], opts...), nil
		}
		return w.Aggregate(name, empty, adder(f), mergeSessions, opts...), nil
	}
	return nil, fmt.Errorf("no window is called %q", n.Window.Kind)
}

// cogroup aggregates several streams into one table. The aggregators mark what
// came from which.
func (a *assembly) cogroup(n Node) any {
	var c dsl.Cogrouped[text, text]
	for i, in := range n.In {
		s := a.made[in].(dsl.Stream[text, text])
		mark := string(rune('A' + i))
		name := dsl.RepartitionAs(n.Store.Name + mark)
		g := s.GroupByKey(name)
		if n.Keys[i] != "" {
			g = s.GroupBy(selectors[n.Keys[i]], name)
		}
		add := func(_, v, sum text) text { return made(show(sum) + mark + show(v)) }
		if i == 0 {
			c = g.Cogroup(add)
		} else {
			c = c.And(g, add)
		}
	}
	name, opts := n.Store.Name, n.Store.options(false)
	if n.Window == nil {
		return c.Aggregate(name, empty, opts...)
	}
	switch n.Window.Kind {
	case "sliding":
		return c.SlidingBy(n.Window.sliding()).Aggregate(name, empty, opts...)
	case "session":
		return c.SessionBy(n.Window.session()).Aggregate(name, empty, mergeSessions, opts...)
	}
	return c.WindowedBy(n.Window.time()).Aggregate(name, empty, opts...)
}
