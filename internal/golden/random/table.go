package random

import (
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/windowing"
)

// table adds the operators that tables of all types have.
func table[K, V any](a *assembly, n Node, t dsl.Table[K, V]) (any, error) {
	opts := n.Store.options(true)
	switch n.Op {
	case "filter":
		return t.Filter(predicate[K, V](n.F), opts...), nil
	case "filterNot":
		return t.FilterNot(predicate[K, V](n.F), opts...), nil
	case "mapValues":
		return t.MapValuesWithKey(mapper[K, V](n.F), opts...), nil
	case "toStream":
		return t.ToStream(), nil
	case "suppress":
		s := dsl.Every(ms(n.Suppress.Wait))
		if n.Suppress.Max > 0 {
			s = s.MaxRecords(n.Suppress.Max)
		}
		return t.Suppress(s, dsl.Named(n.F)), nil
	case "aggregate":
		return aggregateTable(n, t), nil
	case "join":
		switch r := a.made[n.In[1]].(type) {
		case dsl.Table[K, text]:
			return joinTables(n, t, r), nil
		case dsl.Table[K, int64]:
			return joinTables(n, t, r), nil
		}
	}
	return nil, sink(a, n, t.ToStream())
}

func (a *assembly) textTable(n Node, t dsl.Table[text, text]) (any, error) {
	if n.Op == "foreign" {
		return a.foreign(n, t), nil
	}
	return table(a, n, t)
}

func windowedTable[V any](a *assembly, n Node, t dsl.Table[windowing.Windowed[text], V]) (any, error) {
	if n.Op == "suppress" && n.Kind == "close" {
		return dsl.FinalOnly(t, dsl.Named(n.F)), nil
	}
	return table(a, n, t)
}

// aggregateTable groups a table anew, with its values as texts.
func aggregateTable[K, V any](n Node, t dsl.Table[K, V]) any {
	key := selectors[n.Key]
	g := t.GroupBy(func(k K, v V) (text, text) { return key(textOf(k), textOf(v)), textOf(v) })
	how, f := split(n.Agg)
	name, opts := n.Store.Name, n.Store.options(false)
	switch how {
	case "count":
		return g.Count(name, opts...)
	case "reduce":
		return g.Reduce(name, reducers[f], reducers["minus"], opts...)
	}
	return g.Aggregate(name, empty, adder(f), adder("minus"), opts...)
}
