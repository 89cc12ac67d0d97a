package runtime

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/internal/batch"
	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/runtime/internal/fetch"
	"github.com/thalweg/thalweg/runtime/internal/produce"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/topology"
)

// step is a worker's step without the network: a fetched batch goes in, records
// come out encoded in the producer's batches.
type step struct {
	tb       testing.TB
	task     *task.Task
	txn      *state.Txn
	reader   reader
	cursor   *fetch.Cursor
	producer *produce.Producer
	input    batch.View
	records  int
	next     int64
}

// initialized is a producer with an id, whose broker is gone: nothing is sent.
func initialized(tb testing.TB) *produce.Producer {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	require.NoError(tb, err)
	defer fake.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	require.NoError(tb, err)
	defer client.Close()
	p := produce.New(produce.Config{
		Client: client, Cluster: fixedCluster{}, TxnID: "t", TxnTimeout: time.Minute, BatchBytes: 1 << 30, MaxRecord: 1 << 20, Notify: func() {},
	})
	tb.Cleanup(p.Close)
	require.NoError(tb, p.Init(tb.Context()))
	return p
}

// fixedCluster is a cluster of one broker that is never asked.
type fixedCluster struct{}

func (fixedCluster) Leaders(context.Context, string, bool) ([]int32, error) { return []int32{0}, nil }

func newStep(tb testing.TB, b *dsl.Builder, key func(i int) []byte) *step {
	topo, err := b.Build()
	require.NoError(tb, err)
	s := &step{tb: tb, records: 1000, cursor: fetch.Detached()}
	s.producer = initialized(tb)
	db, err := state.Open(mem.New(), state.Options{})
	require.NoError(tb, err)
	tb.Cleanup(func() { db.Close() })
	s.txn = db.NewTxn()
	s.task, err = task.New(task.Config{
		Topology: topo, ApplicationID: "app", ID: "0_0", State: s.txn, Cache: state.NewCache(8 << 20),
		Collector: &collector{producer: s.producer},
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { s.task.Close() })
	require.NoError(tb, s.task.Init(0))

	var builder batch.Builder
	builder.Reset(batch.Plain())
	for i := range s.records {
		builder.Append(key(i), binary.BigEndian.AppendUint64(nil, uint64(i)), int64(i))
	}
	view, err := builder.Finish(batch.None)
	require.NoError(tb, err)
	s.input = view
	return s
}

// run takes one batch through the step.
func (s *step) run() {
	s.input.SetBaseOffset(s.next)
	from := s.next
	s.next += int64(s.records)
	chunk := fetch.Chunk{Batches: []batch.View{s.input}, From: from, Next: s.next}
	if err := s.task.Enqueue("in", s.reader.batch(s.cursor, chunk), 0); err != nil {
		s.tb.Fatal(err)
	}
	n := 0
	for s.task.Ready(0) {
		if _, err := s.task.Process(0); err != nil {
			s.tb.Fatal(err)
		}
		n++
	}
	if n != s.records {
		s.tb.Fatalf("%d of %d records processed", n, s.records)
	}
	if err := s.task.Flush(0); err != nil {
		s.tb.Fatal(err)
	}
	s.task.Done()
	if err := s.txn.Commit(); err != nil {
		s.tb.Fatal(err)
	}
	s.producer.Drop()
}

func int64Key(i int) []byte  { return binary.BigEndian.AppendUint64(nil, uint64(i%100)) }
func stringKey(i int) []byte { return fmt.Appendf(nil, "key-%d", i%100) }

func statelessInt64() *dsl.Builder {
	b := dsl.NewBuilder()
	b.Stream(topology.NewTopic("in", serde.Int64, serde.Int64)).
		Filter(func(_, v int64) bool { return v >= 0 }).
		MapValues(func(v int64) int64 { return v + 1 }).
		To(topology.NewTopic("out", serde.Int64, serde.Int64))
	return b
}

func statelessString() *dsl.Builder {
	b := dsl.NewBuilder()
	b.Stream(topology.NewTopic("in", serde.String, serde.Int64)).
		Filter(func(_ string, v int64) bool { return v >= 0 }).
		MapValues(func(v int64) int64 { return v + 1 }).
		To(topology.NewTopic("out", serde.String, serde.Int64))
	return b
}

func countInt64() *dsl.Builder {
	b := dsl.NewBuilder()
	b.Stream(topology.NewTopic("in", serde.Int64, serde.Int64)).
		GroupByKey().Count("counts").ToStream().
		To(topology.NewTopic("out", serde.Int64, serde.Int64))
	return b
}

// TestStepAllocations guards the promise of no allocation per record, from the
// fetched bytes to the produced ones. What a batch of a thousand records may
// allocate is the batch's own.
func TestStepAllocations(t *testing.T) {
	for name, tc := range map[string]struct {
		build *dsl.Builder
		key   func(int) []byte
		most  float64
	}{
		"stateless fixed-size":  {statelessInt64(), int64Key, 10},
		"stateless string keys": {statelessString(), stringKey, 30}, // two keys may share a slot of the table
		"count":                 {countInt64(), int64Key, 4 * 100},  // of each of the 100 keys, in the store
	} {
		t.Run(name, func(t *testing.T) {
			s := newStep(t, tc.build, tc.key)
			for range 50 {
				s.run() // buffers and tables grow
			}
			perBatch := testing.AllocsPerRun(20, s.run)
			require.LessOrEqual(t, perBatch, tc.most, "for %d records", s.records)
		})
	}
}

func benchStep(b *testing.B, build *dsl.Builder, key func(int) []byte) {
	s := newStep(b, build, key)
	s.run()
	b.ReportAllocs()
	began := time.Now()
	n := 0
	for b.Loop() {
		s.run()
		n += s.records
	}
	b.ReportMetric(float64(time.Since(began).Nanoseconds())/float64(n), "ns/record")
}

// Claims: a record of fixed-size types, or with a key seen before, goes from
// the fetched batch into the produced batch without an allocation.
func BenchmarkStepStatelessInt64(b *testing.B)  { benchStep(b, statelessInt64(), int64Key) }
func BenchmarkStepStatelessString(b *testing.B) { benchStep(b, statelessString(), stringKey) }
func BenchmarkStepCount(b *testing.B)           { benchStep(b, countInt64(), int64Key) }
