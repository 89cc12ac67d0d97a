package dsl

import "github.com/thalweg/thalweg/processor"

// The Try forms of operators on tables. A change whose function fails goes no
// further: the row of the result stays as it was, until the next change of its
// key. The context knows the record that caused the change.

// TryJoin is Join for a function that may fail. It is called for rows of either
// side, and may be called again for rows that it has been called with before.
func (t Table[K, V]) TryJoin[VO, VR any](o Table[K, VO], f func(c *processor.Context, k K, l V, r VO) (VR, error), opts ...StoreOption) Table[K, VR] {
	return joinTables(t, o, innerJoin, func(c *processor.Context, k K, l Maybe[V], r Maybe[VO]) (VR, error) {
		return f(c, k, l.Value, r.Value)
	}, opts)
}

// TryLeftJoin is LeftJoin for a function that may fail; see TryJoin.
func (t Table[K, V]) TryLeftJoin[VO, VR any](o Table[K, VO], f func(c *processor.Context, k K, l V, r Maybe[VO]) (VR, error), opts ...StoreOption) Table[K, VR] {
	return joinTables(t, o, leftJoin, func(c *processor.Context, k K, l Maybe[V], r Maybe[VO]) (VR, error) {
		return f(c, k, l.Value, r)
	}, opts)
}

// TryOuterJoin is OuterJoin for a function that may fail; see TryJoin.
func (t Table[K, V]) TryOuterJoin[VO, VR any](o Table[K, VO], f func(c *processor.Context, k K, l Maybe[V], r Maybe[VO]) (VR, error), opts ...StoreOption) Table[K, VR] {
	return joinTables(t, o, outerJoin, f, opts)
}

// TryJoinOn is JoinOn for a function that may fail. fk cannot fail but by a
// panic. The record at hand is the response of the other side.
func (t Table[K, V]) TryJoinOn[KO, VO, VR any](name string, o Table[KO, VO], fk func(K, V) (KO, bool), f func(c *processor.Context, k K, v V, o VO) (VR, error), opts ...StoreOption) Table[K, VR] {
	return joinOn(t, o, name, false, fk, func(c *processor.Context, k K, v V, o Maybe[VO]) (VR, error) {
		return f(c, k, v, o.Value)
	}, opts)
}

// TryLeftJoinOn is LeftJoinOn for a function that may fail; see TryJoinOn.
func (t Table[K, V]) TryLeftJoinOn[KO, VO, VR any](name string, o Table[KO, VO], fk func(K, V) (KO, bool), f func(c *processor.Context, k K, v V, o Maybe[VO]) (VR, error), opts ...StoreOption) Table[K, VR] {
	return joinOn(t, o, name, true, fk, f, opts)
}

// TryReduce is Reduce for functions that may fail and see the whole record,
// whose value is the one that comes or goes. When a row replaces another in its
// group, a failure of either function leaves both undone; a row that moves to
// another group leaves and comes as two records, of which one may fail alone.
func (g GroupedTable[K, V]) TryReduce[_ lazy](store string, add, sub func(c *processor.Context, r processor.Record[K, V], a V) (V, error), opts ...StoreOption) Table[K, V] {
	return aggregateTable(g, "table-reduce", store, tryReduceStep(add, sub), g.vs, opts)
}

// TryAggregate is Aggregate for functions that may fail and see the whole
// record; see TryReduce.
func (g GroupedTable[K, V]) TryAggregate[A any](store string, zero func() A, add, sub func(c *processor.Context, r processor.Record[K, V], a A) (A, error), opts ...StoreOption) Table[K, A] {
	return aggregateTable(g, "table-aggregate", store, tryAggregateStep(zero, add).taking(fold[K, V, A]{try: sub}), keepValueSerde[V, A](g.vs), opts)
}
