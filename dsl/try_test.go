package dsl_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/windowing"
)

// join appends what the record says, unless it says to fail.
func join(_ *processor.Context, r processor.Record[string, string], a string) (string, error) {
	if r.Value == "fail" {
		return "", errors.New("refused")
	}
	by, _ := r.Headers.Get("by")
	return a + r.Value + string(by), nil
}

func empty() string { return "" }

func TestTryAggregations(t *testing.T) {
	plain := func(tb dsl.Table[string, string]) dsl.Stream[string, string] { return tb.ToStream() }
	windows := func(tb dsl.Table[windowing.Windowed[string], string]) dsl.Stream[string, string] {
		return tb.ToStream().SelectKey(windowing.Key)
	}
	for name, make := range map[string]func(g dsl.Grouped[string, string]) dsl.Stream[string, string]{
		"reduce": func(g dsl.Grouped[string, string]) dsl.Stream[string, string] { return plain(g.TryReduce("s", join)) },
		"aggregate": func(g dsl.Grouped[string, string]) dsl.Stream[string, string] {
			return plain(g.TryAggregate("s", empty, join))
		},
		"window reduce": func(g dsl.Grouped[string, string]) dsl.Stream[string, string] {
			return windows(g.WindowedBy(windowing.Tumbling(time.Minute)).TryReduce("s", join))
		},
		"window aggregate": func(g dsl.Grouped[string, string]) dsl.Stream[string, string] {
			return windows(g.WindowedBy(windowing.Tumbling(time.Minute)).TryAggregate("s", empty, join))
		},
		"session": func(g dsl.Grouped[string, string]) dsl.Stream[string, string] {
			return windows(g.SessionBy(windowing.Sessions(time.Minute)).
				TryAggregate("s", empty, join, func(_, a, b string) string { return a + b }))
		},
		"session reduce": func(g dsl.Grouped[string, string]) dsl.Stream[string, string] {
			return windows(g.SessionBy(windowing.Sessions(time.Minute)).TryReduce("s", join))
		},
		"cogroup": func(g dsl.Grouped[string, string]) dsl.Stream[string, string] {
			return plain(g.TryCogroup(join).Aggregate("s", empty))
		},
		"cogroup windows": func(g dsl.Grouped[string, string]) dsl.Stream[string, string] {
			return windows(g.TryCogroup(join).WindowedBy(windowing.Tumbling(time.Minute)).Aggregate("s", empty))
		},
		"cogroup sliding": func(g dsl.Grouped[string, string]) dsl.Stream[string, string] {
			return windows(g.TryCogroup(join).SlidingBy(windowing.SlidingOf(time.Minute)).Aggregate("s", empty))
		},
		"cogroup sessions": func(g dsl.Grouped[string, string]) dsl.Stream[string, string] {
			return windows(g.TryCogroup(join).SessionBy(windowing.Sessions(time.Minute)).
				Aggregate("s", empty, func(_, a, b string) string { return a + b }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := dsl.NewBuilder()
			make(b.Stream(words).GroupByKey()).To(shouts)
			var failed []any
			d := testdriver.New(t, build(t, b), testdriver.OnFailure(func(_ *processor.Context, f *processor.Failure) processor.Action {
				failed = append(failed, f.Value)
				return processor.Skip
			}))
			for _, v := range []string{"a", "fail", "b"} {
				d.Input(words).SendRecord(processor.Record[string, string]{Key: "k", Value: v, Timestamp: 1, Headers: processor.Headers{{Key: "by", Value: []byte("!")}}})
			}
			got := testdriver.ReadMap(d.Output(shouts))["k"]
			require.Equal(t, "ab", strings.ReplaceAll(got, "!", ""), "the aggregate is as it was before the failure")
			require.Contains(t, got, "b!", "the function has seen the headers")
			require.NotEmpty(t, failed)
			for _, v := range failed {
				require.Equal(t, "fail", v)
			}
		})
	}
}

func TestTryJoins(t *testing.T) {
	type streams struct {
		l, r dsl.Stream[string, string]
		tb   dsl.Table[string, string]
	}
	pick := func(l, r string) (string, error) {
		if l == "fail" {
			return "", errors.New("refused")
		}
		return l + r, nil
	}
	within := windowing.Within(time.Minute)
	for name, c := range map[string]struct {
		make func(s streams) dsl.Stream[string, string]
		want string
	}{
		"join": {func(s streams) dsl.Stream[string, string] {
			return s.l.TryJoin("j", s.r, within, func(_ *processor.Context, _, l, r string) (string, error) { return pick(l, r) })
		}, "ar"},
		"left join": {func(s streams) dsl.Stream[string, string] {
			return s.l.TryLeftJoin("j", s.r, within, func(_ *processor.Context, _, l string, r dsl.Maybe[string]) (string, error) {
				return pick(l, r.Or("-"))
			})
		}, "ar"},
		"outer join": {func(s streams) dsl.Stream[string, string] {
			return s.l.TryOuterJoin("j", s.r, within, func(_ *processor.Context, _ string, l, r dsl.Maybe[string]) (string, error) {
				return pick(l.Or("-"), r.Or("-"))
			})
		}, "ar"},
		"join table": {func(s streams) dsl.Stream[string, string] {
			return s.l.TryJoinTable(s.tb, func(_ *processor.Context, r processor.Record[string, string], o string) (string, error) {
				return pick(r.Value, o)
			})
		}, "at"},
		"left join table": {func(s streams) dsl.Stream[string, string] {
			return s.l.TryLeftJoinTable(s.tb, func(_ *processor.Context, r processor.Record[string, string], o dsl.Maybe[string]) (string, error) {
				return pick(r.Value, o.Or("-"))
			})
		}, "at"},
	} {
		t.Run(name, func(t *testing.T) {
			right, rows := words, words
			right.Name, rows.Name = "right", "rows"
			b := dsl.NewBuilder()
			c.make(streams{b.Stream(words), b.Stream(right), b.Table(rows, "rows")}).To(shouts)
			failures := 0
			d := testdriver.New(t, build(t, b), testdriver.OnFailure(func(_ *processor.Context, f *processor.Failure) processor.Action {
				failures++
				return processor.Skip
			}))
			d.Input(rows).Send("k", "t")
			d.Input(right).Send("k", "r")
			d.Input(words).Send("k", "fail")
			d.Input(words).Send("k", "a")
			require.Equal(t, c.want, testdriver.ReadMap(d.Output(shouts))["k"])
			require.Equal(t, 1, failures)
		})
	}
}

func TestTryTableJoins(t *testing.T) {
	type tables struct{ l, r dsl.Table[string, string] }
	pick := func(_ *processor.Context, _, l, r string) (string, error) {
		if l == "fail" {
			return "", errors.New("refused")
		}
		return l + r, nil
	}
	left := func(c *processor.Context, k, l string, r dsl.Maybe[string]) (string, error) {
		return pick(c, k, l, r.Or("-"))
	}
	outer := func(c *processor.Context, k string, l, r dsl.Maybe[string]) (string, error) {
		return left(c, k, l.Or("-"), r)
	}
	self := func(_, v string) (string, bool) { return "k", true }
	for name, make := range map[string]func(tables) dsl.Table[string, string]{
		"join":         func(t tables) dsl.Table[string, string] { return t.l.TryJoin(t.r, pick) },
		"left join":    func(t tables) dsl.Table[string, string] { return t.l.TryLeftJoin(t.r, left) },
		"outer join":   func(t tables) dsl.Table[string, string] { return t.l.TryOuterJoin(t.r, outer) },
		"join on":      func(t tables) dsl.Table[string, string] { return t.l.TryJoinOn("j", t.r, self, pick) },
		"left join on": func(t tables) dsl.Table[string, string] { return t.l.TryLeftJoinOn("j", t.r, self, left) },
	} {
		t.Run(name, func(t *testing.T) {
			right := words
			right.Name = "right"
			b := dsl.NewBuilder()
			make(tables{b.Table(words, "left"), b.Table(right, "right")}).ToStream().To(shouts)
			failures := 0
			d := testdriver.New(t, build(t, b), testdriver.OnFailure(func(_ *processor.Context, f *processor.Failure) processor.Action {
				failures++
				require.EqualError(t, f.Err, "refused")
				return processor.Skip
			}))
			result := func() string { return testdriver.ReadMap(d.Output(shouts))["k"] }
			d.Input(right).Send("k", "r")
			d.Input(words).Send("k", "a")
			require.Equal(t, "ar", result())
			d.Input(words).Send("k", "fail")
			require.Equal(t, "ar", result(), "the result stays as it was")
			require.Equal(t, 1, failures)
			d.Input(words).Send("k", "b")
			require.Equal(t, "br", result())
		})
	}
}

// A row that is computed when it is looked up fails in the operator that
// computes it, and only the record that looked it up is lost.
func TestFailuresInComputedRows(t *testing.T) {
	right := words
	right.Name = "right"
	parse := func(_, v string) (string, error) {
		if v == "fail" {
			return "", errors.New("refused")
		}
		return v, nil
	}
	concat := func(l, r string) string { return l + r }
	for name, make := range map[string]func(b *dsl.Builder, computed dsl.Table[string, string]) dsl.Stream[string, string]{
		"stream with table": func(b *dsl.Builder, computed dsl.Table[string, string]) dsl.Stream[string, string] {
			return b.Stream(words).JoinTable(computed, concat)
		},
		"tables": func(b *dsl.Builder, computed dsl.Table[string, string]) dsl.Stream[string, string] {
			return b.Table(words, "left").Join(computed, concat).ToStream()
		},
		"foreign key": func(b *dsl.Builder, computed dsl.Table[string, string]) dsl.Stream[string, string] {
			return b.Table(words, "left").JoinOn("j", computed, func(string, string) (string, bool) { return "k", true }, concat).ToStream()
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := dsl.NewBuilder()
			computed := b.Table(right, "right").TryMapValues(parse, dsl.Named("parse"))
			make(b, computed).To(shouts)
			var nodes []string
			d := testdriver.New(t, build(t, b), testdriver.OnFailure(func(_ *processor.Context, f *processor.Failure) processor.Action {
				nodes = append(nodes, f.Node)
				return processor.Skip
			}))
			d.Input(right).Send("k", "fail")
			d.Input(words).Send("k", "a")
			d.Input(right).Send("k", "r")
			d.Input(words).Send("k", "b")
			require.Equal(t, []string{"parse", "parse"}, nodes[:2])
			require.Subset(t, []string{"parse"}, nodes)
			require.Equal(t, "br", testdriver.ReadMap(d.Output(shouts))["k"])
		})
	}
}
