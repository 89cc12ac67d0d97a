package dsl_test

import (
	"fmt"
	"strings"
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

// FinalOnly emits each window once, wherever IdleAfter is said, whatever caches
// are between, and though a record comes late for what was closed meanwhile.
func TestFinalOnlyWhenIdle(t *testing.T) {
	type windows = dsl.Table[windowing.Windowed[string], int64]
	const d = 3 * time.Second
	idle := dsl.IdleAfter(d)
	tumbling := windowing.Tumbling(10 * time.Second).WithGrace(5 * time.Second)
	sessions := windowing.Sessions(10 * time.Second).WithGrace(5 * time.Second)
	sliding := windowing.SlidingOf(10 * time.Second).WithGrace(5 * time.Second)
	all := func(windowing.Windowed[string], int64) bool { return true }
	for name, final := range map[string]func(dsl.Grouped[string, string]) windows{
		"on the windows": func(g dsl.Grouped[string, string]) windows {
			return dsl.FinalOnly(g.WindowedBy(tumbling).IdleAfter(d).Count("c"))
		},
		"on the result": func(g dsl.Grouped[string, string]) windows {
			return dsl.FinalOnly(g.WindowedBy(tumbling).Count("c"), idle)
		},
		"on both": func(g dsl.Grouped[string, string]) windows {
			return dsl.FinalOnly(g.WindowedBy(tumbling).IdleAfter(d).Count("c"), idle)
		},
		"not cached": func(g dsl.Grouped[string, string]) windows {
			return dsl.FinalOnly(g.WindowedBy(tumbling).Count("c", dsl.Uncached()), idle)
		},
		"sessions": func(g dsl.Grouped[string, string]) windows {
			return dsl.FinalOnly(g.SessionBy(sessions).Count("c"), idle)
		},
		"sessions, on them": func(g dsl.Grouped[string, string]) windows {
			return dsl.FinalOnly(g.SessionBy(sessions).IdleAfter(d).Count("c"))
		},
		"behind a cached filter": func(g dsl.Grouped[string, string]) windows {
			return dsl.FinalOnly(g.WindowedBy(tumbling).Count("c").Filter(all, dsl.Stored("f")), idle)
		},
		"behind a join": func(g dsl.Grouped[string, string]) windows {
			w := g.WindowedBy(tumbling)
			return dsl.FinalOnly(w.Count("c").Join(w.Count("d"), func(a, _ int64) int64 { return a }, dsl.Stored("j")), idle)
		},
		"sliding": func(g dsl.Grouped[string, string]) windows {
			return dsl.FinalOnly(g.SlidingBy(sliding).Count("c"), idle)
		},
		"cogroup": func(g dsl.Grouped[string, string]) windows {
			add := func(_, _ string, n int64) int64 { return n + 1 }
			return dsl.FinalOnly(g.Cogroup(add).WindowedBy(tumbling).Aggregate("c", func() int64 { return 0 }), idle)
		},
	} {
		for _, commit := range []string{"each", "manual"} {
			t.Run(name+"/"+commit, func(t *testing.T) {
				var opts []testdriver.Option
				if commit == "manual" {
					opts = append(opts, testdriver.ManualCommit())
				}
				b := dsl.NewBuilder()
				final(b.Stream(words).GroupByKey()).ToStream().Map(func(w windowing.Windowed[string], n int64) (string, int64) {
					return fmt.Sprint(w.Key, w.Start), n
				}).To(totals)
				d := testdriver.New(t, build(t, b), opts...)
				sendAt(d, 21_000, "k", "x")
				d.Commit()
				sendAt(d, 24_000, "k", "x") // in the cache when time goes on
				for range 10 {
					d.Advance(5 * time.Second)
				}
				d.Commit()
				out := d.Output(totals)
				first := out.All()
				require.NotEmpty(t, first)
				emitted := map[string]bool{}
				for _, r := range first {
					require.False(t, emitted[r.Key], "%s comes twice", r.Key)
					emitted[r.Key] = true
				}
				if !strings.HasPrefix(name, "sliding") {
					require.Equal(t, int64(2), first[0].Value)
				}
				sendAt(d, 22_000, "k", "x")
				sendAt(d, 25_000, "k", "x")
				for range 4 {
					d.Advance(5 * time.Second)
				}
				d.Commit()
				require.Empty(t, out.All(), "they are closed")
				require.NotZero(t, d.Dropped()[processor.DropLate])
			})
		}
	}
	b := dsl.NewBuilder()
	dsl.FinalOnly(b.Stream(words).GroupByKey().WindowedBy(tumbling).IdleAfter(2*d).Count("c"), idle)
	_, err := b.Build()
	require.ErrorContains(t, err, "say it once")
}
