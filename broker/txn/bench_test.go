package txn

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/thalweg/thalweg/broker/coord/coordtest"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// BenchmarkTransaction runs whole transactions (add a partition, end, markers,
// completion) on one shard: alone each costs three appends to the journal,
// concurrent ones share them.
func BenchmarkTransaction(b *testing.B) {
	for _, producers := range []int{1, 100} {
		b.Run(fmt.Sprintf("producers=%d", producers), func(b *testing.B) {
			w := &world{exist: map[string]int32{"a": 3}}
			j := new(coordtest.Journal)
			c := NewCoordinator(Config{Partitions: 1, Logger: slog.New(slog.DiscardHandler)}, w, w, markers{})
			c.Lead(0, j)
			defer c.Close()
			if err := c.Serving(b.Context()); err != nil {
				b.Fatal(err)
			}
			var id atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(producers)
			b.RunParallel(func(pb *testing.PB) {
				name := fmt.Sprint(id.Add(1))
				init := kmsg.NewPtrInitProducerIDRequest()
				init.Version, init.TransactionalID, init.TransactionTimeoutMillis = 4, &name, 60_000
				p := c.InitProducerID(b.Context(), client, init)
				end := kmsg.NewPtrEndTxnRequest()
				end.Version, end.TransactionalID, end.Commit = 5, name, true
				end.ProducerID, end.ProducerEpoch = p.ProducerID, p.ProducerEpoch
				for pb.Next() {
					if err := c.AddPartition(b.Context(), name, end.ProducerID, end.ProducerEpoch, "a", 0, false); err != nil {
						b.Error(err)
						return
					}
					resp := c.EndTxn(b.Context(), client, end)
					if resp.ErrorCode != 0 {
						b.Error(resp.ErrorCode)
						return
					}
					end.ProducerID, end.ProducerEpoch = resp.ProducerID, resp.ProducerEpoch
				}
			})
			b.ReportMetric(float64(j.Appends())/float64(b.N), "appends/op")
		})
	}
}

// markers writes them nowhere.
type markers struct{}

func (markers) WriteMarkers(_ context.Context, _ coord.Marker, tps []coord.TopicPartition) []int16 {
	return make([]int16, len(tps))
}
