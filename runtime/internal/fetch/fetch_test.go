package fetch

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type rig struct {
	t       *testing.T
	client  *kgo.Client
	fetcher *Fetcher
	wake    chan struct{}

	mu  sync.Mutex
	saw []Gap
}

// gaps returns what cursors could not read since it was asked last.
func (r *rig) gaps() (gaps []Gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gaps, r.saw = r.saw, nil
	return gaps
}

func newRig(t *testing.T, partitions int32) *rig {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(partitions, "t"))
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	r := &rig{t: t, client: client, wake: make(chan struct{}, 1)}
	r.fetcher = New(Config{Client: client, MaxWait: 50 * time.Millisecond, MaxBytes: 1 << 20, PartitionBytes: 2000, Budget: 4000, OnGap: func(g Gap) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.saw = append(r.saw, g)
	}})
	t.Cleanup(r.fetcher.Close)
	return r
}

func (r *rig) produce(partition int32, from, n int) {
	r.t.Helper()
	for i := range n {
		rec := &kgo.Record{Topic: "t", Partition: partition, Value: fmt.Appendf(nil, "value %05d", from+i)}
		require.NoError(r.t, r.client.ProduceSync(r.t.Context(), rec).FirstErr())
	}
}

func (r *rig) add(partition int32, offset int64, reset Reset) *Cursor {
	return r.fetcher.Add("t", partition, offset, reset, func() { signal(r.wake) })
}

// until waits for a cursor's state.
func (r *rig) until(c *Cursor, ok func(Status) bool) Status {
	r.t.Helper()
	for {
		if st := c.Status(); ok(st) {
			return st
		}
		select {
		case <-r.wake:
		case <-time.After(20 * time.Second):
			r.t.Fatalf("status %+v", c.Status())
		}
	}
}

// drain takes and releases until the position reaches offset.
func (r *rig) drain(c *Cursor, offset int64) (values []string) {
	r.t.Helper()
	from := int64(-1)
	for {
		chunks, st := c.Take(nil)
		require.NoError(r.t, st.Err)
		for _, ch := range chunks {
			if from >= 0 {
				require.Equal(r.t, from, ch.From, "chunks have no gaps")
			}
			from = ch.Next
			values = append(values, valuesOf(r.t, ch.Batches, ch.From)...)
			c.Release(ch.Bytes)
		}
		if from >= offset {
			return values
		}
		select {
		case <-r.wake:
		case <-time.After(20 * time.Second):
			r.t.Fatalf("status %+v", c.Status())
		}
	}
}

func TestReadsManyPartitions(t *testing.T) {
	r := newRig(t, 6)
	var cursors []*Cursor
	for p := range int32(6) {
		r.produce(p, 0, 50)
		cursors = append(cursors, r.add(p, AtEarliest, Refuse))
	}
	for p, c := range cursors {
		values := r.drain(c, 50)
		require.Len(t, values, 50)
		require.Equal(t, "value 00049", values[49])
		r.produce(int32(p), 50, 1)
		require.Equal(t, []string{"value 00050"}, r.drain(c, 51))
	}
}

// TestBudget: a cursor that is not drained stops at its budget, the others go
// on; drained, it goes on where it stopped.
func TestBudget(t *testing.T) {
	r := newRig(t, 2)
	r.produce(0, 0, 200)
	r.produce(1, 0, 200)
	full, other := r.add(0, 0, Refuse), r.add(1, 0, Refuse)
	st := r.until(full, func(st Status) bool { return st.Buffered >= 4000 })
	require.Less(t, st.Buffered, 4000+2000+200)
	require.Len(t, r.drain(other, 200), 200)
	require.Less(t, full.Status().Position, int64(200))
	require.Len(t, r.drain(full, 200), 200)
}

func TestStartsAndResets(t *testing.T) {
	r := newRig(t, 1)
	r.produce(0, 0, 10)
	latest := r.add(0, AtLatest, Latest)
	r.until(latest, func(st Status) bool { return st.Position == 10 })
	beyond := r.add(0, 99, Refuse)
	st := r.until(beyond, func(st Status) bool { return st.Err != nil })
	require.ErrorIs(t, st.Err, ErrOutOfRange)
	require.ErrorContains(t, st.Err, "the log ends before offset 99")
	again := r.add(0, 99, Earliest)
	require.Len(t, r.drain(again, 10), 10)
	require.Equal(t, []Gap{{"t", 0, 99, 0}}, r.gaps())

	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 7}}}}
	_, err := req.RequestWith(t.Context(), r.client)
	require.NoError(t, err)
	deleted := r.add(0, 3, Refuse)
	st = r.until(deleted, func(st Status) bool { return st.Err != nil })
	require.ErrorIs(t, st.Err, ErrOutOfRange)
	require.ErrorContains(t, st.Err, "topic t partition 0: records were deleted before they were read: offsets 3 to 6 (4) are lost")
	require.Len(t, r.drain(r.add(0, 3, Earliest), 10), 3)
	r.until(r.add(0, 4, Latest), func(st Status) bool { return st.Position == 10 })
	require.Equal(t, []Gap{{"t", 0, 3, 7}, {"t", 0, 4, 10}}, r.gaps())
}

// TestRemoved: a removed cursor gets nothing any more, its successor all.
func TestRemoved(t *testing.T) {
	r := newRig(t, 1)
	r.produce(0, 0, 10)
	c := r.add(0, 0, Refuse)
	r.until(c, func(st Status) bool { return st.Position == 10 })
	r.fetcher.Remove(c)
	chunks, _ := c.Take(nil)
	require.Empty(t, chunks)
	require.Len(t, r.drain(r.add(0, 3, Refuse), 10), 7)
}

// TestLeaderMoves: reading follows the partition to another broker.
func TestLeaderMoves(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(1, "t"))
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	r := &rig{t: t, client: client, wake: make(chan struct{}, 1)}
	r.fetcher = New(Config{Client: client, MaxWait: 50 * time.Millisecond, MaxBytes: 1 << 20, PartitionBytes: 2000, Budget: 4000})
	t.Cleanup(r.fetcher.Close)
	c := r.add(0, 0, Refuse)
	for i := range 4 {
		resp, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), client)
		require.NoError(t, err)
		ids := []int32{resp.Brokers[0].NodeID, resp.Brokers[1].NodeID, resp.Brokers[2].NodeID}
		require.NoError(t, fake.MoveTopicPartition("t", 0, ids[i%3]))
		r.produce(0, i*10, 10)
		require.Len(t, r.drain(c, int64(i*10+10)), 10)
	}
}
