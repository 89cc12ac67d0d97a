package dsl

import (
	"cmp"
	"slices"

	"github.com/thalweg/thalweg/windowing"
)

// An Aggregator knows how an aggregate A of values V begins and grows. One for
// sessions is also a Merger, one for grouped tables also a Remover.
type Aggregator[V, A any] interface {
	// Zero returns the aggregate of no values.
	Zero() A
	// Add returns the aggregate with one value more. It must not change a in
	// place where that shares memory.
	Add(a A, v V) A
}

// Merger is an Aggregator of sessions.
type Merger[V, A any] interface {
	Aggregator[V, A]
	// Merge returns the aggregate of both.
	Merge(a, b A) A
}

// Remover is an Aggregator of a table's rows.
type Remover[V, A any] interface {
	Aggregator[V, A]
	// Remove returns the aggregate with one value less.
	Remove(a A, v V) A
}

// AggregateBy is Aggregate with a ready-made aggregator.
func (g Grouped[K, V]) AggregateBy[G Aggregator[V, A], A any](store string, by G, opts ...StoreOption) Table[K, A] {
	return g.Aggregate(store, by.Zero, func(_ K, v V, a A) A { return by.Add(a, v) }, opts...)
}

// AggregateBy is Aggregate with a ready-made aggregator.
func (t TimeWindowed[K, V]) AggregateBy[G Aggregator[V, A], A any, KW windowing.KeyOf[K]](store string, by G, opts ...StoreOption) Table[KW, A] {
	return t.Aggregate[A, KW](store, by.Zero, func(_ K, v V, a A) A { return by.Add(a, v) }, opts...)
}

// AggregateBy is Aggregate with a ready-made aggregator.
func (t SlidingWindowed[K, V]) AggregateBy[G Aggregator[V, A], A any, KW windowing.KeyOf[K]](store string, by G, opts ...StoreOption) Table[KW, A] {
	return t.Aggregate[A, KW](store, by.Zero, func(_ K, v V, a A) A { return by.Add(a, v) }, opts...)
}

// AggregateBy is Aggregate with a ready-made aggregator.
func (t SessionWindowed[K, V]) AggregateBy[G Merger[V, A], A any, KW windowing.KeyOf[K]](store string, by G, opts ...StoreOption) Table[KW, A] {
	return t.Aggregate[A, KW](store, by.Zero, func(_ K, v V, a A) A { return by.Add(a, v) }, func(_ K, a, b A) A { return by.Merge(a, b) }, opts...)
}

// AggregateBy is Aggregate with a ready-made aggregator.
func (g GroupedTable[K, V]) AggregateBy[G Remover[V, A], A any](store string, by G, opts ...StoreOption) Table[K, A] {
	return g.Aggregate(store, by.Zero, func(_ K, v V, a A) A { return by.Add(a, v) }, func(_ K, v V, a A) A { return by.Remove(a, v) }, opts...)
}

// Number is what Sum adds up.
type Number interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// SumBy is the aggregator made by Sum.
type SumBy[V any, N Number] struct{ of func(V) N }

// Sum adds up a number taken from each value.
func Sum[V any, N Number](of func(V) N) SumBy[V, N] { return SumBy[V, N]{of} }

// Zero implements Aggregator.
func (s SumBy[V, N]) Zero() N { return 0 }

// Add implements Aggregator.
func (s SumBy[V, N]) Add(a N, v V) N { return a + s.of(v) }

// Merge implements Merger.
func (s SumBy[V, N]) Merge(a, b N) N { return a + b }

// Remove implements Remover.
func (s SumBy[V, N]) Remove(a N, v V) N { return a - s.of(v) }

// MeanOf is a running mean.
type MeanOf struct {
	Sum float64 `json:"sum"`
	N   int64   `json:"n"`
}

// Value returns the mean, or 0 of no values.
func (m MeanOf) Value() float64 {
	if m.N == 0 {
		return 0
	}
	return m.Sum / float64(m.N)
}

// MeanBy is the aggregator made by Mean.
type MeanBy[V any] struct{ of func(V) float64 }

// Mean averages a number taken from each value.
func Mean[V any](of func(V) float64) MeanBy[V] { return MeanBy[V]{of} }

// Zero implements Aggregator.
func (m MeanBy[V]) Zero() MeanOf { return MeanOf{} }

// Add implements Aggregator.
func (m MeanBy[V]) Add(a MeanOf, v V) MeanOf { return MeanOf{a.Sum + m.of(v), a.N + 1} }

// Merge implements Merger.
func (m MeanBy[V]) Merge(a, b MeanOf) MeanOf { return MeanOf{a.Sum + b.Sum, a.N + b.N} }

// Remove implements Remover.
func (m MeanBy[V]) Remove(a MeanOf, v V) MeanOf { return MeanOf{a.Sum - m.of(v), a.N - 1} }

// Extreme is the least or greatest number seen so far; N is how many there were.
type Extreme[N cmp.Ordered] struct {
	Value N     `json:"value"`
	N     int64 `json:"n"`
}

// ExtremeBy is the aggregator made by Min and Max.
type ExtremeBy[V any, N cmp.Ordered] struct {
	of     func(V) N
	better func(a, b N) bool
}

// Min keeps the least of what is taken from each value.
func Min[V any, N cmp.Ordered](of func(V) N) ExtremeBy[V, N] {
	return ExtremeBy[V, N]{of, func(a, b N) bool { return a < b }}
}

// Max keeps the greatest of what is taken from each value.
func Max[V any, N cmp.Ordered](of func(V) N) ExtremeBy[V, N] {
	return ExtremeBy[V, N]{of, func(a, b N) bool { return a > b }}
}

// Zero implements Aggregator.
func (e ExtremeBy[V, N]) Zero() Extreme[N] { return Extreme[N]{} }

// Add implements Aggregator.
func (e ExtremeBy[V, N]) Add(a Extreme[N], v V) Extreme[N] {
	return e.Merge(a, Extreme[N]{e.of(v), 1})
}

// Merge implements Merger.
func (e ExtremeBy[V, N]) Merge(a, b Extreme[N]) Extreme[N] {
	if a.N == 0 || b.N > 0 && e.better(b.Value, a.Value) {
		a.Value = b.Value
	}
	a.N += b.N
	return a
}

// TopBy is the aggregator made by TopN.
type TopBy[V any] struct {
	n    int
	less func(a, b V) int
}

// TopN keeps the n greatest values, greatest first, by a comparison like
// cmp.Compare.
func TopN[V any](n int, compare func(a, b V) int) TopBy[V] { return TopBy[V]{n, compare} }

// Zero implements Aggregator.
func (t TopBy[V]) Zero() []V { return nil }

// Add implements Aggregator.
func (t TopBy[V]) Add(a []V, v V) []V {
	// Behind its equals: of those the first to come stays.
	at, _ := slices.BinarySearchFunc(a, v, func(x, v V) int {
		if t.less(x, v) >= 0 {
			return -1
		}
		return 1
	})
	if at >= t.n {
		return a
	}
	top := make([]V, 0, min(len(a)+1, t.n))
	top = append(append(top, a[:at]...), v)
	return append(top, a[at:min(len(a), t.n-1)]...)
}

// Merge implements Merger.
func (t TopBy[V]) Merge(a, b []V) []V {
	for _, v := range b {
		a = t.Add(a, v)
	}
	return a
}

// CollectBy is the aggregator made by Collect.
type CollectBy[V any] struct{}

// Collect keeps all values, in the order in which they came.
func Collect[V any]() CollectBy[V] { return CollectBy[V]{} }

// Zero implements Aggregator.
func (CollectBy[V]) Zero() []V { return nil }

// Add implements Aggregator.
func (CollectBy[V]) Add(a []V, v V) []V { return append(a[:len(a):len(a)], v) }

// Merge implements Merger.
func (CollectBy[V]) Merge(a, b []V) []V { return append(a[:len(a):len(a)], b...) }

// DistinctBy is the aggregator made by Distinct.
type DistinctBy[V any, T cmp.Ordered] struct{ of func(V) T }

// Distinct keeps the different things taken from the values, in order.
func Distinct[V any, T cmp.Ordered](of func(V) T) DistinctBy[V, T] { return DistinctBy[V, T]{of} }

// Zero implements Aggregator.
func (DistinctBy[V, T]) Zero() []T { return nil }

// Add implements Aggregator.
func (d DistinctBy[V, T]) Add(a []T, v V) []T { return insertDistinct(a, d.of(v)) }

// Merge implements Merger.
func (d DistinctBy[V, T]) Merge(a, b []T) []T {
	for _, t := range b {
		a = insertDistinct(a, t)
	}
	return a
}

func insertDistinct[T cmp.Ordered](a []T, t T) []T {
	at, found := slices.BinarySearch(a, t)
	if found {
		return a
	}
	return slices.Insert(slices.Clip(slices.Clone(a)), at, t)
}
