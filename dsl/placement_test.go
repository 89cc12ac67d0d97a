package dsl_test

import (
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/windowing"
)

// fatal is a test that remembers how it failed.
type fatal struct {
	testing.TB
	messages []string
}

func (f *fatal) Helper()                      {}
func (f *fatal) Cleanup(func())               {}
func (f *fatal) Errorf(s string, args ...any) { f.Fatalf(s, args...) }
func (f *fatal) Fatalf(s string, args ...any) {
	for _, a := range args {
		if err, ok := a.(error); ok {
			f.messages = append(f.messages, err.Error())
		}
	}
	panic(f)
}

// A broken promise of KeepsPartition is seen where it is made, though nothing is
// stored below it.
func TestKeepsPartitionIsSampled(t *testing.T) {
	first := func(k, v string) string { return strings.Split(k, "/")[0] }
	for name, c := range map[string]struct {
		program func(b *dsl.Builder)
		broken  bool
	}{
		"select key": {func(b *dsl.Builder) {
			b.Stream(words).SelectKey(first, dsl.KeepsPartition(), dsl.Named("shorten")).To(shouts)
		}, true},
		"map": {func(b *dsl.Builder) {
			b.Stream(words).Map(func(k, v string) (string, string) { return first(k, v), v }, dsl.KeepsPartition(), dsl.Named("shorten")).To(shouts)
		}, true},
		"flat map": {func(b *dsl.Builder) {
			b.Stream(words).FlatMap(func(k, v string) iter.Seq2[string, string] {
				return func(yield func(string, string) bool) { yield(first(k, v), v) }
			}, dsl.KeepsPartition(), dsl.Named("shorten")).To(shouts)
		}, true},
		"below windows": {func(b *dsl.Builder) {
			b.Stream(words).GroupByKey().WindowedBy(windowing.Tumbling(time.Minute)).Reduce("w", func(a, v string) string { return v }).
				ToStream().
				Map(func(k windowing.Windowed[string], v string) (string, string) { return first(k.Key, v), v }, dsl.KeepsPartition(), dsl.Named("shorten")).
				To(shouts)
		}, true},
		"kept": {func(b *dsl.Builder) {
			b.Stream(words).Map(func(k, v string) (string, string) { return k, v }, dsl.KeepsPartition()).To(shouts)
		}, false},
		"kept below windows": {func(b *dsl.Builder) {
			b.Stream(words).GroupByKey().WindowedBy(windowing.Tumbling(time.Minute)).Reduce("w", func(a, v string) string { return v }).
				ToStream().
				Map(func(k windowing.Windowed[string], v string) (string, string) { return k.Key, v }, dsl.KeepsPartition()).
				To(shouts)
		}, false},
		"no promise": {func(b *dsl.Builder) { b.Stream(words).SelectKey(first).To(shouts) }, false},
		"other partitioner": {func(b *dsl.Builder) {
			b.Stream(words.WithPartitioner(func(string, string, int32) int32 { return 0 })).
				SelectKey(first, dsl.KeepsPartition()).To(shouts)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := dsl.NewBuilder()
			c.program(b)
			f := &fatal{}
			d := testdriver.New(f, build(t, b), testdriver.Partitions(8))
			send := func() {
				for _, k := range []string{"a/1", "b/1", "c/1", "d/1"} {
					d.Input(words).Send(k, "v")
				}
			}
			if !c.broken {
				require.NotPanics(t, send)
				return
			}
			require.Panics(t, send)
			require.Regexp(t, `node "shorten".*KeepsPartition is promised, but the key .*./1.* of partition \d has become ., which belongs to partition \d of 8`, strings.Join(f.messages, "\n"))
		})
	}
}
