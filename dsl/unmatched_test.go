package dsl_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// unmatchedJoin is an outer join within 10 s before and 20 s after, with a minute of grace.
func unmatchedJoin(t *testing.T) (left, right func(at time.Duration, v string), results func() []string) {
	l, r, out := topology.NewTopic("l", serde.String, serde.String), topology.NewTopic("r", serde.String, serde.String), topology.NewTopic("out", serde.String, serde.String)
	b := dsl.NewBuilder()
	within := windowing.Within(20 * time.Second).WithBefore(10 * time.Second).WithGrace(time.Minute)
	b.Stream(l).OuterJoin("join", b.Stream(r), within, func(l, r dsl.Maybe[string]) string { return l.Or("-") + " " + r.Or("-") }).To(out)
	topo, err := b.Build()
	require.NoError(t, err)
	d := testdriver.New(t, topo)
	noon := time.Date(2013, 1, 1, 12, 0, 0, 0, time.UTC)
	send := func(to topology.Topic[string, string]) func(time.Duration, string) {
		return func(at time.Duration, v string) { d.Input(to).SendAt(noon.Add(at), "k", v) }
	}
	results = func() (vs []string) {
		for _, r := range d.Output(out).All() {
			vs = append(vs, r.Value)
		}
		return vs
	}
	return send(l), send(r), results
}

// A late record has no unmatched result as long as others may come that match it.
func TestUnmatchedLate(t *testing.T) {
	left, right, results := unmatchedJoin(t)
	right(2*time.Minute, "now")
	left(70*time.Second, "a")  // its time is over, its grace is not
	right(85*time.Second, "b") // and is matched
	right(65*time.Second, "c") // by this one, too, which is late as well
	left(30*time.Second, "d")  // nothing that matches this one can come: it would be later than its grace
	require.Equal(t, []string{"a b", "a c", "d -"}, results())
	right(4*time.Minute, "end")
	require.Equal(t, []string{"a b", "a c", "d -", "- now"}, results())
}

// Unmatched results come when their time is over, whatever waits behind them.
func TestUnmatchedInTime(t *testing.T) {
	left, right, results := unmatchedJoin(t)
	for i, v := range []string{"a", "b", "c", "d"} {
		left(time.Duration(i)*30*time.Second, v)
	}
	require.Equal(t, []string{"a -"}, results()) // 0 s + 20 s + 60 s
	right(110*time.Second, "e")                  // 90 s + 20 s: with d
	require.Equal(t, []string{"a -", "d e"}, results())
	right(111*time.Second, "f") // 30 s + 20 s + 60 s is over
	require.Equal(t, []string{"a -", "d e", "b -"}, results())
	left(3*time.Minute, "g") // what f waits for is not over yet
	require.Equal(t, []string{"a -", "d e", "b -", "c -"}, results())
}
