package group

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func staticJoin(instance, member string) *kmsg.JoinGroupRequest {
	req := joinRequest("g", member)
	req.InstanceID = &instance
	return req
}

func TestStaticMembership(t *testing.T) {
	// pair makes a stable group of instances i and j; i leads.
	pair := func(t *testing.T, h *harness) (i, j *kmsg.JoinGroupResponse) {
		i = h.join(staticJoin("i", ""))
		require.Zero(t, h.sync("g", i, map[string]string{i.MemberID: "I"}).ErrorCode)
		joined := make(chan *kmsg.JoinGroupResponse, 1)
		go func() { joined <- h.join(staticJoin("j", "")) }()
		synctest.Wait()
		i = h.join(staticJoin("i", i.MemberID))
		j = <-joined
		require.Zero(t, h.sync("g", i, map[string]string{i.MemberID: "I", j.MemberID: "J"}).ErrorCode)
		require.Equal(t, "J", string(h.sync("g", j, nil).MemberAssignment))
		return i, j
	}
	run(t, "follower comes back", Config{}, func(t *testing.T, h *harness) {
		i, j := pair(t, h)
		back := h.join(staticJoin("j", ""))
		require.Zero(t, back.ErrorCode)
		require.NotEqual(t, j.MemberID, back.MemberID)
		require.Equal(t, j.Generation, back.Generation, "no rebalance")
		require.Equal(t, "J", string(h.sync("g", back, nil).MemberAssignment))
		require.NoError(t, h.beat("g", i.MemberID, i.Generation))
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 4, "g", j.MemberID, j.Generation, kmsg.StringPtr("j")
		require.Equal(t, kerr.FencedInstanceID.Code, h.Heartbeat(t.Context(), client, req).ErrorCode)
		h.restart()
		require.NoError(t, h.beat("g", back.MemberID, back.Generation), "the new id is durable")
	})
	run(t, "leader comes back", Config{}, func(t *testing.T, h *harness) {
		i, _ := pair(t, h)
		back := h.join(staticJoin("i", ""))
		require.Equal(t, i.Generation, back.Generation)
		require.True(t, back.SkipAssignment)
		require.Equal(t, back.MemberID, back.LeaderID)
		require.Len(t, back.Members, 2)
		old := staticJoin("i", "")
		old.Version = 8
		again := h.join(old)
		require.Equal(t, i.Generation, again.Generation)
		require.NotEqual(t, again.MemberID, again.LeaderID, "before v9 it must not believe that it leads")
		require.Empty(t, again.Members)
	})
	run(t, "changed protocol rebalances", Config{}, func(t *testing.T, h *harness) {
		i, _ := pair(t, h)
		req := staticJoin("j", "")
		req.Protocols = append([]kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte("other")}}, req.Protocols...)
		req.Protocols[0].Name, req.Protocols[1].Name = "sticky", "range"
		back := h.join(req)
		require.Equal(t, i.Generation, back.Generation, "range is still the only common protocol")
		leader := staticJoin("i", i.MemberID)
		leader.Protocols = req.Protocols
		joined := make(chan *kmsg.JoinGroupResponse, 1)
		go func() { joined <- h.join(leader) }()
		synctest.Wait()
		require.Equal(t, kerr.RebalanceInProgress, h.beat("g", back.MemberID, back.Generation))
		req.MemberID = back.MemberID
		require.Equal(t, "sticky", *h.join(req).Protocol)
		require.Equal(t, i.Generation+1, (<-joined).Generation)
	})
	run(t, "absent member stays until its session ends", Config{}, func(t *testing.T, h *harness) {
		i, j := pair(t, h)
		time.Sleep(5 * time.Second)
		require.NoError(t, h.beat("g", i.MemberID, i.Generation))
		time.Sleep(6 * time.Second) // j's session of 10 s is over
		require.Equal(t, kerr.RebalanceInProgress, h.beat("g", i.MemberID, i.Generation))
		i = h.join(staticJoin("i", i.MemberID))
		require.Len(t, i.Members, 1)
		require.Equal(t, kerr.UnknownMemberID, h.beat("g", j.MemberID, j.Generation))
	})
	run(t, "removed by instance", Config{}, func(t *testing.T, h *harness) {
		i, _ := pair(t, h)
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Version, req.Group = 5, "g"
		req.Members = []kmsg.LeaveGroupRequestMember{{InstanceID: kmsg.StringPtr("j")}, {InstanceID: kmsg.StringPtr("k")}}
		resp := h.LeaveGroup(t.Context(), client, req)
		require.Zero(t, resp.Members[0].ErrorCode)
		require.Equal(t, kerr.UnknownMemberID.Code, resp.Members[1].ErrorCode)
		require.Equal(t, kerr.RebalanceInProgress, h.beat("g", i.MemberID, i.Generation))
	})
}
