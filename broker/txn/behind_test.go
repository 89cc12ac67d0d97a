package txn

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/thalweg/thalweg/broker/coord/coordtest"
	"github.com/thalweg/thalweg/broker/group"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestRequestsBehindEndTxn sends each request that a client may send as soon as
// EndTxn is answered, on whatever connection, while the markers of the
// transaction before are still to be written. It has to wait for them, and
// otherwise to be refused with an error that clients retry.
func TestRequestsBehindEndTxn(t *testing.T) {
	for name, before := range befores {
		for request, r := range behinds {
			for _, commit := range []bool{true, false} {
				if commit && before.refused != nil || !commit && r.repeats {
					continue // not what a client does
				}
				t.Run(name+" "+outcome(commit)+" then "+request, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { sendBehind(t, r, before, commit) })
				})
			}
		}
	}
}

func outcome(commit bool) string {
	if commit {
		return "committed"
	}
	return "aborted"
}

// before is what the transaction before has done last, and with what success.
type before struct {
	write   func(*clientOf) error
	refused error
}

var befores = map[string]before{
	"data":    {write: func(c *clientOf) error { return c.add("a", 0) }},
	"offsets": {write: func(c *clientOf) error { return c.offsets(5, "", -1) }},
	"offsets and data": {write: func(c *clientOf) error {
		if err := c.add("a", 0); err != nil {
			return err
		}
		return c.offsets(5, "", -1)
	}},
	"refused offsets": {
		write:   func(c *clientOf) error { return c.offsets(5, "nobody", 7) },
		refused: kerr.IllegalGeneration,
	},
}

// behinds are the requests of the next transaction.
var behinds = map[string]behind{
	"Produce":            {version: 5, send: func(c *clientOf) error { return c.add("b", 1) }},
	"Produce again":      {version: 5, send: func(c *clientOf) error { return c.add("a", 0) }},
	"TxnOffsetCommit":    {version: 5, send: func(c *clientOf) error { return c.offsets(5, "", -1) }},
	"TxnOffsetCommit v6": {version: 5, send: func(c *clientOf) error { return c.offsets(6, "", -1) }},
	"EndTxn":             {version: 5, send: func(c *clientOf) error { return c.end(5, false) }},
	"InitProducerId": {version: 5, send: func(c *clientOf) error {
		_, err := c.init(c.pid, c.epoch)
		return err
	}},
	"AddPartitionsToTxn": {version: 4, send: func(c *clientOf) error { return kerr.ErrorForCode(c.addV1(tp("b", 1))[0]) }},
	"AddOffsetsToTxn":    {version: 4, send: func(c *clientOf) error { return c.addOffsets() }},
	"EndTxn v4":          {version: 4, send: func(c *clientOf) error { return c.end(4, true) }, repeats: true},
}

type behind struct {
	version int16 // of EndTxn before it
	send    func(*clientOf) error
	repeats bool // looks like a repetition of the EndTxn before it, of a commit
}

func sendBehind(t *testing.T, r behind, before before, commit bool) {
	c := newClientOf(t)
	for range 2 {
		require.Equal(t, before.refused, before.write(c))
		gate := make(chan struct{})
		c.set(func() { c.gate = gate })
		require.NoError(t, c.end(r.version, commit))

		require.Equal(t, kerr.ConcurrentTransactions, r.send(c), "the markers are not written")
		sent := make(chan error)
		go func() { sent <- r.send(c) }()
		time.Sleep(10 * time.Millisecond)
		c.set(func() { c.gate = nil })
		close(gate)
		require.NoError(t, <-sent)

		p, err := c.init(-1, -1) // whatever the request has begun is over
		require.NoError(t, err)
		c.producer = p
	}
}

// clientOf is a producer of a cluster with both coordinators.
type clientOf struct {
	*producer
	*harness
	groups *group.Coordinator
}

func newClientOf(t *testing.T) *clientOf {
	h := start(t, Config{})
	groups := group.NewCoordinator(group.Config{Partitions: 1, Logger: slog.New(slog.DiscardHandler)}, namedTopics{h.world}, h.Coordinator)
	groups.Lead(0, new(coordtest.Journal))
	require.NoError(t, groups.Serving(t.Context()))
	t.Cleanup(groups.Close)
	h.set(func() {
		h.offsets = func(ctx context.Context, m coord.Marker, partition int32) int16 {
			return coord.Code(groups.WriteMarker(ctx, partition, m))
		}
	})
	return &clientOf{h.mustInit(), h, groups}
}

func (c *clientOf) init(pid int64, epoch int16) (*producer, error) { return c.harness.init(pid, epoch) }

func (c *clientOf) offsets(version int16, member string, generation int32) error {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.Version, req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = version, "x", "g", c.pid, c.epoch
	req.MemberID, req.Generation = member, generation
	req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{
		Topic: "a", TopicID: [16]byte{'a'}, Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{Offset: 1}},
	}}
	resp := c.groups.TxnOffsetCommit(c.t.Context(), client, req)
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

func (c *clientOf) addOffsets() error {
	req := kmsg.NewPtrAddOffsetsToTxnRequest()
	req.Version, req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = 3, "x", "g", c.pid, c.epoch
	return kerr.ErrorForCode(c.AddOffsetsToTxn(c.t.Context(), client, req).ErrorCode)
}

// namedTopics gives each topic its first letter as its id.
type namedTopics struct{ *world }

func (w namedTopics) Name(id [16]byte) (string, bool) {
	_, ok := w.Partitions(string(id[:1]))
	return string(id[:1]), ok
}

func (w namedTopics) ID(topic string) ([16]byte, bool) {
	_, ok := w.Partitions(topic)
	return [16]byte{topic[0]}, ok
}
