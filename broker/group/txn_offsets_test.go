package group

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (h *harness) txnCommit(version int16, pid int64, epoch int16, topic string, partition int32, offset int64) error {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.Version, req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = version, "x", "g", pid, epoch
	req.Generation = -1
	id, _ := topics{}.ID(topic)
	req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{
		Topic: topic, TopicID: id,
		Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{Partition: partition, Offset: offset}},
	}}
	resp := h.TxnOffsetCommit(h.t.Context(), client, req)
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

func (h *harness) mark(pid int64, epoch int16, commit bool) error {
	return h.WriteMarker(h.t.Context(), 0, coord.Marker{ProducerID: pid, ProducerEpoch: epoch, Commit: commit, Version: 2})
}

func run(t *testing.T, name string, cfg Config, test func(t *testing.T, h *harness)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, start(t, cfg)) })
	})
}

// both checks a fetch before and after a failover.
func (h *harness) both(partition int32, stable bool, offset int64, err error) {
	h.t.Helper()
	for range 2 {
		at, e := h.fetch("g", "ta", partition, stable)
		require.Equal(h.t, err, e)
		if err == nil {
			require.Equal(h.t, offset, at)
		}
		h.restart()
	}
}

func TestTransactionalOffsets(t *testing.T) {
	run(t, "commit", Config{}, func(t *testing.T, h *harness) {
		require.NoError(t, h.commit("g", "", -1, "ta", 0, 1))
		require.NoError(t, h.txnCommit(5, 7, 0, "ta", 0, 2))
		h.both(0, false, 1, nil)
		h.both(0, true, 0, kerr.UnstableOffsetCommit)
		require.NoError(t, h.mark(7, 1, true))
		h.both(0, true, 2, nil)
	})
	run(t, "abort", Config{}, func(t *testing.T, h *harness) {
		require.NoError(t, h.txnCommit(5, 7, 0, "ta", 0, 2))
		h.both(0, false, -1, nil)
		require.NoError(t, h.mark(7, 1, false))
		h.both(0, true, -1, nil)
	})
	run(t, "a later plain commit wins", Config{}, func(t *testing.T, h *harness) {
		require.NoError(t, h.txnCommit(5, 7, 0, "ta", 0, 2))
		require.NoError(t, h.commit("g", "", -1, "ta", 0, 1))
		require.NoError(t, h.mark(7, 1, true))
		h.both(0, true, 1, nil)
	})
	run(t, "a later deletion wins", Config{}, func(t *testing.T, h *harness) {
		require.NoError(t, h.commit("g", "", -1, "ta", 0, 1))
		require.NoError(t, h.txnCommit(5, 7, 0, "ta", 0, 2))
		require.NoError(t, h.txnCommit(5, 7, 0, "ta", 1, 3))
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Version, req.Groups = 2, []string{"g"}
		require.Zero(t, h.DeleteGroups(t.Context(), client, req).Groups[0].ErrorCode)
		require.NoError(t, h.mark(7, 1, true))
		h.both(0, true, -1, nil)
		h.both(1, true, -1, nil)
	})
	run(t, "fenced epoch", Config{}, func(t *testing.T, h *harness) {
		require.NoError(t, h.txnCommit(5, 7, 3, "ta", 0, 2))
		require.NoError(t, h.mark(7, 4, false))
		require.Equal(t, kerr.InvalidProducerEpoch, h.txnCommit(5, 7, 3, "ta", 0, 3))
		require.Equal(t, kerr.InvalidProducerEpoch, h.mark(7, 3, true))
		require.NoError(t, h.txnCommit(5, 7, 4, "ta", 0, 4))
	})
	run(t, "stale coordinator", Config{}, func(t *testing.T, h *harness) {
		require.NoError(t, h.txnCommit(5, 7, 0, "ta", 0, 2))
		require.NoError(t, h.WriteMarker(t.Context(), 0, coord.Marker{ProducerID: 7, ProducerEpoch: 0, CoordinatorEpoch: 5}))
		require.Equal(t, kerr.TransactionCoordinatorFenced,
			h.WriteMarker(t.Context(), 0, coord.Marker{ProducerID: 7, ProducerEpoch: 1, CoordinatorEpoch: 4}))
	})
	run(t, "the coordinator is asked once per transaction", Config{}, func(t *testing.T, h *harness) {
		require.NoError(t, h.txnCommit(5, 7, 0, "ta", 0, 1))
		require.NoError(t, h.txnCommit(5, 7, 0, "ta", 0, 2))
		require.Equal(t, 1, h.txns.asked)
		require.False(t, h.txns.verify)
		require.NoError(t, h.mark(7, 1, true))
		require.NoError(t, h.txnCommit(4, 7, 1, "ta", 0, 3))
		require.Equal(t, 2, h.txns.asked)
		require.True(t, h.txns.verify, "an old client has added the partition itself")
	})
	run(t, "a marker during verification voids it", Config{}, func(t *testing.T, h *harness) {
		require.NoError(t, h.txnCommit(4, 7, 0, "ta", 0, 1))
		require.NoError(t, h.mark(7, 1, true))
		h.txns.during = func() {
			require.NoError(t, h.WriteMarker(t.Context(), 0, coord.Marker{ProducerID: 7, ProducerEpoch: 1}))
		}
		require.Equal(t, kerr.TransactionAbortable, h.txnCommit(4, 7, 1, "ta", 0, 2))
		h.both(0, true, 1, nil)
	})
	run(t, "refused by the coordinator", Config{}, func(t *testing.T, h *harness) {
		h.txns.err = kerr.ProducerFenced
		require.Equal(t, kerr.InvalidProducerEpoch, h.txnCommit(5, 7, 0, "ta", 0, 1))
		h.txns.err = kerr.TransactionAbortable
		require.Equal(t, kerr.TransactionAbortable, h.txnCommit(4, 7, 0, "ta", 0, 1))
		require.Equal(t, kerr.InvalidTxnState, h.txnCommit(3, 7, 0, "ta", 0, 1))
	})
	run(t, "by topic id", Config{}, func(t *testing.T, h *harness) {
		require.NoError(t, h.txnCommit(6, 7, 0, "ta", 0, 2))
		require.NoError(t, h.mark(7, 1, true))
		h.both(0, true, 2, nil)
		require.Equal(t, kerr.UnknownTopicID, h.txnCommit(6, 7, 1, "none", 0, 2))

		// Known and unknown ones in one request.
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.Version, req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch, req.Generation = 6, "x", "g", 7, 1, -1
		for _, id := range [][16]byte{{99}, {1}} {
			req.Topics = append(req.Topics, kmsg.TxnOffsetCommitRequestTopic{
				TopicID: id, Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{Offset: 5}},
			})
		}
		resp := h.TxnOffsetCommit(t.Context(), client, req)
		require.Equal(t, [16]byte{99}, resp.Topics[0].TopicID)
		require.Equal(t, kerr.UnknownTopicID.Code, resp.Topics[0].Partitions[0].ErrorCode)
		require.Equal(t, [16]byte{1}, resp.Topics[1].TopicID)
		require.Zero(t, resp.Topics[1].Partitions[0].ErrorCode)
		require.NoError(t, h.mark(7, 2, true))
		h.both(0, true, 5, nil)
	})
	run(t, "a member of a group that is gone", Config{}, func(t *testing.T, h *harness) {
		for version, want := range map[int16]error{3: kerr.IllegalGeneration, 5: kerr.IllegalGeneration, 6: kerr.GroupIDNotFound} {
			req := kmsg.NewPtrTxnOffsetCommitRequest()
			req.Version, req.TransactionalID, req.Group, req.ProducerID, req.MemberID, req.Generation = version, "x", "g", 7, "m", 3
			req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{
				Topic: "ta", TopicID: [16]byte{1}, Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{Offset: 1}},
			}}
			resp := h.TxnOffsetCommit(t.Context(), client, req)
			require.Equal(t, want, kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode), "v%d", version)
		}
	})
	run(t, "two producers of one member", Config{}, func(t *testing.T, h *harness) {
		j := h.join(joinRequest("g", ""))
		send := func(pid int64, member string, generation int32, partition int32) error {
			req := kmsg.NewPtrTxnOffsetCommitRequest()
			req.Version, req.TransactionalID, req.Group, req.ProducerID = 5, "x", "g", pid
			req.MemberID, req.Generation = member, generation
			req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{
				Topic: "ta", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{Partition: partition, Offset: pid}},
			}}
			return kerr.ErrorForCode(h.TxnOffsetCommit(t.Context(), client, req).Topics[0].Partitions[0].ErrorCode)
		}
		require.NoError(t, send(7, j.MemberID, 1, 0), "allowed while the rebalance completes")
		require.NoError(t, send(8, j.MemberID, 1, 1))
		require.Equal(t, kerr.IllegalGeneration, send(7, j.MemberID, 2, 0))
		require.Equal(t, kerr.UnknownMemberID, send(7, "nobody", 1, 0))
		require.NoError(t, h.mark(7, 1, true))
		h.both(0, true, 7, nil)
		h.both(1, true, 0, kerr.UnstableOffsetCommit)
		require.NoError(t, h.mark(8, 1, true))
		h.both(1, true, 8, nil)
	})
}
