package testdriver_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/internal/murmur2"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/pebble"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

var (
	lines = topology.NewTopic("lines", serde.String, serde.String)
	loud  = topology.NewTopic("loud", serde.String, serde.String)
)

func TestChain(t *testing.T) {
	b := dsl.NewBuilder()
	b.Stream(lines).MapValues(strings.ToUpper).SelectKey(func(_, v string) string { return v[:1] }).Repartition("by").To(loud)
	topo, err := b.Build()
	require.NoError(t, err)
	for _, opts := range [][]testdriver.Option{nil, {testdriver.Partitions(3)}} {
		d := testdriver.New(t, topo, opts...)
		d.Input(lines).Send("k", "hello")
		d.Input(lines).SendRecord(processor.Record[string, string]{Key: "k", Value: "world", Timestamp: 7})
		out := d.Output(loud)
		r := out.Read()
		require.Equal(t, "H", r.Key)
		require.Equal(t, "HELLO", r.Value)
		require.Equal(t, d.Now().UnixMilli(), r.Timestamp)
		require.Equal(t, map[string]string{"W": "WORLD"}, testdriver.ReadMap(out))
		require.True(t, out.Empty())
	}
}

// A program that counts its partitions runs as one task all the same.
func TestCountedPartitions(t *testing.T) {
	b := dsl.NewBuilder()
	b.Stream(lines).Repartition("by", dsl.Partitions(6)).Join("both", b.Stream(loud), windowing.Within(time.Minute),
		func(l, r string) string { return l + r }).To(topology.NewTopic("joined", serde.String, serde.String))
	topo, err := b.Build()
	require.NoError(t, err)
	d := testdriver.New(t, topo)
	for _, k := range []string{"a", "b", "c", "d"} {
		d.Input(loud).Send(k, "!")
		d.Input(lines).Send(k, k)
	}
	require.Len(t, d.Output(topology.NewTopic("joined", serde.String, serde.String)).All(), 4)
}

// host is a TB that keeps the failure.
type host struct {
	failure string
	cleanup []func()
}

type failed struct{}

func (h *host) Helper()                           {}
func (h *host) Errorf(format string, args ...any) { h.failure += fmt.Sprintf(format, args...) }
func (h *host) Fatalf(format string, args ...any) {
	h.Errorf(format, args...)
	panic(failed{})
}
func (h *host) Cleanup(f func()) { h.cleanup = append(h.cleanup, f) }

// try runs f, cleans up and returns what failed.
func (h *host) try(f func()) string {
	func() {
		defer func() {
			if p := recover(); p != nil && p != (failed{}) {
				panic(p)
			}
		}()
		f()
	}()
	for _, c := range slices.Backward(h.cleanup) {
		c()
	}
	return h.failure
}

func build(t *testing.T, f func(b *dsl.Builder)) *topology.Topology {
	b := dsl.NewBuilder()
	f(b)
	topo, err := b.Build()
	require.NoError(t, err)
	return topo
}

// A key that changes without a repartition goes unnoticed with one partition.
func TestMisplacedKeys(t *testing.T) {
	topo := build(t, func(b *dsl.Builder) {
		b.Stream(lines).
			SelectKey(func(_, v string) string { return v }, dsl.KeepsPartition()).
			GroupByKey().
			Count("counts")
	})
	send := func(opts ...testdriver.Option) string {
		h := new(host)
		return h.try(func() {
			d := testdriver.New(h, topo, opts...)
			for _, v := range []string{"a", "b", "c", "d", "e"} {
				d.Input(lines).Send("k", v)
			}
		})
	}
	require.Empty(t, send())
	require.Contains(t, send(testdriver.Partitions(4)), "its key belongs to partition")
}

// Results of a windowed table lie where its inputs did.
func TestPlacedWindows(t *testing.T) {
	topo := build(t, func(b *dsl.Builder) {
		b.Stream(lines).GroupByKey().
			WindowedBy(windowing.Tumbling(time.Minute)).
			Count("counts").
			ToStream().
			SelectKey(windowing.Key).
			GroupByKey().
			Reduce("last", func(_, n int64) int64 { return n })
	})
	d := testdriver.New(t, topo, testdriver.Partitions(4))
	for _, k := range []string{"a", "b", "c", "d", "e"} {
		d.Input(lines).Send(k, "x")
	}
	p := murmur2.Partition([]byte("a"), 4)
	last := state.Timestamped("last", serde.String, serde.Int64)
	n, _, ok, err := d.StoreIn(p, last).Get("a")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, int64(1), n)
}

func TestFailuresFailTheTest(t *testing.T) {
	topo := build(t, func(b *dsl.Builder) { b.Stream(lines).To(loud) })
	for name, f := range map[string]func(d *testdriver.Driver){
		"no source": func(d *testdriver.Driver) { d.Input(loud) },
		"no record": func(d *testdriver.Driver) { d.Output(loud).Read() },
		"no store":  func(d *testdriver.Driver) { d.Store(state.KeyValue("x", serde.String, serde.String)) },
		"clock":     func(d *testdriver.Driver) { d.Advance(-1) },
		"partition": func(d *testdriver.Driver) { d.SendRaw(processor.RawRecord{Topic: "lines", Partition: 7}) },
		"unknown":   func(d *testdriver.Driver) { d.SendRaw(processor.RawRecord{Topic: "elsewhere"}) },
		"time": func(d *testdriver.Driver) {
			d.Input(lines).SendRecord(processor.Record[string, string]{Timestamp: -1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := new(host)
			require.NotEmpty(t, h.try(func() { f(testdriver.New(h, topo)) }))
		})
	}
}

// A handler may choose to try again, until it does not.
func TestRetry(t *testing.T) {
	tries := 0
	topo := build(t, func(b *dsl.Builder) {
		b.Stream(lines).
			TryMapValues(func(_ *processor.Context, r processor.Record[string, string]) (string, error) {
				if tries++; r.Value == "bad" && tries < 4 {
					return "", errors.New("not yet")
				}
				return r.Value, nil
			}).
			To(loud)
	})
	d := testdriver.New(t, topo, testdriver.OnFailure(func(*processor.Context, *processor.Failure) processor.Action { return processor.Retry }))
	d.Input(lines).Send("k", "bad")
	require.Equal(t, 4, tries)
	require.Equal(t, "bad", d.Output(loud).Read().Value)
}

// Commits by hand show what a cache holds back.
func TestManualCommit(t *testing.T) {
	counted := topology.NewTopic("counted", serde.String, serde.Int64)
	topo := build(t, func(b *dsl.Builder) { b.Stream(lines).GroupByKey().Count("counts").ToStream().To(counted) })
	d := testdriver.New(t, topo, testdriver.ManualCommit())
	d.Input(lines).Send("k", "a")
	d.Input(lines).Send("k", "b")
	out := d.Output(counted)
	require.True(t, out.Empty())
	d.Commit()
	require.Equal(t, int64(2), out.Read().Value)
	require.True(t, out.Empty())
	n, _, ok, err := d.Store(state.Timestamped("counts", serde.String, serde.Int64)).Get("k")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, int64(2), n)
}

func TestDropped(t *testing.T) {
	counted := topology.NewTopic("counted", serde.String, serde.Int64)
	topo := build(t, func(b *dsl.Builder) { b.Stream(lines).GroupByKey().Count("counts").ToStream().To(counted) })
	d := testdriver.New(t, topo)
	d.Input(lines).Delete("k")
	d.Input(lines).SendRecord(processor.Record[string, string]{NullKey: true, Value: "x"})
	require.Equal(t, map[string]int64{processor.DropNullKey: 1, processor.DropNullValue: 1}, d.Dropped())
}

// Event time moves without a record.
func TestCloseWindows(t *testing.T) {
	final := topology.NewTopic("final", serde.String, serde.Int64)
	w := windowing.Tumbling(time.Minute)
	for name, f := range map[string]func(b *dsl.Builder) dsl.Table[windowing.Windowed[string], int64]{
		"emit on close": func(b *dsl.Builder) dsl.Table[windowing.Windowed[string], int64] {
			return b.Stream(lines).GroupByKey().WindowedBy(w).EmitOnClose().Count("counts")
		},
		"final only": func(b *dsl.Builder) dsl.Table[windowing.Windowed[string], int64] {
			return dsl.FinalOnly(b.Stream(lines).GroupByKey().WindowedBy(w).Count("counts"), dsl.Named("final"))
		},
		"session": func(b *dsl.Builder) dsl.Table[windowing.Windowed[string], int64] {
			return b.Stream(lines).GroupByKey().SessionBy(windowing.Sessions(time.Minute)).EmitOnClose().Count("counts")
		},
	} {
		t.Run(name, func(t *testing.T) {
			topo := build(t, func(b *dsl.Builder) { f(b).ToStream().SelectKey(windowing.Key).To(final) })
			d := testdriver.New(t, topo, testdriver.Partitions(2))
			in, out := d.Input(lines), d.Output(final)
			in.Send("k", "x")
			in.Send("k", "y")
			d.CloseWindows(d.Now())
			require.True(t, out.Empty())
			d.CloseWindows(d.Now().Add(3 * time.Minute))
			r := out.Read()
			require.Equal(t, "k", r.Key)
			require.Equal(t, int64(2), r.Value)
			require.True(t, out.Empty())
			in.Send("k", "late")
			d.CloseWindows(d.Now().Add(10 * time.Minute))
			require.True(t, out.Empty())
			require.Equal(t, int64(1), d.Dropped()[processor.DropLate])
		})
	}
}

// A left join gives up waiting for a partner.
func TestCloseJoinWindows(t *testing.T) {
	right := topology.NewTopic("right", serde.String, serde.String)
	topo := build(t, func(b *dsl.Builder) {
		b.Stream(lines).LeftJoin("join", b.Stream(right), windowing.Within(time.Minute), func(l string, r dsl.Maybe[string]) string {
			return l + r.Or("?")
		}).To(loud)
	})
	d := testdriver.New(t, topo)
	d.Input(lines).Send("k", "x")
	require.True(t, d.Output(loud).Empty())
	d.CloseWindows(d.Now().Add(2 * time.Minute))
	require.Equal(t, "x?", d.Output(loud).Read().Value)
}

// An engine of the test's own holds what was committed when the driver has been
// closed, and nothing else.
func TestEngineHoldsCommits(t *testing.T) {
	b := dsl.NewBuilder()
	b.Stream(lines).GroupByKey().Count("counts")
	topo, err := b.Build()
	require.NoError(t, err)
	dir := t.TempDir()
	for run, tc := range []struct {
		opts   []testdriver.Option
		commit bool
		want   int64
	}{
		{nil, false, 1},
		{nil, false, 2},
		{[]testdriver.Option{testdriver.ManualCommit()}, true, 3},
		{[]testdriver.Option{testdriver.ManualCommit()}, false, 3},
		{nil, false, 4},
	} {
		d := testdriver.New(t, topo, append(tc.opts, testdriver.Engine(pebble.Dir(dir)))...)
		d.Input(lines).Send("k", "v")
		if tc.commit {
			d.Commit()
		}
		d.Close()
		db, err := state.Open(pebble.Dir(dir), state.Options{})
		require.NoError(t, err)
		view, ok, err := db.View(db.Engine(), "counts", 0)
		require.NoError(t, err)
		require.True(t, ok)
		n, _, ok, err := state.Timestamped("counts", serde.String, serde.Int64).OpenKV(state.Env{Partition: view}).Get("k")
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, tc.want, n, "run %d", run)
		require.NoError(t, db.Close())
	}
}
