package dsl_test

import (
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/testdriver"
)

// A program may read what it writes; it is its own business to end.
func TestProgramsMayReadWhatTheyWrite(t *testing.T) {
	b := dsl.NewBuilder()
	b.Stream(words).FlatMapValues(func(v string) iter.Seq[string] {
		return func(yield func(string) bool) {
			if len(v) > 1 {
				yield(v[1:])
			}
		}
	}).To(words)
	b.Stream(words).GroupByKey().Count("n").ToStream().To(totals)
	d := testdriver.New(t, build(t, b), testdriver.Partitions(2))
	d.Input(words).Send("k", "four")
	require.Equal(t, int64(4), testdriver.ReadMap(d.Output(totals))["k"])
}
