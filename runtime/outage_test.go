package runtime

import (
	"fmt"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/broker/brokertest"
)

// tripwire tells when a client has written its nth request of one kind, and
// holds the client there until the test lets it go.
type tripwire struct {
	key     int16
	left    atomic.Int32
	tripped chan struct{}
	release chan struct{}
}

func newTripwire(key kmsg.Key, n int32) *tripwire {
	w := &tripwire{key: int16(key), tripped: make(chan struct{}), release: make(chan struct{})}
	w.left.Store(n)
	return w
}

// OnBrokerWrite implements kgo.HookBrokerWrite.
func (w *tripwire) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, _ error) {
	if key == w.key && w.left.Add(-1) == 0 {
		close(w.tripped)
		<-w.release
	}
}

// TestOutageAtEachRequest kills the broker at each request that an application
// sends on its way from the first connection to the first commit, and brings it
// back after the client's patience with a single request has ended several
// times. The application waits; nothing is lost or counted twice. The requests of
// a transaction are those of both protocols.
func TestOutageAtEachRequest(t *testing.T) {
	t.Parallel()
	for _, at := range []struct {
		key       kmsg.Key
		n         int32
		protocol1 bool
	}{
		{kmsg.ApiVersions, 1, false}, {kmsg.Metadata, 1, false}, {kmsg.Metadata, 2, false}, {kmsg.Metadata, 3, false},
		{kmsg.CreateTopics, 1, false}, {kmsg.Metadata, 4, false}, {kmsg.InitProducerID, 1, false}, {kmsg.FindCoordinator, 1, false},
		{kmsg.JoinGroup, 1, false}, {kmsg.JoinGroup, 2, false}, {kmsg.SyncGroup, 1, false}, {kmsg.OffsetFetch, 1, false},
		{kmsg.ListOffsets, 1, false}, {kmsg.Fetch, 1, false}, {kmsg.Metadata, 6, false}, {kmsg.Heartbeat, 1, false},
		{kmsg.Produce, 1, false}, {kmsg.Produce, 3, false}, {kmsg.TxnOffsetCommit, 1, false}, {kmsg.EndTxn, 1, false},
		{kmsg.EndTxn, 2, false}, {kmsg.AddPartitionsToTxn, 1, true}, {kmsg.Produce, 1, true}, {kmsg.Produce, 3, true},
		{kmsg.AddOffsetsToTxn, 1, true}, {kmsg.TxnOffsetCommit, 1, true}, {kmsg.EndTxn, 1, true}, {kmsg.EndTxn, 2, true},
	} {
		name := fmt.Sprint(at.key.Name(), "/", at.n)
		if at.protocol1 {
			name += "/protocol-1"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := brokertest.Start(t, brokertest.With(func(c *broker.Config) { c.CoordinatorPartitions = 2 }))
			r := rigAt(t, c.Addrs(), map[string]int32{"lines": 2, "counts": 1})
			r.session, r.protocol1 = 6*time.Second, at.protocol1
			want, wait := feed(r, 1, 300, 2)
			wait()
			wire := newTripwire(at.key, at.n)
			cfg := r.config("app")
			cfg.TransactionTimeout = time.Second
			cfg.Client = []kgo.Opt{
				kgo.WithHooks(wire), kgo.RequestRetries(1), kgo.RetryTimeout(200 * time.Millisecond),
				kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
			}
			p := r.start(wordCount(t), cfg)
			select {
			case <-wire.tripped:
			case <-time.After(30 * time.Second):
				t.Fatalf("no %s request was sent", at.key.Name())
			}
			c.Kill()
			close(wire.release)
			select {
			case err := <-p.done:
				t.Fatalf("the application ended: %v", err)
			case <-time.After(time.Second): // the outage
			}
			c.Restart()
			got := r.committed("counts", 0, func(rs []*kgo.Record) bool { return maps.Equal(last(rs), want) })
			require.Equal(t, want, chain(t, got))
			require.NoError(t, p.stop())
		})
	}
}

// TestLongOutage: an outage that outlasts every timeout of a running application
// ends its transaction and nothing else.
func TestLongOutage(t *testing.T) {
	t.Parallel()
	c := brokertest.Start(t, brokertest.With(func(c *broker.Config) { c.CoordinatorPartitions = 2 }))
	r := rigAt(t, c.Addrs(), map[string]int32{"lines": 2, "counts": 1})
	r.session = 6 * time.Second
	want, wait := feed(r, 1, 3000, 2)
	cfg := r.config("app")
	cfg.TransactionTimeout = 500 * time.Millisecond
	cfg.Client = []kgo.Opt{kgo.RequestRetries(1), kgo.RetryTimeout(200 * time.Millisecond)}
	p := r.start(wordCount(t), cfg)
	r.committed("counts", 0, count(1))
	c.Kill()
	select {
	case err := <-p.done:
		t.Fatalf("the application ended: %v", err)
	case <-time.After(8 * time.Second): // the outage, longer than the session
	}
	c.Restart()
	wait()
	got := r.committed("counts", 0, func(rs []*kgo.Record) bool { return maps.Equal(last(rs), want) })
	require.Equal(t, want, chain(t, got))
	require.NoError(t, p.stop())
}

// TestStopInOutage: an application that is told to stop does not wait for
// brokers to come back.
func TestStopInOutage(t *testing.T) {
	t.Parallel()
	c := brokertest.Start(t)
	r := rigAt(t, c.Addrs(), map[string]int32{"lines": 2, "counts": 1})
	r.session = 6 * time.Second
	p := r.start(wordCount(t), r.config("app"))
	r.produce("lines", 0, kv{"", "one two"})
	r.committed("counts", 0, count(2))
	c.Kill()
	require.NoError(t, p.stop()) // though no broker comes back until it has
	c.Restart()
}
