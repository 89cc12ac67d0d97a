package broker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/broker/brokertest"
	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// TestTransactionsSurvivePowerLoss runs producers of both transaction protocols
// while the broker dies again and again and loses what it had not synced. Each
// transaction writes its name to all partitions; in the end a reader of
// committed records finds each name everywhere or nowhere, as its producer was
// told.
func TestTransactionsSurvivePowerLoss(t *testing.T) {
	const partitions, producers, crashes = 3, 4, 4
	disk := vfs.NewFault()
	c := brokertest.Start(t, brokertest.With(func(c *broker.Config) { c.FS = disk }))
	createTopic(t, c, "ledger", partitions, nil)

	var mu sync.Mutex
	outcome := make(map[string]bool) // committed or aborted, as told; others are unknown
	told := func(name string, committed bool) {
		mu.Lock()
		defer mu.Unlock()
		outcome[name] = committed
	}
	open := func(id int) *kgo.Client {
		opts := []kgo.Opt{
			kgo.SeedBrokers(c.Addrs()...), kgo.TransactionalID(fmt.Sprint("writer-", id)),
			kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionTimeout(10 * time.Second),
			kgo.RetryTimeout(5 * time.Second), kgo.RecordDeliveryTimeout(5 * time.Second),
		}
		if id%2 == 1 {
			opts = append(opts, kgo.MaxVersions(kversion.V3_6_0())) // TV1
		}
		cl, err := kgo.NewClient(opts...)
		require.NoError(t, err)
		return cl
	}
	ctx, stop := context.WithCancel(timeout(t))
	var writers sync.WaitGroup
	for id := range producers {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(id), 0))
			cl := open(id)
			defer func() { cl.Close() }()
			for n := 0; ctx.Err() == nil; n++ {
				name := fmt.Sprintf("%d-%d", id, n)
				if !writeTransaction(cl, name, partitions, rng.IntN(4) > 0, told) {
					cl.Close()
					cl = open(id)
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range crashes {
		time.Sleep(300 * time.Millisecond)
		c.Kill()
		disk.Crash(rng)
		c.Restart()
	}
	time.Sleep(300 * time.Millisecond)
	stop()
	writers.Wait()
	for id := range producers { // fence: ends what is still open
		cl := open(id)
		require.NoError(t, cl.BeginTransaction())
		require.NoError(t, cl.ProduceSync(timeout(t), &kgo.Record{Topic: "ledger", Value: []byte("end")}).FirstErr())
		require.NoError(t, cl.EndTransaction(timeout(t), kgo.TryAbort))
		cl.Close()
	}
	end := newClient(t, c, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for p := range int32(partitions) {
		require.NoError(t, end.ProduceSync(timeout(t), &kgo.Record{Topic: "ledger", Partition: p, Value: []byte("last")}).FirstErr())
	}
	reader := newClient(t, c, kgo.ConsumeTopics("ledger"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	found := make(map[string][]int32)
	for len(found["last"]) < partitions {
		fs := reader.PollFetches(timeout(t))
		require.NoError(t, fs.Err())
		fs.EachRecord(func(r *kgo.Record) { found[string(r.Value)] = append(found[string(r.Value)], r.Partition) })
	}
	delete(found, "last")
	require.NotContains(t, found, "end")
	committed := map[bool]int{}
	for name, in := range found {
		require.ElementsMatch(t, []int32{0, 1, 2}, in, "transaction %s is torn", name)
		require.True(t, outcome[name] || !contains(outcome, name), "transaction %s was aborted", name)
		committed[strings.HasPrefix(name, "1") || strings.HasPrefix(name, "3")]++
	}
	for name, ok := range outcome {
		require.True(t, !ok || len(found[name]) > 0, "transaction %s was committed and is lost", name)
	}
	t.Logf("%d transactions of TV2 and %d of TV1 committed, %d outcomes known", committed[false], committed[true], len(outcome))
}

func contains(m map[string]bool, name string) bool { _, ok := m[name]; return ok }

// writeTransaction writes name to all partitions in one transaction. It reports
// false when the client cannot go on.
func writeTransaction(cl *kgo.Client, name string, partitions int32, commit bool, told func(string, bool)) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	if cl.BeginTransaction() != nil {
		return false
	}
	var records []*kgo.Record
	for p := range partitions {
		records = append(records, &kgo.Record{Topic: "ledger", Partition: p, Value: []byte(name)})
	}
	if cl.ProduceSync(ctx, records...).FirstErr() != nil {
		if err := cl.AbortBufferedRecords(ctx); err != nil {
			return false
		}
		commit = false
	}
	if cl.EndTransaction(ctx, kgo.TransactionEndTry(commit)) != nil {
		return false
	}
	told(name, commit)
	return true
}

// A client that does nothing but consume and commit in transactions asks for
// the next offsets as soon as EndTxn is answered, before the marker of the last
// ones is written.
func TestOffsetsBackToBack(t *testing.T) {
	c := brokertest.Start(t)
	createTopic(t, c, "in", 1, nil)
	cl := newClient(t, c)
	topics, err := kadm.NewClient(cl).ListTopics(timeout(t), "in")
	require.NoError(t, err)
	init := kmsg.NewPtrInitProducerIDRequest()
	init.TransactionalID, init.TransactionTimeoutMillis = kmsg.StringPtr("x"), 60_000
	p, err := init.RequestWith(timeout(t), cl)
	require.NoError(t, err)
	require.NoError(t, kerr.ErrorForCode(p.ErrorCode))
	pid, epoch := p.ProducerID, p.ProducerEpoch
	for i := range 200 {
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch, req.Generation = "x", "g", pid, epoch, -1
		topic := kmsg.NewTxnOffsetCommitRequestTopic()
		topic.Topic, topic.TopicID = "in", topics["in"].ID
		part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		part.Offset = int64(i)
		topic.Partitions = append(topic.Partitions, part)
		req.Topics = append(req.Topics, topic)
		resp, err := req.RequestWith(timeout(t), cl)
		require.NoError(t, err)
		require.NoError(t, kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode), "transaction %d", i)

		end := kmsg.NewPtrEndTxnRequest()
		end.TransactionalID, end.ProducerID, end.ProducerEpoch, end.Commit = "x", pid, epoch, true
		ended, err := end.RequestWith(timeout(t), cl)
		require.NoError(t, err)
		require.NoError(t, kerr.ErrorForCode(ended.ErrorCode))
		pid, epoch = ended.ProducerID, ended.ProducerEpoch
	}
}
