package broker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/broker/brokertest"
	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newClient(t *testing.T, c *brokertest.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.Addrs()...), kgo.AllowAutoTopicCreation()}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

func timeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func createTopic(t *testing.T, c *brokertest.Cluster, name string, partitions int32, configs map[string]*string) {
	t.Helper()
	_, err := kadm.NewClient(newClient(t, c)).CreateTopic(timeout(t), partitions, 1, configs, name)
	require.NoError(t, err)
}

// produce writes n records, values "from" to "from+n-1", and returns when they
// are acknowledged.
func produce(t *testing.T, cl *kgo.Client, topic string, from, n int) {
	t.Helper()
	var failed atomic.Value
	for i := from; i < from+n; i++ {
		r := kgo.KeyStringRecord(fmt.Sprint("key", i%17), fmt.Sprint(i))
		r.Topic = topic
		cl.Produce(timeout(t), r, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(err)
			}
		})
	}
	require.NoError(t, cl.Flush(timeout(t)))
	require.Nil(t, failed.Load())
}

// consume reads from the start until n records have come, and returns how
// often each value did.
func consume(t *testing.T, c *brokertest.Cluster, topic string, n int, opts ...kgo.Opt) map[string]int {
	t.Helper()
	cl := newClient(t, c, append(opts, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	defer cl.Close()
	seen := map[string]int{}
	for got := 0; got < n; {
		fs := cl.PollFetches(timeout(t))
		require.NoError(t, fs.Err())
		fs.EachRecord(func(r *kgo.Record) { seen[string(r.Value)]++; got++ })
	}
	return seen
}

func requireOnce(t *testing.T, seen map[string]int, n int) {
	t.Helper()
	require.Len(t, seen, n)
	for v, count := range seen {
		require.Equal(t, 1, count, v)
	}
}

func TestProduceAndConsume(t *testing.T) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	for _, start := range map[string]func(*testing.T) *brokertest.Cluster{
		"memory": func(t *testing.T) *brokertest.Cluster { return brokertest.Start(t) },
		"disk":   func(t *testing.T) *brokertest.Cluster { return brokertest.Start(t, brokertest.OnDisk(t)) },
	} {
		c := start(t)
		for name, codec := range codecs {
			t.Run(name, func(t *testing.T) {
				createTopic(t, c, name, 3, nil)
				produce(t, newClient(t, c, kgo.ProducerBatchCompression(codec)), name, 0, 1000)
				requireOnce(t, consume(t, c, name, 1000), 1000)
			})
		}
	}
}

func TestAcks(t *testing.T) {
	for name, acks := range map[string]kgo.Acks{"none": kgo.NoAck(), "leader": kgo.LeaderAck(), "all": kgo.AllISRAcks()} {
		t.Run(name, func(t *testing.T) {
			c := brokertest.Start(t)
			opts := []kgo.Opt{kgo.RequiredAcks(acks)}
			if name != "all" {
				opts = append(opts, kgo.DisableIdempotentWrite())
			}
			produce(t, newClient(t, c, opts...), "topic", 0, 100)
			requireOnce(t, consume(t, c, "topic", 100), 100)
		})
	}
}

// A topic's compression.type decides how batches are stored, whatever clients
// send.
func TestTopicCompression(t *testing.T) {
	c := brokertest.Start(t)
	for i, stored := range []string{"uncompressed", "gzip", "snappy", "lz4", "zstd"} {
		for name, sent := range map[string]kgo.CompressionCodec{"plain": kgo.NoCompression(), "zstd": kgo.ZstdCompression(), "gzip": kgo.GzipCompression()} {
			topic := stored + "-from-" + name
			createTopic(t, c, topic, 1, map[string]*string{"compression.type": kadm.StringPtr(stored)})
			produce(t, newClient(t, c, kgo.ProducerBatchCompression(sent)), topic, 0, 100)
			cl := newClient(t, c, kgo.ConsumeTopics(topic))
			for got := 0; got < 100; {
				fs := cl.PollFetches(timeout(t))
				require.NoError(t, fs.Err())
				fs.EachRecord(func(r *kgo.Record) {
					require.Equal(t, fmt.Sprint(got), string(r.Value))
					require.EqualValues(t, i, r.Attrs.CompressionType())
					got++
				})
			}
		}
	}
}

func TestMessageTooLarge(t *testing.T) {
	c := brokertest.Start(t)
	createTopic(t, c, "small", 1, map[string]*string{"max.message.bytes": kadm.StringPtr("1000")})
	cl := newClient(t, c, kgo.ProducerBatchCompression(kgo.NoCompression()))
	r := &kgo.Record{Topic: "small", Value: make([]byte, 2000)}
	require.ErrorIs(t, cl.ProduceSync(timeout(t), r).FirstErr(), kerr.MessageTooLarge)
	r = &kgo.Record{Topic: "small", Value: make([]byte, 500)}
	require.NoError(t, cl.ProduceSync(timeout(t), r).FirstErr())
}

func TestTimestampRules(t *testing.T) {
	c := brokertest.Start(t)
	createTopic(t, c, "bounded", 1, map[string]*string{"message.timestamp.before.max.ms": kadm.StringPtr("60000")})
	createTopic(t, c, "stamped", 1, map[string]*string{"message.timestamp.type": kadm.StringPtr("LogAppendTime")})
	cl := newClient(t, c)
	old := time.Now().Add(-time.Hour)
	err := cl.ProduceSync(timeout(t), &kgo.Record{Topic: "bounded", Timestamp: old, Value: []byte("v")}).FirstErr()
	require.ErrorIs(t, err, kerr.InvalidTimestamp)

	before := time.Now().Add(-time.Second)
	require.NoError(t, cl.ProduceSync(timeout(t), &kgo.Record{Topic: "stamped", Timestamp: old, Value: []byte("v")}).FirstErr())
	consumer := newClient(t, c, kgo.ConsumeTopics("stamped"))
	got := consumer.PollFetches(timeout(t)).Records()[0]
	require.True(t, got.Timestamp.After(before), "the broker's time replaces the client's: %v", got.Timestamp)
}

func TestCompactedTopicNeedsKeys(t *testing.T) {
	c := brokertest.Start(t)
	createTopic(t, c, "table", 1, map[string]*string{"cleanup.policy": kadm.StringPtr("compact")})
	cl := newClient(t, c)
	err := cl.ProduceSync(timeout(t), &kgo.Record{Topic: "table", Value: []byte("v")}).FirstErr()
	require.ErrorIs(t, err, kerr.InvalidRecord)
	require.NoError(t, cl.ProduceSync(timeout(t), &kgo.Record{Topic: "table", Key: []byte("k")}).FirstErr())
}

func TestGroupConsumesAndResumes(t *testing.T) {
	c := brokertest.Start(t)
	createTopic(t, c, "work", 4, nil)
	producer := newClient(t, c)
	produce(t, producer, "work", 0, 200)
	seen := map[string]int{}
	for _, upTo := range []int{200, 400} {
		member := newClient(t, c, kgo.ConsumerGroup("workers"), kgo.ConsumeTopics("work"),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
		for len(seen) < upTo {
			fs := member.PollFetches(timeout(t))
			require.NoError(t, fs.Err())
			fs.EachRecord(func(r *kgo.Record) { seen[string(r.Value)]++ })
		}
		require.NoError(t, member.CommitUncommittedOffsets(timeout(t)))
		member.Close()
		produce(t, producer, "work", upTo, 200)
	}
	requireOnce(t, seen, 400)
}

func TestTransactions(t *testing.T) {
	c := brokertest.Start(t)
	createTopic(t, c, "ledger", 3, nil)
	cl := newClient(t, c, kgo.TransactionalID("writer"), kgo.DefaultProduceTopic("ledger"))
	for i := range 10 {
		require.NoError(t, cl.BeginTransaction())
		produce(t, cl, "ledger", i*10, 10)
		require.NoError(t, cl.EndTransaction(timeout(t), kgo.TransactionEndTry(i%2 == 0)))
	}
	committed := consume(t, c, "ledger", 50, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	requireOnce(t, committed, 50)
	for v := range committed {
		n := 0
		_, err := fmt.Sscan(v, &n)
		require.NoError(t, err)
		require.Zero(t, n/10%2, "record %s was aborted", v)
	}
	requireOnce(t, consume(t, c, "ledger", 100), 100)
}

// The next transaction may begin while the markers of the last one are still
// being written.
func TestTransactionsBackToBack(t *testing.T) {
	for name, versions := range map[string]*kversion.Versions{"v2": kversion.Tip(), "v1": kversion.V3_9_0()} {
		t.Run(name, func(t *testing.T) {
			c := brokertest.Start(t)
			createTopic(t, c, "ledger", 5, nil)
			cl := newClient(t, c, kgo.TransactionalID("writer"), kgo.DefaultProduceTopic("ledger"),
				kgo.MaxVersions(versions), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
			for i := range 100 {
				require.NoError(t, cl.BeginTransaction())
				produce(t, cl, "ledger", i*5, 5)
				require.NoError(t, cl.EndTransaction(timeout(t), kgo.TryCommit))
			}
			requireOnce(t, consume(t, c, "ledger", 500, kgo.FetchIsolationLevel(kgo.ReadCommitted())), 500)
		})
	}
}

func TestExactlyOnceChain(t *testing.T) {
	c := brokertest.Start(t)
	createTopic(t, c, "in", 2, nil)
	createTopic(t, c, "out", 2, nil)
	produce(t, newClient(t, c), "in", 0, 300)
	s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(c.Addrs()...), kgo.TransactionalID("chain"),
		kgo.ConsumerGroup("chain"), kgo.ConsumeTopics("in"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	require.NoError(t, err)
	defer s.Close()
	for moved, round := 0, 0; moved < 300; round++ {
		fs := s.PollRecords(timeout(t), 50)
		require.NoError(t, fs.Err())
		require.NoError(t, s.Begin())
		n := 0
		fs.EachRecord(func(r *kgo.Record) {
			s.Produce(timeout(t), &kgo.Record{Topic: "out", Key: r.Key, Value: r.Value}, nil)
			n++
		})
		ok, err := s.End(timeout(t), kgo.TransactionEndTry(round%3 != 1)) // some are aborted and tried again
		require.NoError(t, err)
		if ok {
			moved += n
		}
	}
	requireOnce(t, consume(t, c, "out", 300, kgo.FetchIsolationLevel(kgo.ReadCommitted())), 300)
}

// A restart in order and a kill keep acknowledged records, groups' offsets and
// the identity of topics.
func TestRestartKeepsEverything(t *testing.T) {
	for name, stop := range map[string]func(*brokertest.Cluster){"shutdown": (*brokertest.Cluster).Stop, "kill": (*brokertest.Cluster).Kill} {
		t.Run(name, func(t *testing.T) {
			c := brokertest.Start(t, brokertest.OnDisk(t))
			createTopic(t, c, "kept", 3, map[string]*string{"retention.ms": kadm.StringPtr("-1")})
			cl := newClient(t, c)
			adm := kadm.NewClient(cl)
			produce(t, cl, "kept", 0, 500)
			before, err := adm.Metadata(timeout(t), "kept")
			require.NoError(t, err)
			offsets := kadm.Offsets{}
			offsets.AddOffset("kept", 1, 7, -1)
			require.NoError(t, adm.CommitAllOffsets(timeout(t), "group", offsets))

			stop(c)
			c.Restart()

			produce(t, cl, "kept", 500, 500)
			requireOnce(t, consume(t, c, "kept", 1000), 1000)
			after, err := adm.Metadata(timeout(t), "kept")
			require.NoError(t, err)
			require.Equal(t, before.Cluster, after.Cluster)
			require.Equal(t, before.Topics["kept"].ID, after.Topics["kept"].ID)
			got, err := adm.FetchOffsets(timeout(t), "group")
			require.NoError(t, err)
			o, _ := got.Lookup("kept", 1)
			require.EqualValues(t, 7, o.At)
			configs, err := adm.DescribeTopicConfigs(timeout(t), "kept")
			require.NoError(t, err)
			for _, cfg := range configs[0].Configs {
				if cfg.Key == "retention.ms" {
					require.Equal(t, "-1", cfg.MaybeValue())
				}
			}
		})
	}
}

// With the default flush policy a record that was acknowledged survives the
// loss of everything that was not synced.
func TestPowerLossKeepsAcknowledged(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			disk := vfs.NewFault()
			c := brokertest.Start(t, brokertest.With(func(c *broker.Config) { c.FS = disk }))
			createTopic(t, c, "safe", 3, nil)
			cl := newClient(t, c)
			produced := 0
			for range 3 {
				produce(t, cl, "safe", produced, 200)
				produced += 200
				c.Kill()
				disk.Crash(rand.New(rand.NewPCG(seed, 0)))
				c.Restart()
			}
			requireOnce(t, consume(t, c, "safe", produced), produced)
		})
	}
}

func TestOpenTransactionSurvivesKill(t *testing.T) {
	c := brokertest.Start(t)
	createTopic(t, c, "ledger", 1, nil)
	cl := newClient(t, c, kgo.TransactionalID("writer"))
	require.NoError(t, cl.BeginTransaction())
	produce(t, cl, "ledger", 0, 10)
	c.Kill()
	c.Restart()
	produce(t, cl, "ledger", 10, 10)
	require.NoError(t, cl.EndTransaction(timeout(t), kgo.TryCommit))
	requireOnce(t, consume(t, c, "ledger", 20, kgo.FetchIsolationLevel(kgo.ReadCommitted())), 20)
}

func TestShutdownReleasesWaitingClients(t *testing.T) {
	c := brokertest.Start(t)
	createTopic(t, c, "quiet", 1, nil)
	parked := newClient(t, c, kgo.ConsumeTopics("quiet"), kgo.FetchMaxWait(4*time.Minute))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		parked.PollFetches(ctx)
	}()
	produce(t, newClient(t, c), "other", 0, 1)
	stopped := make(chan struct{})
	go func() {
		c.Stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(20 * time.Second):
		t.Error("the broker waits for a parked fetch")
	}
	cancel()
	<-done
}

func TestDeleteAndRecreateTopic(t *testing.T) {
	c := brokertest.Start(t, brokertest.OnDisk(t))
	adm := kadm.NewClient(newClient(t, c))
	for round := range 3 {
		createTopic(t, c, "again", 2, nil)
		produce(t, newClient(t, c), "again", round*10, 10)
		requireOnce(t, consume(t, c, "again", 10), 10)
		_, err := adm.DeleteTopic(timeout(t), "again")
		require.NoError(t, err)
		_, err = adm.DeleteTopic(timeout(t), "again")
		require.True(t, errors.Is(err, kerr.UnknownTopicOrPartition), "%v", err)
	}
}
