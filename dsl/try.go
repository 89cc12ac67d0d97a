package dsl

import (
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/windowing"
)

// The Try forms take functions that may fail and that see the context and the
// whole record. An error, or a panic, goes to the failure handler; when that
// goes on, the record has no effect: the aggregate stays as it was.

// TryReduce is Reduce for a function that may fail and sees the whole record: f
// combines the record's value with a, which came of those before.
func (g Grouped[K, V]) TryReduce[_ lazy](store string, f func(c *processor.Context, r processor.Record[K, V], a V) (V, error), opts ...StoreOption) Table[K, V] {
	return aggregate(g, "reduce", store, tryReduceStep(f, nil), g.s.vs, opts)
}

// TryAggregate is Aggregate for a function that may fail and sees the whole
// record.
func (g Grouped[K, V]) TryAggregate[A any](store string, zero func() A, add func(c *processor.Context, r processor.Record[K, V], a A) (A, error), opts ...StoreOption) Table[K, A] {
	return aggregate(g, "aggregate", store, tryAggregateStep(zero, add), keepValueSerde[V, A](g.s.vs), opts)
}

// TryReduce is Reduce for a function that may fail and sees the whole record. Of
// the windows that a record is in, those before the one where it fails keep it, and
// later ones do not get it.
func (t TimeWindowed[K, V]) TryReduce[KW windowing.KeyOf[K]](store string, f func(c *processor.Context, r processor.Record[K, V], a V) (V, error), opts ...StoreOption) Table[KW, V] {
	return timeWindows[K, V, V, KW](t, "window-reduce", store, tryReduceStep(f, nil), t.g.s.vs, opts)
}

// TryAggregate is Aggregate for a function that may fail and sees the whole
// record. See TryReduce for one that is in several windows.
func (t TimeWindowed[K, V]) TryAggregate[A any, KW windowing.KeyOf[K]](store string, zero func() A, add func(c *processor.Context, r processor.Record[K, V], a A) (A, error), opts ...StoreOption) Table[KW, A] {
	return timeWindows[K, V, A, KW](t, "window-aggregate", store, tryAggregateStep(zero, add), keepValueSerde[V, A](t.g.s.vs), opts)
}

// TryReduce is Reduce for a function that may fail and sees the whole record.
func (t SlidingWindowed[K, V]) TryReduce[KW windowing.KeyOf[K]](store string, f func(c *processor.Context, r processor.Record[K, V], a V) (V, error), opts ...StoreOption) Table[KW, V] {
	return slidingWindows[K, V, V, KW](t, "sliding-reduce", store, tryReduceStep(f, nil), t.g.s.vs, opts)
}

// TryAggregate is Aggregate for a function that may fail and sees the whole
// record.
func (t SlidingWindowed[K, V]) TryAggregate[A any, KW windowing.KeyOf[K]](store string, zero func() A, add func(c *processor.Context, r processor.Record[K, V], a A) (A, error), opts ...StoreOption) Table[KW, A] {
	return slidingWindows[K, V, A, KW](t, "sliding-aggregate", store, tryAggregateStep(zero, add), keepValueSerde[V, A](t.g.s.vs), opts)
}

// TryAggregate is Aggregate for a function that may fail and sees the whole
// record. merge cannot fail but by a panic.
func (t SessionWindowed[K, V]) TryAggregate[A any, KW windowing.KeyOf[K]](store string, zero func() A, add func(c *processor.Context, r processor.Record[K, V], a A) (A, error), merge func(k K, a, b A) A, opts ...StoreOption) Table[KW, A] {
	return sessions[K, V, A, KW](t, "session-aggregate", store, tryAggregateStep(zero, add).merging(merge), keepValueSerde[V, A](t.g.s.vs), opts)
}

// TryReduce is Reduce for a function that may fail and sees the whole record. It
// also combines sessions that become one: then the value of r, which is otherwise
// the record at hand, is what the later of the two came to.
func (t SessionWindowed[K, V]) TryReduce[KW windowing.KeyOf[K]](store string, f func(c *processor.Context, r processor.Record[K, V], a V) (V, error), opts ...StoreOption) Table[KW, V] {
	return sessions[K, V, V, KW](t, "session-reduce", store, tryReduceStep(f, nil), t.g.s.vs, opts)
}

// TryJoin is Join for a function that may fail. The record at hand, whose
// headers the context has, is the later one to come, of either stream. A record
// whose join with one of the others fails has the results with those before it,
// meets none after it, and stays to be met.
func (s Stream[K, V]) TryJoin[VO, VR any](name string, o Stream[K, VO], w windowing.Join, f func(c *processor.Context, k K, l V, r VO) (VR, error), opts ...JoinOption) Stream[K, VR] {
	return joinStreams(s, o, innerJoin, name, w, func(c *processor.Context, k K, l Maybe[V], r Maybe[VO]) (VR, error) {
		return f(c, k, l.Value, r.Value)
	}, opts)
}

// TryLeftJoin is LeftJoin for a function that may fail; see TryJoin.
func (s Stream[K, V]) TryLeftJoin[VO, VR any](name string, o Stream[K, VO], w windowing.Join, f func(c *processor.Context, k K, l V, r Maybe[VO]) (VR, error), opts ...JoinOption) Stream[K, VR] {
	return joinStreams(s, o, leftJoin, name, w, func(c *processor.Context, k K, l Maybe[V], r Maybe[VO]) (VR, error) {
		return f(c, k, l.Value, r)
	}, opts)
}

// TryOuterJoin is OuterJoin for a function that may fail; see TryJoin.
func (s Stream[K, V]) TryOuterJoin[VO, VR any](name string, o Stream[K, VO], w windowing.Join, f func(c *processor.Context, k K, l Maybe[V], r Maybe[VO]) (VR, error), opts ...JoinOption) Stream[K, VR] {
	return joinStreams(s, o, outerJoin, name, w, f, opts)
}

// TryJoinTable is JoinTable for a function that may fail and sees the whole
// record.
func (s Stream[K, V]) TryJoinTable[VO, VR any](t Table[K, VO], f func(c *processor.Context, r processor.Record[K, V], o VO) (VR, error), opts ...JoinOption) Stream[K, VR] {
	return joinTable(s, t, true, func(c *processor.Context, k K, v V, o Maybe[VO]) (VR, error) {
		return f(c, recordOf(c.Frame(), k, v), o.Value)
	}, opts)
}

// TryLeftJoinTable is LeftJoinTable for a function that may fail and sees the
// whole record.
func (s Stream[K, V]) TryLeftJoinTable[VO, VR any](t Table[K, VO], f func(c *processor.Context, r processor.Record[K, V], o Maybe[VO]) (VR, error), opts ...JoinOption) Stream[K, VR] {
	return joinTable(s, t, false, func(c *processor.Context, k K, v V, o Maybe[VO]) (VR, error) {
		return f(c, recordOf(c.Frame(), k, v), o)
	}, opts)
}

// TryJoinGlobal is JoinGlobal for a function that may fail and sees the whole
// record. key cannot fail but by a panic.
func (s Stream[K, V]) TryJoinGlobal[KO, VO, VR any](g GlobalTable[KO, VO], key func(K, V) KO, f func(c *processor.Context, r processor.Record[K, V], o VO) (VR, error), opts ...Option) Stream[K, VR] {
	return joinGlobal(s, g, true, key, func(c *processor.Context, k K, _ KO, v V, o Maybe[VO]) (VR, error) {
		return f(c, recordOf(c.Frame(), k, v), o.Value)
	}, opts)
}

// TryLeftJoinGlobal is LeftJoinGlobal for a function that may fail and sees the
// whole record. key cannot fail but by a panic.
func (s Stream[K, V]) TryLeftJoinGlobal[KO, VO, VR any](g GlobalTable[KO, VO], key func(K, V) KO, f func(c *processor.Context, r processor.Record[K, V], o Maybe[VO]) (VR, error), opts ...Option) Stream[K, VR] {
	return joinGlobal(s, g, false, key, func(c *processor.Context, k K, _ KO, v V, o Maybe[VO]) (VR, error) {
		return f(c, recordOf(c.Frame(), k, v), o)
	}, opts)
}

// TryJoinGlobalWithKeys is TryJoinGlobal for a function that also reads the key
// that was looked up.
func (s Stream[K, V]) TryJoinGlobalWithKeys[KO, VO, VR any](g GlobalTable[KO, VO], key func(K, V) KO, f func(c *processor.Context, r processor.Record[K, V], ko KO, o VO) (VR, error), opts ...Option) Stream[K, VR] {
	return joinGlobal(s, g, true, key, func(c *processor.Context, k K, ko KO, v V, o Maybe[VO]) (VR, error) {
		return f(c, recordOf(c.Frame(), k, v), ko, o.Value)
	}, opts)
}

// TryLeftJoinGlobalWithKeys is TryLeftJoinGlobal for a function that also reads
// the key that was looked up, as LeftJoinGlobalWithKeys has it.
func (s Stream[K, V]) TryLeftJoinGlobalWithKeys[KO, VO, VR any](g GlobalTable[KO, VO], key func(K, V) KO, f func(c *processor.Context, r processor.Record[K, V], ko KO, o Maybe[VO]) (VR, error), opts ...Option) Stream[K, VR] {
	return joinGlobal(s, g, false, key, func(c *processor.Context, k K, ko KO, v V, o Maybe[VO]) (VR, error) {
		return f(c, recordOf(c.Frame(), k, v), ko, o)
	}, opts)
}
