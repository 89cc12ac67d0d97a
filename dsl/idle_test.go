package dsl_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/windowing"
)

func TestIdleAfter(t *testing.T) {
	for name, count := range map[string]func(g dsl.Grouped[string, string]) dsl.Table[windowing.Windowed[string], int64]{
		"tumbling": func(g dsl.Grouped[string, string]) dsl.Table[windowing.Windowed[string], int64] {
			return g.WindowedBy(windowing.Tumbling(10 * time.Second)).EmitOnClose().IdleAfter(time.Minute).Count("n")
		},
		"session": func(g dsl.Grouped[string, string]) dsl.Table[windowing.Windowed[string], int64] {
			return g.SessionBy(windowing.Sessions(10 * time.Second)).EmitOnClose().IdleAfter(time.Minute).Count("n")
		},
		"sliding": func(g dsl.Grouped[string, string]) dsl.Table[windowing.Windowed[string], int64] {
			return g.SlidingBy(windowing.SlidingOf(10 * time.Second)).EmitOnClose().IdleAfter(time.Minute).Count("n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := dsl.NewBuilder()
			count(b.Stream(words).GroupByKey()).ToStream().SelectKey(windowing.Key).To(totals)
			d := testdriver.New(t, build(t, b))
			out := d.Output(totals)
			sendAt(d, 1_000, "a", "x")
			for range 4 { // seen at 15 s
				d.Advance(15 * time.Second)
			}
			require.True(t, out.Empty(), "45 s are not a minute")
			d.Advance(15 * time.Second)
			require.False(t, out.Empty())
			require.Equal(t, processor.Record[string, int64]{Key: "a", Value: 1, Timestamp: 1_000}, out.Read())
			sendAt(d, 2_000, "a", "x")
			require.Equal(t, int64(1), d.Dropped()[processor.DropLate], "the window was closed without it")
			sendAt(d, 200_000, "a", "x")
			require.Equal(t, int64(1), d.Dropped()[processor.DropLate])
		})
	}
	b := dsl.NewBuilder()
	b.Stream(words).GroupByKey().WindowedBy(windowing.Tumbling(time.Second)).IdleAfter(0).Count("n")
	_, err := b.Build()
	require.ErrorContains(t, err, "IdleAfter(0s)")
}
