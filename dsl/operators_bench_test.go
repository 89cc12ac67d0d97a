package dsl_test

import (
	"testing"
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/windowing"
)

// BenchmarkRecordThroughOperator takes a record of fixed-size types with a key
// seen before from its source's bytes through one operator to its sink's bytes,
// time going on by a millisecond each.
func BenchmarkRecordThroughOperator(b *testing.B) {
	sum := func(a, n int64) int64 { return a + n }
	for _, op := range []struct {
		name  string
		build func(dsl.Stream[string, int64]) dsl.Stream[string, int64]
	}{
		{"nothing", func(s dsl.Stream[string, int64]) dsl.Stream[string, int64] { return s }},
		{"filter", func(s dsl.Stream[string, int64]) dsl.Stream[string, int64] {
			return s.Filter(func(_ string, n int64) bool { return n > 0 })
		}},
		{"map values", func(s dsl.Stream[string, int64]) dsl.Stream[string, int64] {
			return s.MapValues(func(n int64) int64 { return n + 1 })
		}},
		{"count", func(s dsl.Stream[string, int64]) dsl.Stream[string, int64] {
			return s.GroupByKey().Count("counts", dsl.Uncached()).ToStream()
		}},
		{"reduce", func(s dsl.Stream[string, int64]) dsl.Stream[string, int64] {
			return s.GroupByKey().Reduce("sums", sum, dsl.Uncached()).ToStream()
		}},
		{"tumbling window", func(s dsl.Stream[string, int64]) dsl.Stream[string, int64] {
			return s.GroupByKey().WindowedBy(windowing.Tumbling(time.Minute)).Reduce("windows", sum, dsl.Uncached()).ToStream().SelectKey(windowing.Key)
		}},
	} {
		b.Run(op.name, func(b *testing.B) {
			builder := dsl.NewBuilder()
			op.build(builder.Stream(numbers)).To(results)
			x := newChain(b, builder)
			r := processor.RawRecord{Topic: "numbers", Key: bytesOf(serde.String, "key"), Value: bytesOf(serde.Int64, 7)}
			b.ReportAllocs()
			for b.Loop() {
				r.Timestamp++
				x.process(b, r)
			}
		})
	}
}
