package dsl_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/windowing"
)

func sendAt(d *testdriver.Driver, ts int64, k, v string) {
	d.Input(words).SendRecord(processor.Record[string, string]{Key: k, Value: v, Timestamp: ts})
}

func changes(d *testdriver.Driver) (got []string) {
	for _, r := range d.Output(shouts).All() {
		v := r.Value
		if r.NullValue {
			v = "-"
		}
		got = append(got, fmt.Sprintf("%s=%s@%d", r.Key, v, r.Timestamp))
	}
	return got
}

func TestExpireAfter(t *testing.T) {
	b := dsl.NewBuilder()
	b.Table(words, "words", dsl.ExpireAfter(10*time.Second)).ToStream().To(shouts)
	topo := build(t, b)
	d := testdriver.New(t, topo)
	sendAt(d, 0, "a", "1")
	sendAt(d, 5_000, "b", "1")
	sendAt(d, 9_999, "a", "2") // lives on
	sendAt(d, 14_999, "c", "1")
	require.Equal(t, []string{"a=1@0", "b=1@5000", "a=2@9999", "c=1@14999"}, changes(d))
	sendAt(d, 15_000, "c", "2") // b is 10 s old
	require.Equal(t, "b=-@15000", changes(d)[5])
	sendAt(d, 40_000, "d", "1")
	require.Equal(t, []string{"d=1@40000", "a=-@40000", "c=-@40000"}, changes(d)[6:])
	st := d.Store(state.Timestamped("words", words.Key, words.Value))
	n, err := st.Len()
	require.NoError(t, err)
	require.Equal(t, 1, n)
	sendAt(d, 40_001, "b", "new") // a key that expired begins anew
	v, _, ok, err := st.Get("b")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "new", v)
	// A record older than the lifetime stays until time moves.
	sendAt(d, 1, "old", "1")
	sendAt(d, 40_002, "d", "2")
	require.Equal(t, []string{"old=1@1", "d=2@40002", "old=-@40002"}, changes(d)[10:])
}

// Aggregates expire, and what is made of the table sees it: below, the rows are
// counted by value.
func TestExpiredRowsLeaveAggregates(t *testing.T) {
	for _, cached := range []int64{0, 1 << 20} {
		b := dsl.NewBuilder()
		b.Stream(words).GroupByKey().
			Reduce("last", func(_, v string) string { return v }, dsl.ExpireAfter(10*time.Second)).
			GroupBy(func(k, v string) (string, string) { return v, k }).
			Count("by-value")
		d := testdriver.New(t, build(t, b), testdriver.CacheBytes(cached))
		for i := range 4 {
			sendAt(d, int64(i), fmt.Sprint(i), "x")
		}
		sendAt(d, 10_001, "9", "y")
		st := d.Store(state.Timestamped("by-value", words.Value, totals.Value))
		n, _, _, err := st.Get("x")
		require.NoError(t, err)
		require.Equal(t, int64(2), n, "cache of %d bytes", cached)
	}
}

// Rows that were restored expire as if the task had never stopped, and the dead
// do not come back.
func TestExpireAfterCrashes(t *testing.T) {
	b := dsl.NewBuilder()
	b.Stream(words).GroupByKey().
		Reduce("last", func(_, v string) string { return v }, dsl.ExpireAfter(time.Second)).
		ToStream().
		To(shouts)
	topo := build(t, b)
	want := map[string]string{}
	for seed := range uint64(8) {
		d := testdriver.New(t, topo, testdriver.WithCrashes(seed))
		for i := range 60 {
			sendAt(d, int64(i)*100, fmt.Sprint(i%25), fmt.Sprint(i))
		}
		got := map[string]string{}
		for e, err := range d.Store(state.Timestamped("last", words.Key, words.Value)).All() {
			require.NoError(t, err)
			got[e.Key] = e.Value
		}
		if seed == 0 {
			for i := 50; i < 60; i++ {
				want[fmt.Sprint(i%25)] = fmt.Sprint(i)
			}
		}
		require.Equal(t, want, got, "seed %d", seed)
	}
}

func TestExpireAfterMistakes(t *testing.T) {
	b := dsl.NewBuilder()
	s := b.Stream(words)
	s.GroupByKey().Count("a", dsl.ExpireAfter(-time.Second))
	s.ToTable("b", dsl.ExpireAfter(time.Minute), dsl.Versioned(time.Minute))
	s.GroupByKey().WindowedBy(windowing.Tumbling(time.Second)).Count("c", dsl.ExpireAfter(time.Minute))
	s.GroupByKey().SessionBy(windowing.Sessions(time.Second)).Count("d", dsl.ExpireAfter(time.Minute))
	_, err := b.Build()
	for _, want := range []string{`store "a": ExpireAfter of -1s`, `store "b": ExpireAfter`, `store "c": windows have a Retention`, `store "d": sessions have a Retention`} {
		require.ErrorContains(t, err, want)
	}
}
