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

// What is held back is let go of at the wall clock's pace.
func TestIdleAfterOfWhatIsHeldBack(t *testing.T) {
	idle := dsl.IdleAfter(time.Minute)
	rows, right := words, words
	rows.Name, right.Name = "rows", "right"
	grace := time.Second
	for name, c := range map[string]struct {
		make func(b *dsl.Builder) dsl.Stream[string, string]
		want string
	}{
		"suppress": {func(b *dsl.Builder) dsl.Stream[string, string] {
			return b.Table(words, "t").Suppress(dsl.Every(10*time.Second), idle).ToStream()
		}, "x"},
		"final only": {func(b *dsl.Builder) dsl.Stream[string, string] {
			counts := b.Stream(words).GroupByKey().WindowedBy(windowing.Tumbling(10*time.Second)).Reduce("w", func(a, v string) string { return a + v })
			return dsl.FinalOnly(counts, idle).ToStream().SelectKey(windowing.Key)
		}, "x"},
		"left join": {func(b *dsl.Builder) dsl.Stream[string, string] {
			return b.Stream(words).LeftJoin("j", b.Stream(right), windowing.Within(10*time.Second), func(l string, r dsl.Maybe[string]) string { return l + r.Or("-") }, idle)
		}, "x-"},
		"outer join": {func(b *dsl.Builder) dsl.Stream[string, string] {
			return b.Stream(right).OuterJoin("j", b.Stream(words), windowing.Within(10*time.Second), func(l, r dsl.Maybe[string]) string { return l.Or("-") + r.Or("-") }, idle)
		}, "-x"},
		"join with grace": {func(b *dsl.Builder) dsl.Stream[string, string] {
			return b.Stream(words).LeftJoinTable(b.Table(rows, "rows", dsl.Versioned(time.Hour)), func(l string, r dsl.Maybe[string]) string { return l + r.Or("-") },
				dsl.JoinGrace(10*time.Second), dsl.Named("j"), idle)
		}, "x-"},
	} {
		t.Run(name, func(t *testing.T) {
			b := dsl.NewBuilder()
			c.make(b).To(shouts)
			d := testdriver.New(t, build(t, b))
			out := d.Output(shouts)
			d.Input(words).SendAt(time.UnixMilli(1_000), "a", "x")
			for range 4 { // seen at 15 s
				d.Advance(15 * time.Second)
			}
			require.True(t, out.Empty(), "45 s are not a minute")
			d.Advance(15 * time.Second)
			require.False(t, out.Empty())
			require.Equal(t, c.want, out.Read().Value)
			require.True(t, out.Empty())
		})
	}
	for name, make := range map[string]func(b *dsl.Builder){
		"inner join": func(b *dsl.Builder) {
			b.Stream(words).Join("j", b.Stream(right), windowing.Within(grace), func(l, r string) string { return l + r }, idle)
		},
		"join with a table": func(b *dsl.Builder) {
			b.Stream(words).JoinTable(b.Table(rows, "rows"), func(l, r string) string { return l + r }, idle)
		},
		"table":  func(b *dsl.Builder) { b.Table(words, "t", idle) },
		"filter": func(b *dsl.Builder) { b.Table(words, "t").Filter(func(_, _ string) bool { return true }, idle) },
		"windows": func(b *dsl.Builder) {
			b.Stream(words).GroupByKey().WindowedBy(windowing.Tumbling(grace)).Count("n", idle)
		},
		"sessions": func(b *dsl.Builder) {
			b.Stream(words).GroupByKey().SessionBy(windowing.Sessions(grace)).Count("n", idle)
		},
		"global": func(b *dsl.Builder) { b.GlobalTable(rows, "g", idle); b.Stream(words) },
	} {
		b := dsl.NewBuilder()
		make(b)
		_, err := b.Build()
		require.ErrorContains(t, err, "nothing is held back here", name)
	}
	b := dsl.NewBuilder()
	b.Table(words, "t").Suppress(dsl.Every(time.Second), dsl.IdleAfter(-time.Second))
	_, err := b.Build()
	require.ErrorContains(t, err, "IdleAfter(-1s)")
}
