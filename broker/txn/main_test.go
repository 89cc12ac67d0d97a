package txn

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/thalweg/thalweg/broker/coord/coordtest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is the part of a cluster that a transaction coordinator touches.
type world struct {
	mu      sync.Mutex
	next    int64
	exist   map[string]int32
	written map[coord.TopicPartition][]coord.Marker
	refuse  map[coord.TopicPartition]int16
	gate    chan struct{} // when set, markers wait for it
	// offsets, when set, is the group coordinator that writes the markers of
	// __consumer_offsets.
	offsets func(context.Context, coord.Marker, int32) int16
}

func (w *world) AllocateProducerIDs(context.Context) (int64, int32, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next += 1000
	return w.next - 1000, 1000, nil
}

func (w *world) Partitions(topic string) (int32, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, ok := w.exist[topic]
	return n, ok
}

func (w *world) WriteMarkers(ctx context.Context, marker coord.Marker, tps []coord.TopicPartition) []int16 {
	w.mu.Lock()
	gate, offsets := w.gate, w.offsets
	w.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
		}
	}
	codes := make([]int16, len(tps))
	for i, tp := range tps {
		if tp.Topic == coord.OffsetsTopic && offsets != nil {
			codes[i] = offsets(ctx, marker, tp.Partition)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, tp := range tps {
		if codes[i] != 0 {
			continue
		}
		if codes[i] = w.refuse[tp]; codes[i] == 0 {
			w.written[tp] = append(w.written[tp], marker)
		}
	}
	return codes
}

func (w *world) writtenTo(tp coord.TopicPartition) []coord.Marker {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written[tp]
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// harness is a coordinator with one shard.
type harness struct {
	*Coordinator
	*world
	t       *testing.T
	journal *coordtest.Journal
}

func start(t *testing.T, cfg Config) *harness {
	cfg.Partitions, cfg.Logger = 1, slog.New(slog.DiscardHandler)
	w := &world{
		exist:   map[string]int32{"a": 3, "b": 3, coord.OffsetsTopic: 1},
		written: make(map[coord.TopicPartition][]coord.Marker),
		refuse:  make(map[coord.TopicPartition]int16),
	}
	h := &harness{t: t, world: w, journal: new(coordtest.Journal)}
	h.Coordinator = NewCoordinator(cfg, w, w, w)
	h.restart()
	t.Cleanup(h.Close)
	return h
}

func (h *harness) restart() {
	h.Lead(0, h.journal)
	require.NoError(h.t, h.Serving(h.t.Context()))
}

func (h *harness) Partitions(topic string) (int32, bool) { return h.world.Partitions(topic) }

var client = coord.Caller{ClientID: "c", Host: "/127.0.0.1"}

// producer is a client's idea of itself.
type producer struct {
	h     *harness
	pid   int64
	epoch int16
}

func (h *harness) init(pid int64, epoch int16) (*producer, error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.TransactionalID, req.TransactionTimeoutMillis = 5, kmsg.StringPtr("x"), 10_000
	req.ProducerID, req.ProducerEpoch = pid, epoch
	resp := h.InitProducerID(h.t.Context(), client, req)
	return &producer{h, resp.ProducerID, resp.ProducerEpoch}, kerr.ErrorForCode(resp.ErrorCode)
}

func (h *harness) mustInit() *producer {
	p, err := h.init(-1, -1)
	require.NoError(h.t, err)
	return p
}

// add is the implicit addition of TV2.
func (p *producer) add(topic string, partition int32) error {
	return p.h.AddPartition(p.h.t.Context(), "x", p.pid, p.epoch, topic, partition, false)
}

func (p *producer) addV1(tps ...coord.TopicPartition) []int16 {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch = 3, "x", p.pid, p.epoch
	for _, tp := range tps {
		req.Topics = append(req.Topics, kmsg.AddPartitionsToTxnRequestTopic{Topic: tp.Topic, Partitions: []int32{tp.Partition}})
	}
	var codes []int16
	for _, t := range p.h.AddPartitionsToTxn(p.h.t.Context(), client, req).Topics {
		codes = append(codes, t.Partitions[0].ErrorCode)
	}
	return codes
}

// end sends EndTxn and takes the identity of the answer over.
func (p *producer) end(version int16, commit bool) error {
	req := kmsg.NewPtrEndTxnRequest()
	req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = version, "x", p.pid, p.epoch, commit
	resp := p.h.EndTxn(p.h.t.Context(), client, req)
	if resp.ErrorCode == 0 && version >= 5 {
		p.pid, p.epoch = resp.ProducerID, resp.ProducerEpoch
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}

func (h *harness) state() string {
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{"x"}
	x := h.DescribeTransactions(h.t.Context(), client, req).TransactionStates[0]
	if x.ErrorCode != 0 {
		return kerr.ErrorForCode(x.ErrorCode).Error()
	}
	return x.State
}

func tp(topic string, partition int32) coord.TopicPartition {
	return coord.TopicPartition{Topic: topic, Partition: partition}
}
