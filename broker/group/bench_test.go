package group

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/thalweg/thalweg/broker/coord/coordtest"
)

// BenchmarkOffsetCommit commits one offset a request; concurrent requests of
// one shard share appends to the journal.
func BenchmarkOffsetCommit(b *testing.B) {
	for _, clients := range []int{1, 100} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			j := new(coordtest.Journal)
			c := NewCoordinator(Config{Partitions: 1, Logger: slog.New(slog.DiscardHandler)}, topics{}, new(transactions))
			c.Lead(0, j)
			defer c.Close()
			if err := c.Serving(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetParallelism(clients)
			b.RunParallel(func(pb *testing.PB) {
				req := commitRequest("g", "", -1, "ta", 0, 1)
				for pb.Next() {
					if resp := c.OffsetCommit(b.Context(), client, req); resp.Topics[0].Partitions[0].ErrorCode != 0 {
						b.Error(resp.Topics[0].Partitions[0].ErrorCode)
						return
					}
				}
			})
			b.ReportMetric(float64(j.Appends())/float64(b.N), "appends/op")
		})
	}
}
