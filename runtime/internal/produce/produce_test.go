package produce_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/thalweg/thalweg/internal/batch"
	"github.com/thalweg/thalweg/runtime/internal/cluster"
	"github.com/thalweg/thalweg/runtime/internal/fetch"
	"github.com/thalweg/thalweg/runtime/internal/produce"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a cluster with one topic, and a client of the wanted protocol version.
type rig struct {
	client *kgo.Client
	meta   *cluster.Cluster
	v2     bool
}

func newRig(t *testing.T, v2 bool, partitions int32) rig {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(partitions, "t"))
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.MaxVersions(cluster.Versions(v2)))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return rig{client, cluster.New(client), v2}
}

type producer struct {
	*produce.Producer
	wake chan struct{}
}

func (r rig) producer(t *testing.T, txn string) producer {
	t.Helper()
	wake := make(chan struct{}, 1)
	p := produce.New(produce.Config{
		Client: r.client, Cluster: r.meta, TxnID: txn, TxnTimeout: 10 * time.Second, V2: r.v2,
		BatchBytes: 1024, MaxRecord: 1 << 20, Timeout: 10 * time.Second,
		Notify: func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		},
	})
	t.Cleanup(p.Close)
	return producer{p, wake}
}

// read fetches a partition up to its high watermark.
func (r rig) read(t *testing.T, partition int32, committed bool) []string {
	t.Helper()
	wake := make(chan struct{}, 1)
	f := fetch.New(fetch.Config{Client: r.client, Committed: committed, MaxWait: 50 * time.Millisecond, MaxBytes: 1 << 20, PartitionBytes: 4096, Budget: 8192})
	defer f.Close()
	c := f.Add("t", partition, fetch.AtEarliest, fetch.Earliest, func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	var values []string
	for {
		chunks, st := c.Take(nil)
		require.NoError(t, st.Err)
		for _, ch := range chunks {
			for _, v := range ch.Batches {
				it, err := v.Records(new(batch.Decompressor))
				require.NoError(t, err)
				var rec batch.Record
				for it.Next(&rec) {
					values = append(values, string(rec.Value))
				}
				require.NoError(t, it.Err())
			}
			c.Release(ch.Bytes)
		}
		if st.HighWatermark >= 0 && st.Position >= st.HighWatermark {
			return values
		}
		select {
		case <-wake:
		case <-t.Context().Done():
			return values
		}
	}
}

func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return c
}

func TestTransactions(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		t.Run(fmt.Sprint("v2=", v2), func(t *testing.T) {
			r := newRig(t, v2, 3)
			p := r.producer(t, "app-0")
			require.NoError(t, p.Init(ctx(t)))
			n := 0
			var want [3][]string
			for round := range 6 {
				commit := round%3 != 1
				for range 200 {
					v := fmt.Sprintf("record-%d", n)
					part := int32(n % 3)
					require.NoError(t, p.Send("t", part, []byte("k"), []byte(v), int64(n), nil))
					if commit {
						want[part] = append(want[part], v)
					}
					n++
				}
				require.NoError(t, p.Flush(ctx(t), p.wake))
				require.NoError(t, p.End(ctx(t), commit))
				require.False(t, p.Dirty())
			}
			for part := range want {
				require.Equal(t, want[part], r.read(t, int32(part), true))
				require.Len(t, r.read(t, int32(part), false), 400)
			}
			next, ok := p.Next("t", 0)
			require.True(t, ok)
			require.Greater(t, next, int64(400))
		})
	}
}

func TestIdempotent(t *testing.T) {
	r := newRig(t, true, 1)
	p := r.producer(t, "")
	require.NoError(t, p.Init(ctx(t)))
	var want []string
	for i := range 1000 {
		v := fmt.Sprint(i)
		want = append(want, v)
		require.NoError(t, p.Send("t", 0, nil, []byte(v), 0, nil))
	}
	require.NoError(t, p.Flush(ctx(t), p.wake))
	require.Equal(t, want, r.read(t, 0, false))
}

// TestOffsetsInTransaction: offsets of a transaction without records are
// visible at once when it ends, and leave no transaction open.
func TestOffsetsInTransaction(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		t.Run(fmt.Sprint("v2=", v2), func(t *testing.T) {
			r := newRig(t, v2, 1)
			p := r.producer(t, "app-0")
			require.NoError(t, p.Init(ctx(t)))
			require.NoError(t, p.SendOffsets(ctx(t), produce.Member{Group: "g", Generation: -1}, []produce.Offset{{Topic: "t", Offset: 7, LeaderEpoch: -1}}))
			require.NoError(t, p.End(ctx(t), true))

			req := kmsg.NewPtrOffsetFetchRequest()
			req.RequireStable = true
			req.Group = "g"
			g := kmsg.NewOffsetFetchRequestGroup()
			g.Group = "g"
			req.Groups = append(req.Groups, g)
			resp, err := req.RequestWith(ctx(t), r.client)
			require.NoError(t, err)
			require.Equal(t, int64(7), resp.Groups[0].Topics[0].Partitions[0].Offset)

			list, err := kmsg.NewPtrListTransactionsRequest().RequestWith(ctx(t), r.client)
			require.NoError(t, err)
			for _, st := range list.TransactionStates {
				require.NotEqual(t, "Ongoing", st.TransactionState)
			}
		})
	}
}

func TestFenced(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		t.Run(fmt.Sprint("v2=", v2), func(t *testing.T) {
			r := newRig(t, v2, 1)
			zombie := r.producer(t, "app-0")
			require.NoError(t, zombie.Init(ctx(t)))
			require.NoError(t, zombie.Send("t", 0, nil, []byte("zombie"), 0, nil))
			require.NoError(t, zombie.Flush(ctx(t), zombie.wake))

			heir := r.producer(t, "app-0")
			require.NoError(t, heir.Init(ctx(t)))
			require.NoError(t, heir.Send("t", 0, nil, []byte("heir"), 0, nil))
			require.NoError(t, heir.Flush(ctx(t), heir.wake))
			require.NoError(t, heir.End(ctx(t), true))

			require.ErrorIs(t, zombie.End(ctx(t), true), produce.ErrFenced)
			require.Equal(t, []string{"heir"}, r.read(t, 0, true))

			zombie.Drop()
			require.NoError(t, zombie.Init(ctx(t)))
		})
	}
}

func TestTooLargeAndUnknown(t *testing.T) {
	r := newRig(t, true, 1)
	p := r.producer(t, "")
	require.NoError(t, p.Init(ctx(t)))
	var tooLarge *produce.TooLargeError
	require.ErrorAs(t, p.Send("t", 0, nil, make([]byte, 2<<20), 0, nil), &tooLarge)
	require.ErrorIs(t, p.Send("nope", 0, nil, nil, 0, nil), cluster.ErrUnknownTopic)
	require.ErrorIs(t, p.Send("t", 5, nil, nil, 0, nil), produce.ErrUnknownTopic)
	require.NoError(t, p.Send("t", 0, nil, []byte("fine"), 0, nil))
	require.NoError(t, p.Flush(ctx(t), p.wake))
}
