package group

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestCommitChecks(t *testing.T) {
	run(t, "table", Config{}, func(t *testing.T, h *harness) {
		require.Equal(t, kerr.IllegalGeneration, h.commit("new", "m", 3, "ta", 0, 1))
		require.Equal(t, kerr.InvalidGroupID, h.commit("", "", -1, "ta", 0, 1))
		require.Equal(t, kerr.UnknownTopicOrPartition, h.commit("g", "", -1, "nope", 0, 1))
		require.Equal(t, kerr.UnknownTopicOrPartition, h.commit("g", "", -1, "ta", 4, 1))
		req := commitRequest("g", "", -1, "ta", 0, 1)
		long := string(make([]byte, 4097))
		req.Topics[0].Partitions[0].Metadata = &long
		require.Equal(t, kerr.OffsetMetadataTooLarge.Code, h.OffsetCommit(t.Context(), client, req).Topics[0].Partitions[0].ErrorCode)
		require.Empty(t, h.ListGroups(t.Context(), client, kmsg.NewPtrListGroupsRequest()).Groups)

		require.NoError(t, h.commit("g", "", -1, "ta", 0, 1), "a consumer that only keeps offsets")
		a := h.join(joinRequest("g", ""))
		h.sync("g", a, nil)
		require.Equal(t, kerr.UnknownMemberID, h.commit("g", "", -1, "ta", 0, 2), "not beside a live group")
		require.Equal(t, kerr.IllegalGeneration, h.commit("g", a.MemberID, 9, "ta", 0, 2))
		require.NoError(t, h.commit("g", a.MemberID, a.Generation, "ta", 0, 2))
	})
}

func TestCommitKeepsSessionAlive(t *testing.T) {
	run(t, "commits only", Config{}, func(t *testing.T, h *harness) {
		a := h.join(joinRequest("g", ""))
		h.sync("g", a, nil)
		for range 5 {
			time.Sleep(9 * time.Second)
			require.NoError(t, h.commit("g", a.MemberID, 1, "ta", 0, 2))
		}
	})
}

func TestFetchVersions(t *testing.T) {
	run(t, "all", Config{}, func(t *testing.T, h *harness) {
		require.NoError(t, h.commit("g", "", -1, "ta", 0, 10))
		require.NoError(t, h.commit("g", "", -1, "tb", 1, 11))
		byID := commitRequest("g", "", -1, "", 2, 12)
		byID.Version, byID.Topics[0].TopicID = 10, [16]byte{3}
		require.Zero(t, h.OffsetCommit(t.Context(), client, byID).Topics[0].Partitions[0].ErrorCode)
		byID.Topics[0].TopicID = [16]byte{99}
		require.Equal(t, kerr.UnknownTopicID.Code, h.OffsetCommit(t.Context(), client, byID).Topics[0].Partitions[0].ErrorCode)
		h.restart()
		for _, version := range []int16{1, 2, 5, 7} {
			req := kmsg.NewPtrOffsetFetchRequest()
			req.Version, req.Group = version, "g"
			req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "tc", Partitions: []int32{2, 3}}}
			got := h.OffsetFetch(t.Context(), client, req).Topics
			require.Len(t, got, 1)
			require.Equal(t, int64(12), got[0].Partitions[0].Offset)
			require.Equal(t, int32(3), got[0].Partitions[0].LeaderEpoch)
			require.Equal(t, int64(-1), got[0].Partitions[1].Offset)
			require.Zero(t, got[0].Partitions[1].ErrorCode)
			if version >= 2 {
				req.Topics = nil
				require.Len(t, h.OffsetFetch(t.Context(), client, req).Topics, 3)
			}
		}
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Version = 10
		req.Groups = []kmsg.OffsetFetchRequestGroup{
			{Group: "g"}, {Group: "none"},
			{Group: "g", Topics: []kmsg.OffsetFetchRequestGroupTopic{{TopicID: [16]byte{2}, Partitions: []int32{1}}, {TopicID: [16]byte{50}, Partitions: []int32{0}}}},
		}
		got := h.OffsetFetch(t.Context(), client, req).Groups
		require.Len(t, got[0].Topics, 3)
		require.Equal(t, [16]byte{1}, got[0].Topics[0].TopicID)
		require.Zero(t, got[1].ErrorCode)
		require.Empty(t, got[1].Topics)
		require.Equal(t, int64(11), got[2].Topics[0].Partitions[0].Offset)
		require.Equal(t, kerr.UnknownTopicID.Code, got[2].Topics[1].Partitions[0].ErrorCode)
	})
}

func TestExpiry(t *testing.T) {
	const day = 24 * time.Hour
	offset := func(h *harness, group, topic string) int64 {
		at, err := h.fetch(group, topic, 0, false)
		require.NoError(h.t, err)
		return at
	}
	run(t, "without members", Config{}, func(t *testing.T, h *harness) {
		require.NoError(t, h.commit("g", "", -1, "ta", 0, 1))
		time.Sleep(6 * day)
		require.NoError(t, h.commit("g", "", -1, "tb", 0, 1))
		time.Sleep(2 * day)
		require.Equal(t, int64(-1), offset(h, "g", "ta"))
		require.Equal(t, int64(1), offset(h, "g", "tb"))
		time.Sleep(6 * day)
		require.Empty(t, h.ListGroups(t.Context(), client, kmsg.NewPtrListGroupsRequest()).Groups)
		h.restart()
		require.Empty(t, h.ListGroups(t.Context(), client, kmsg.NewPtrListGroupsRequest()).Groups)
	})
	run(t, "of a live group, only what nobody subscribes to", Config{}, func(t *testing.T, h *harness) {
		req := joinRequest("g", "") // subscribes to ta
		req.SessionTimeoutMillis = 1_800_000
		a := h.join(req)
		h.sync("g", a, nil)
		require.NoError(t, h.commit("g", a.MemberID, 1, "ta", 0, 1))
		require.NoError(t, h.commit("g", a.MemberID, 1, "tb", 0, 1))
		for range 8 * 24 * 3 {
			time.Sleep(20 * time.Minute)
			require.NoError(t, h.beat("g", a.MemberID, 1))
		}
		require.Equal(t, int64(1), offset(h, "g", "ta"))
		require.Equal(t, int64(-1), offset(h, "g", "tb"))
		time.Sleep(6 * day) // the member has left; the clock starts then
		require.Equal(t, int64(1), offset(h, "g", "ta"))
		time.Sleep(2 * day)
		require.Equal(t, int64(-1), offset(h, "g", "ta"))
	})
	run(t, "not while a transaction is open", Config{}, func(t *testing.T, h *harness) {
		require.NoError(t, h.commit("g", "", -1, "ta", 0, 1))
		require.NoError(t, h.txnCommit(5, 7, 0, "ta", 0, 2))
		time.Sleep(8 * day)
		require.Equal(t, int64(1), offset(h, "g", "ta"))
		require.NoError(t, h.mark(7, 1, false))
		time.Sleep(time.Hour)
		require.Equal(t, int64(-1), offset(h, "g", "ta"))
	})
}

func TestOffsetDelete(t *testing.T) {
	run(t, "rules", Config{}, func(t *testing.T, h *harness) {
		a := h.join(joinRequest("g", ""))
		h.sync("g", a, nil)
		for _, topic := range []string{"ta", "tb", "tc"} {
			require.NoError(t, h.commit("g", a.MemberID, 1, topic, 0, 1))
		}
		require.NoError(t, h.txnCommit(5, 7, 0, "tc", 0, 2))
		req := kmsg.NewPtrOffsetDeleteRequest()
		req.Group = "g"
		for _, topic := range []string{"ta", "tb", "tc"} {
			req.Topics = append(req.Topics, kmsg.OffsetDeleteRequestTopic{
				Topic: topic, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}},
			})
		}
		resp := h.OffsetDelete(t.Context(), client, req)
		require.Equal(t, kerr.GroupSubscribedToTopic.Code, resp.Topics[0].Partitions[0].ErrorCode)
		require.Zero(t, resp.Topics[1].Partitions[0].ErrorCode)
		require.Equal(t, kerr.UnstableOffsetCommit.Code, resp.Topics[2].Partitions[0].ErrorCode)
		at, err := h.fetch("g", "tb", 0, false)
		require.NoError(t, err)
		require.Equal(t, int64(-1), at)

		del := kmsg.NewPtrDeleteGroupsRequest()
		del.Groups = []string{"g", "none"}
		got := h.DeleteGroups(t.Context(), client, del).Groups
		require.Equal(t, kerr.NonEmptyGroup.Code, got[0].ErrorCode)
		require.Equal(t, kerr.GroupIDNotFound.Code, got[1].ErrorCode)
		require.Contains(t, *got[0].ErrorMessage, "has members")
		require.Contains(t, *got[1].ErrorMessage, `no group "none"`)

		require.NoError(t, h.DeleteTopics(t.Context(), "ta", "tc"))
		require.NoError(t, h.mark(7, 1, true))
		for _, topic := range []string{"ta", "tc"} {
			at, err := h.fetch("g", topic, 0, true)
			require.NoError(t, err)
			require.Equal(t, int64(-1), at, "offsets of deleted topics do not come back")
		}
	})
}
