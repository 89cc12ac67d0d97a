package produce_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/broker/brokertest"
	"github.com/thalweg/thalweg/runtime/internal/cluster"
	"github.com/thalweg/thalweg/runtime/internal/produce"
)

// lossyRig is a rig whose connections lose answers while lose is set: requests
// arrive and are carried out, and the connection breaks instead of the answer.
type lossyRig struct {
	rig
	lose atomic.Bool
	lost chan struct{} // an answer was
}

type lossyConn struct {
	net.Conn
	rig *lossyRig
}

func (c lossyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.rig.lose.Load() {
		c.Close()
		select {
		case c.rig.lost <- struct{}{}:
		default:
		}
		return 0, net.ErrClosed
	}
	return n, err
}

func lossy(t *testing.T, v2 bool, addrs []string) *lossyRig {
	t.Helper()
	r := &lossyRig{lost: make(chan struct{}, 1)}
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.MaxVersions(cluster.Versions(v2)), kgo.RequestRetries(0), kgo.MetadataMinAge(10*time.Millisecond),
		kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return lossyConn{conn, r}, err
		}))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	r.rig = rig{client, cluster.New(client), v2}
	return r
}

// eachProducer runs a test for a producer without transactions and for both
// protocols, on two brokers of different authors.
func eachProducer(t *testing.T, f func(t *testing.T, r *lossyRig, p producer, txn bool)) {
	brokers := map[string]func(*testing.T) []string{
		"broker": func(t *testing.T) []string { return brokertest.Start(t).Addrs() },
		"kfake": func(t *testing.T) []string {
			fake, err := kfake.NewCluster(kfake.NumBrokers(1))
			require.NoError(t, err)
			t.Cleanup(fake.Close)
			return fake.ListenAddrs()
		},
	}
	for name, start := range brokers {
		for _, m := range []struct {
			name    string
			txn, v2 bool
		}{{"idempotent", false, true}, {"protocol-1", true, false}, {"protocol-2", true, true}} {
			t.Run(name+"/"+m.name, func(t *testing.T) {
				r := lossy(t, m.v2, start(t))
				create := kmsg.NewPtrCreateTopicsRequest()
				topic := kmsg.NewCreateTopicsRequestTopic()
				topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", 2, 1
				create.Topics = append(create.Topics, topic)
				resp, err := create.RequestWith(ctx(t), r.client)
				require.NoError(t, err)
				require.Zero(t, resp.Topics[0].ErrorCode)
				id := ""
				if m.txn {
					id = "app-0"
				}
				p := r.producer(t, id)
				require.NoError(t, p.Init(ctx(t)))
				f(t, r, p, m.txn)
			})
		}
	}
}

// renewed ends what is open as a worker does that aborts.
func (p producer) renewed(t *testing.T, v2 bool) {
	t.Helper()
	p.Drop()
	if !p.Spent() || v2 {
		require.NoError(t, p.End(ctx(t), false))
	}
	if p.Spent() {
		require.ErrorIs(t, p.Send("t", 0, nil, []byte("too early"), 0, nil), produce.ErrAborted)
		require.NoError(t, p.Init(ctx(t)))
	}
}

// TestBatchesGivenUp gives up a batch that is in the log and was not
// acknowledged, after some that were, and goes on: what is sent then is there.
func TestBatchesGivenUp(t *testing.T) {
	for _, before := range []int{1, 5, 6} {
		t.Run(fmt.Sprint("before=", before), func(t *testing.T) {
			eachProducer(t, func(t *testing.T, r *lossyRig, p producer, txn bool) {
				send := func(v string) {
					require.NoError(t, p.Send("t", 0, nil, []byte(v), 0, nil))
					require.NoError(t, p.Flush(ctx(t), p.wake))
				}
				for i := range before {
					send(fmt.Sprint("before-", i))
				}
				r.lose.Store(true)
				require.NoError(t, p.Send("t", 0, nil, []byte("given up"), 0, nil))
				require.NoError(t, p.Ship())
				<-r.lost
				r.lose.Store(false)
				p.Drop()
				require.Equal(t, txn, p.Spent())
				require.Contains(t, r.read(t, 0, false), "given up")
				p.renewed(t, r.v2)
				send("after-0")
				send("after-1")
				require.NoError(t, p.End(ctx(t), true))
				got := r.read(t, 0, true)
				require.Equal(t, []string{"after-0", "after-1"}, got[max(0, len(got)-2):])
				require.NotEqual(t, txn, slices.Contains(got, "given up"))
			})
		})
	}
}

// TestAbortsThatCostNothing: where all was acknowledged, or nothing was sent,
// sequences go on under the id and epoch there is.
func TestAbortsThatCostNothing(t *testing.T) {
	eachProducer(t, func(t *testing.T, r *lossyRig, p producer, txn bool) {
		for i := range 7 {
			require.NoError(t, p.Send("t", 0, nil, []byte(fmt.Sprint("sent-", i)), 0, nil))
			require.NoError(t, p.Flush(ctx(t), p.wake))
			require.NoError(t, p.Send("t", 1, nil, []byte("never sent"), 0, nil))
			p.Drop()
			require.False(t, p.Spent())
			require.NoError(t, p.End(ctx(t), false))
		}
		require.NoError(t, p.Send("t", 0, nil, []byte("last"), 0, nil))
		require.NoError(t, p.Flush(ctx(t), p.wake))
		require.NoError(t, p.End(ctx(t), true))
		require.Len(t, r.read(t, 0, false), 8)
		require.Empty(t, r.read(t, 1, false))
	})
}

// TestEndWithoutAnswer asks for the end of a transaction until an answer comes:
// the first attempts got through, and in version 2 bumped the epoch.
func TestEndWithoutAnswer(t *testing.T) {
	eachProducer(t, func(t *testing.T, r *lossyRig, p producer, txn bool) {
		for i := range 4 {
			require.NoError(t, p.Send("t", 0, nil, []byte(fmt.Sprint(i)), 0, nil))
			require.NoError(t, p.Flush(ctx(t), p.wake))
			r.lose.Store(true)
			time.AfterFunc(30*time.Millisecond, func() { r.lose.Store(false) })
			require.NoError(t, p.End(ctx(t), i%2 == 0))
			r.lose.Store(false)
			require.False(t, p.Spent())
		}
		want := []string{"0", "1", "2", "3"}
		if txn {
			want = []string{"0", "2"}
		}
		require.Equal(t, want, r.read(t, 0, true))
	})
}

// TestRefusedRecordLeavesNothing: a record that is too large opens no batch,
// which would keep the epoch of its transaction.
func TestRefusedRecordLeavesNothing(t *testing.T) {
	eachProducer(t, func(t *testing.T, r *lossyRig, p producer, txn bool) {
		var tooLarge *produce.TooLargeError
		require.ErrorAs(t, p.Send("t", 0, nil, make([]byte, 2<<20), 0, nil), &tooLarge)
		require.NoError(t, p.Send("t", 1, nil, []byte("fine"), 0, nil))
		require.NoError(t, p.Flush(ctx(t), p.wake))
		require.NoError(t, p.End(ctx(t), true))
		require.NoError(t, p.Send("t", 0, nil, []byte("next"), 0, nil))
		require.NoError(t, p.Flush(ctx(t), p.wake))
		require.NoError(t, p.End(ctx(t), true))
		require.Equal(t, []string{"next"}, r.read(t, 0, true))
	})
}

// TestNothingWithoutIdentity: before Init, a record would go without a producer id.
func TestNothingWithoutIdentity(t *testing.T) {
	r := newRig(t, true, 1)
	p := r.producer(t, "")
	require.ErrorIs(t, p.Send("t", 0, nil, []byte("early"), 0, nil), produce.ErrAborted)
	p.Drop()
	require.ErrorIs(t, p.Send("t", 0, nil, []byte("early"), 0, nil), produce.ErrAborted)
	require.NoError(t, p.Init(ctx(t)))
	require.NoError(t, p.Send("t", 0, nil, []byte("fine"), 0, nil))
	require.NoError(t, p.Flush(ctx(t), p.wake))
	require.Equal(t, []string{"fine"}, r.read(t, 0, false))
}

// TestOverdue: a flush that ends too early names the partition and the cause.
func TestOverdue(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t"))
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.MaxVersions(cluster.Versions(true)))
	require.NoError(t, err)
	t.Cleanup(client.Close)
	refused := make(chan struct{}, 1)
	fake.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, rt := range req.(*kmsg.ProduceRequest).Topics {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic = rt.Topic
			for _, rp := range rt.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition, part.ErrorCode = rp.Partition, kerr.NotEnoughReplicas.Code
				topic.Partitions = append(topic.Partitions, part)
			}
			resp.Topics = append(resp.Topics, topic)
		}
		select {
		case refused <- struct{}{}:
		default:
		}
		return resp, nil, true
	})
	r := rig{client, cluster.New(client), true}
	p := r.producer(t, "")
	require.NoError(t, p.Init(ctx(t)))
	require.NoError(t, p.Send("t", 1, nil, []byte("a"), 0, nil))
	c, cancel := context.WithCancel(t.Context())
	go func() {
		<-refused
		<-refused // the answer before has been taken in
		cancel()
	}()
	err = p.Flush(c, p.wake)
	require.ErrorIs(t, err, kerr.NotEnoughReplicas)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "topic t partition 1")
}

// TestAnotherLog: a topic that was deleted and made anew knows nothing of the
// producer, and is not the one that earlier offsets are of. One abort mends it.
func TestAnotherLog(t *testing.T) {
	eachProducer(t, func(t *testing.T, r *lossyRig, p producer, txn bool) {
		for range 3 {
			require.NoError(t, p.Send("t", 0, nil, []byte("old"), 0, nil))
			require.NoError(t, p.Flush(ctx(t), p.wake))
			require.NoError(t, p.End(ctx(t), true))
		}
		r.recreate(t, 2)
		aborts := 0
		for ; aborts < 5; aborts++ {
			require.NoError(t, p.Send("t", 0, nil, []byte("new"), 0, nil))
			err := p.Flush(ctx(t), p.wake)
			if err == nil {
				break
			}
			require.ErrorIs(t, err, produce.ErrAborted)
			p.renewed(t, r.v2)
			_, ok := p.Next("t", 0)
			require.False(t, ok)
		}
		require.NoError(t, p.End(ctx(t), true))
		require.LessOrEqual(t, aborts, 1)
		require.Contains(t, r.read(t, 0, true), "new")
		next, ok := p.Next("t", 0)
		require.True(t, ok)
		require.LessOrEqual(t, next, int64(3))
	})
}

// recreate makes the topic anew.
func (r rig) recreate(t *testing.T, partitions int32) {
	t.Helper()
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.TopicNames = []string{"t"}
	name := kmsg.NewDeleteTopicsRequestTopic()
	name.Topic = kmsg.StringPtr("t")
	del.Topics = append(del.Topics, name)
	gone, err := del.RequestWith(ctx(t), r.client)
	require.NoError(t, err)
	require.Zero(t, gone.Topics[0].ErrorCode)
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", partitions, 1
	create.Topics = append(create.Topics, topic)
	made, err := create.RequestWith(ctx(t), r.client)
	require.NoError(t, err)
	require.Zero(t, made.Topics[0].ErrorCode)
}
