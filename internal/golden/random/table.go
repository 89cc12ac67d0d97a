package random

import (
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/windowing"
)

// table adds the operators that tables of all types have.
func table[T, K, V any](a *assembly[T], n Node, t dsl.Table[K, V]) (any, error) {
	opts := n.Store.options(true)
	switch n.Op {
	case "filter":
		return t.Filter(predicate[T, K, V](a.types, n.F), opts...), nil
	case "filterNot":
		return t.FilterNot(predicate[T, K, V](a.types, n.F), opts...), nil
	case "mapValues":
		return t.MapValuesWithKey(mapper[T, K, V](a.types, n.F), opts...), nil
	case "toStream":
		return t.ToStream(), nil
	case "suppress":
		s := dsl.Every(ms(n.Suppress.Wait))
		if n.Suppress.Max > 0 {
			s = s.MaxRecords(n.Suppress.Max)
		}
		return t.Suppress(s, dsl.Named(n.F)), nil
	case "aggregate":
		return aggregateTable(a.types, n, t), nil
	case "join":
		switch r := a.made[n.In[1]].(type) {
		case dsl.Table[K, T]:
			return joinTables(a.types, n, t, r), nil
		case dsl.Table[K, int64]:
			return joinTables(a.types, n, t, r), nil
		}
	}
	return nil, sink(a, n, t.ToStream())
}

func (a *assembly[T]) textTable(n Node, t dsl.Table[T, T]) (any, error) {
	if n.Op == "foreign" {
		return a.foreign(n, t), nil
	}
	return table(a, n, t)
}

func windowedTable[T, V any](a *assembly[T], n Node, t dsl.Table[windowing.Windowed[T], V]) (any, error) {
	if n.Op == "suppress" && n.Kind == "close" {
		return dsl.FinalOnly(t, dsl.Named(n.F)), nil
	}
	return table(a, n, t)
}

// aggregateTable groups a table anew, with its values as texts.
func aggregateTable[T, K, V any](t types[T], n Node, of dsl.Table[K, V]) any {
	key := selector[T, K, V](t, n.Key)
	g := of.GroupBy(func(k K, v V) (T, T) { return key(k, v), t.out(t.text(v)) })
	how, f := split(n.Agg)
	name, opts := n.Store.Name, n.Store.options(false)
	switch how {
	case "count":
		return g.Count(name, opts...)
	case "reduce":
		return g.Reduce(name, t.reducer(f), t.reducer("minus"), opts...)
	}
	return g.Aggregate(name, t.empty, t.adder(f), t.adder("minus"), opts...)
}
