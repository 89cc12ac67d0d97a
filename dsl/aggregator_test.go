package dsl

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func identity[T any](v T) T { return v }

// addAll adds all values, in two parts that are merged where by can.
func addAll[V, A any](by Merger[V, A], vs []V, cut int) A {
	a, b := by.Zero(), by.Zero()
	for _, v := range vs[:cut] {
		a = by.Add(a, v)
	}
	for _, v := range vs[cut:] {
		b = by.Add(b, v)
	}
	return by.Merge(a, b)
}

func TestAggregators(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vs := rapid.SliceOfN(rapid.IntRange(-50, 50), 0, 20).Draw(t, "values")
		cut := rapid.IntRange(0, len(vs)).Draw(t, "cut")
		sorted := slices.Sorted(slices.Values(vs))
		sum := 0
		for _, v := range vs {
			sum += v
		}
		require.Equal(t, sum, addAll(Sum(identity[int]), vs, cut))
		mean := addAll(Mean(func(v int) float64 { return float64(v) }), vs, cut)
		require.Equal(t, MeanOf{float64(sum), int64(len(vs))}, mean)
		least, most := addAll(Min(identity[int]), vs, cut), addAll(Max(identity[int]), vs, cut)
		require.EqualValues(t, len(vs), least.N)
		if len(vs) > 0 {
			require.Equal(t, sorted[0], least.Value)
			require.Equal(t, sorted[len(vs)-1], most.Value)
			require.Equal(t, float64(sum)/float64(len(vs)), mean.Value())
		}
		require.True(t, slices.Equal(vs, addAll(Collect[int](), vs, cut)))
		require.True(t, slices.Equal(slices.Compact(slices.Clone(sorted)), addAll(Distinct(identity[int]), vs, cut)))
		slices.Reverse(sorted)
		require.True(t, slices.Equal(sorted[:min(3, len(sorted))], addAll(TopN(3, cmp.Compare[int]), vs, cut)))
	})
}

// Aggregators never change what they were given: caches and old values share
// it.
func TestAggregatorsDoNotChangeTheirArguments(t *testing.T) {
	before := append(make([]int, 0, 10), 5, 3, 1)
	want := slices.Clone(before)
	TopN(5, cmp.Compare[int]).Add(before, 4)
	Collect[int]().Add(before, 4)
	require.Equal(t, want, before)
	require.Equal(t, make([]int, 7), before[3:10])
	asc := append(make([]int, 0, 10), 1, 3, 5)
	Distinct(identity[int]).Add(asc, 2)
	require.Equal(t, []int{1, 3, 5}, asc)
}

func TestSumCanRemove(t *testing.T) {
	s := Sum(identity[int64])
	require.EqualValues(t, 3, s.Remove(s.Add(3, 4), 4))
	m := Mean(identity[float64])
	require.Equal(t, MeanOf{3, 1}, m.Remove(MeanOf{7, 2}, 4))
	require.Zero(t, MeanOf{}.Value())
}
