package group

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/thalweg/thalweg/broker/coord/coordtest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// topics are 16 topics t0 … t15 of 4 partitions; the id's first byte is the number + 1.
type topics struct{}

func (topics) Partitions(topic string) (int32, bool) {
	_, ok := topics{}.ID(topic)
	return 4, ok
}

func (topics) Name(id [16]byte) (string, bool) {
	if id[0] < 1 || id[0] > 16 || id != [16]byte{id[0]} {
		return "", false
	}
	return topicName(int(id[0]) - 1), true
}

func (topics) ID(topic string) ([16]byte, bool) {
	for i := range 16 {
		if topic == topicName(i) {
			return [16]byte{byte(i + 1)}, true
		}
	}
	return [16]byte{}, false
}

func topicName(i int) string { return "t" + string(rune('a'+i)) }

// transactions lets every producer add partitions unless err is set.
type transactions struct {
	err    error
	during func() // runs while the coordinator is asked
	asked  int
	verify bool
}

func (x *transactions) AddPartition(_ context.Context, _ string, _ int64, _ int16, _ string, _ int32, verifyOnly bool) error {
	x.asked, x.verify = x.asked+1, verifyOnly
	if x.during != nil {
		x.during()
	}
	return x.err
}

// harness is a coordinator with one shard that all groups live on.
type harness struct {
	*Coordinator
	t       *testing.T
	journal *coordtest.Journal
	txns    *transactions
}

func start(t *testing.T, cfg Config) *harness {
	cfg.Partitions, cfg.Logger = 1, slog.New(slog.DiscardHandler)
	h := &harness{t: t, journal: new(coordtest.Journal), txns: new(transactions)}
	h.Coordinator = NewCoordinator(cfg, topics{}, h.txns)
	h.restart()
	t.Cleanup(h.Close)
	return h
}

// restart drops all state and replays the journal.
func (h *harness) restart() {
	h.Lead(0, h.journal)
	require.NoError(h.t, h.Serving(h.t.Context()))
}

var client = coord.Caller{ClientID: "c", Host: "/127.0.0.1"}

func joinRequest(group, member string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.MemberID = 9, group, member
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10_000, 30_000
	req.ProtocolType = "consumer"
	sub := kmsg.ConsumerMemberMetadata{Topics: []string{"ta"}}
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: sub.AppendTo(nil)}}
	return req
}

func (h *harness) join(req *kmsg.JoinGroupRequest) *kmsg.JoinGroupResponse {
	resp := h.JoinGroup(h.t.Context(), client, req)
	if resp.ErrorCode == kerr.MemberIDRequired.Code {
		again := *req
		again.MemberID = resp.MemberID
		resp = h.JoinGroup(h.t.Context(), client, &again)
	}
	return resp
}

func (h *harness) sync(group string, joined *kmsg.JoinGroupResponse, assignment map[string]string) *kmsg.SyncGroupResponse {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 5, group, joined.MemberID, joined.Generation
	req.ProtocolType, req.Protocol = joined.ProtocolType, joined.Protocol
	for id, a := range assignment {
		req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: id, MemberAssignment: []byte(a)})
	}
	return h.SyncGroup(h.t.Context(), client, req)
}

func (h *harness) beat(group, member string, generation int32) error {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 4, group, member, generation
	return kerr.ErrorForCode(h.Heartbeat(h.t.Context(), client, req).ErrorCode)
}

func commitRequest(group, member string, generation int32, topic string, partition int32, offset int64) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.MemberID, req.Generation = 9, group, member, generation
	req.Topics = []kmsg.OffsetCommitRequestTopic{{
		Topic:      topic,
		Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: partition, Offset: offset, LeaderEpoch: 3}},
	}}
	return req
}

func (h *harness) commit(group, member string, generation int32, topic string, partition int32, offset int64) error {
	resp := h.OffsetCommit(h.t.Context(), client, commitRequest(group, member, generation, topic, partition, offset))
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

func (h *harness) fetch(group, topic string, partition int32, stable bool) (int64, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.RequireStable = 9, stable
	req.Groups = []kmsg.OffsetFetchRequestGroup{{
		Group:  group,
		Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic, Partitions: []int32{partition}}},
	}}
	g := h.OffsetFetch(h.t.Context(), client, req).Groups[0]
	if g.ErrorCode != 0 {
		return 0, kerr.ErrorForCode(g.ErrorCode)
	}
	p := g.Topics[0].Partitions[0]
	return p.Offset, kerr.ErrorForCode(p.ErrorCode)
}
