package group

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestOneMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, Config{})
		first := h.JoinGroup(t.Context(), client, joinRequest("g", ""))
		require.Equal(t, kerr.MemberIDRequired.Code, first.ErrorCode)
		require.Contains(t, first.MemberID, "c-")
		j := h.JoinGroup(t.Context(), client, joinRequest("g", first.MemberID))
		require.Zero(t, j.ErrorCode)
		require.Equal(t, int32(1), j.Generation)
		require.Equal(t, j.MemberID, j.LeaderID)
		require.Len(t, j.Members, 1)
		require.Equal(t, "range", *j.Protocol)
		s := h.sync("g", j, map[string]string{j.MemberID: "A"})
		require.Zero(t, s.ErrorCode)
		require.Equal(t, "A", string(s.MemberAssignment))
		require.NoError(t, h.beat("g", j.MemberID, 1))
		require.NoError(t, h.commit("g", j.MemberID, 1, "ta", 0, 42))
		at, err := h.fetch("g", "ta", 0, true)
		require.NoError(t, err)
		require.Equal(t, int64(42), at)

		h.restart()
		require.NoError(t, h.beat("g", j.MemberID, 1), "members survive a failover")
		at, err = h.fetch("g", "ta", 0, true)
		require.NoError(t, err)
		require.Equal(t, int64(42), at)
		s = h.sync("g", j, nil)
		require.Equal(t, "A", string(s.MemberAssignment))

		time.Sleep(11 * time.Second)
		require.Equal(t, kerr.UnknownMemberID, h.beat("g", j.MemberID, 1), "session expired")
	})
}

func TestSecondMemberRebalances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, Config{})
		a := h.join(joinRequest("g", ""))
		require.Equal(t, "A", string(h.sync("g", a, map[string]string{a.MemberID: "A"}).MemberAssignment))

		joined := make(chan *kmsg.JoinGroupResponse, 1)
		go func() { joined <- h.join(joinRequest("g", "")) }()
		synctest.Wait()
		require.Equal(t, kerr.RebalanceInProgress, h.beat("g", a.MemberID, 1))
		require.NoError(t, h.commit("g", a.MemberID, 1, "ta", 0, 1), "the old generation may commit while the next one forms")
		a = h.join(joinRequest("g", a.MemberID))
		b := <-joined
		require.Equal(t, int32(2), a.Generation)
		require.Equal(t, int32(2), b.Generation)
		require.Equal(t, a.MemberID, b.LeaderID, "the leader stays")
		require.Len(t, a.Members, 2)
		require.Empty(t, b.Members)
		require.Equal(t, kerr.RebalanceInProgress, h.commit("g", a.MemberID, 2, "ta", 0, 1), "no commits before the assignment")
		require.NoError(t, h.beat("g", a.MemberID, 2))

		synced := make(chan *kmsg.SyncGroupResponse, 1)
		go func() { synced <- h.sync("g", b, nil) }()
		synctest.Wait()
		require.Equal(t, "A", string(h.sync("g", a, map[string]string{a.MemberID: "A", b.MemberID: "B"}).MemberAssignment))
		require.Equal(t, "B", string((<-synced).MemberAssignment))
		require.Equal(t, kerr.IllegalGeneration, h.commit("g", a.MemberID, 1, "ta", 0, 1))
	})
}

func TestRebalanceTimeouts(t *testing.T) {
	run(t, "absent member is dropped", Config{}, func(t *testing.T, h *harness) {
		req := joinRequest("g", "")
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 60_000, 5_000
		a := h.join(req)
		h.sync("g", a, map[string]string{a.MemberID: "A"})
		b := h.join(req) // waits for a, which never joins
		require.Equal(t, int32(2), b.Generation)
		require.Equal(t, b.MemberID, b.LeaderID)
		require.Len(t, b.Members, 1)
		require.Equal(t, kerr.UnknownMemberID, h.beat("g", a.MemberID, 1))
	})
	run(t, "member that does not sync is dropped", Config{}, func(t *testing.T, h *harness) {
		req := joinRequest("g", "")
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 60_000, 5_000
		a := h.join(req)
		time.Sleep(6 * time.Second)
		require.Equal(t, kerr.UnknownMemberID, h.beat("g", a.MemberID, 1))
	})
	run(t, "followers are told when the leader does not sync", Config{}, func(t *testing.T, h *harness) {
		req := joinRequest("g", "")
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 60_000, 5_000
		a := h.join(req)
		h.sync("g", a, map[string]string{a.MemberID: "A"})
		joined := make(chan *kmsg.JoinGroupResponse, 1)
		go func() { joined <- h.join(req) }()
		synctest.Wait()
		again := *req
		again.MemberID = a.MemberID
		a = h.join(&again)
		b := <-joined
		require.Equal(t, kerr.RebalanceInProgress.Code, h.sync("g", b, nil).ErrorCode)
		require.Equal(t, kerr.UnknownMemberID, h.beat("g", a.MemberID, 2))
	})
	run(t, "a join given up does not block the group", Config{}, func(t *testing.T, h *harness) {
		req := joinRequest("g", "")
		first := h.JoinGroup(t.Context(), client, req)
		require.Equal(t, kerr.MemberIDRequired.Code, first.ErrorCode)
		b := h.join(req) // waits for the one who was given an id
		require.Equal(t, int32(1), b.Generation)
		require.Len(t, b.Members, 1)
	})
	run(t, "initial delay gathers members", Config{InitialRebalanceDelay: 3 * time.Second}, func(t *testing.T, h *harness) {
		joined := make(chan *kmsg.JoinGroupResponse, 3)
		for range 3 {
			go func() { joined <- h.join(joinRequest("g", "")) }()
			time.Sleep(2 * time.Second)
		}
		for range 3 {
			require.Equal(t, int32(1), (<-joined).Generation)
		}
	})
}

func TestJoinChecks(t *testing.T) {
	run(t, "table", Config{MaxSize: 1}, func(t *testing.T, h *harness) {
		a := h.join(joinRequest("g", ""))
		for _, c := range []struct {
			name   string
			change func(*kmsg.JoinGroupRequest)
			want   *kerr.Error
		}{
			{"no group", func(r *kmsg.JoinGroupRequest) { r.Group = "" }, kerr.InvalidGroupID},
			{"short session", func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = 5999 }, kerr.InvalidSessionTimeout},
			{"long session", func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = 1_800_001 }, kerr.InvalidSessionTimeout},
			{"unknown member", func(r *kmsg.JoinGroupRequest) { r.Group, r.MemberID = "other", "x" }, kerr.UnknownMemberID},
			{"no protocols", func(r *kmsg.JoinGroupRequest) { r.Group, r.Protocols = "other", nil }, kerr.InconsistentGroupProtocol},
			{"no type", func(r *kmsg.JoinGroupRequest) { r.Group, r.ProtocolType = "other", "" }, kerr.InconsistentGroupProtocol},
			{"another type", func(r *kmsg.JoinGroupRequest) { r.MemberID, r.ProtocolType = a.MemberID, "connect" }, kerr.InconsistentGroupProtocol},
			{"full", func(r *kmsg.JoinGroupRequest) {}, kerr.GroupMaxSizeReached},
			{"full, known stranger", func(r *kmsg.JoinGroupRequest) { r.MemberID = "x" }, kerr.GroupMaxSizeReached},
		} {
			req := joinRequest("g", "")
			c.change(req)
			require.Equal(t, c.want.Code, h.JoinGroup(t.Context(), client, req).ErrorCode, c.name)
		}
		groups := h.ListGroups(t.Context(), client, kmsg.NewPtrListGroupsRequest()).Groups
		require.Len(t, groups, 1, "refused joins leave no groups behind")
	})
}

func TestVote(t *testing.T) {
	p := func(names ...string) (out []kmsg.JoinGroupRequestProtocol) {
		for _, n := range names {
			out = append(out, kmsg.JoinGroupRequestProtocol{Name: n})
		}
		return out
	}
	for _, c := range []struct {
		want    string
		members [][]kmsg.JoinGroupRequestProtocol
	}{
		{"a", [][]kmsg.JoinGroupRequestProtocol{p("a", "b")}},
		{"b", [][]kmsg.JoinGroupRequestProtocol{p("a", "b"), p("b")}},
		{"b", [][]kmsg.JoinGroupRequestProtocol{p("a", "b"), p("b", "a"), p("b", "a")}},
		{"c", [][]kmsg.JoinGroupRequestProtocol{p("a", "b", "c"), p("b", "c"), p("c", "a")}},
	} {
		g := newGroup("g")
		for _, protocols := range c.members {
			g.members = append(g.members, &member{protocols: protocols})
		}
		require.Equal(t, c.want, g.vote())
	}
}

func TestLeave(t *testing.T) {
	run(t, "last member", Config{}, func(t *testing.T, h *harness) {
		a := h.join(joinRequest("g", ""))
		h.sync("g", a, map[string]string{a.MemberID: "A"})
		require.NoError(t, h.commit("g", a.MemberID, 1, "ta", 0, 5))
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Version, req.Group, req.MemberID = 2, "g", a.MemberID
		require.Zero(t, h.LeaveGroup(t.Context(), client, req).ErrorCode)
		for range 2 {
			d := kmsg.NewPtrDescribeGroupsRequest()
			d.Version, d.Groups = 6, []string{"g", "none"}
			resp := h.DescribeGroups(t.Context(), client, d)
			require.Equal(t, "Empty", resp.Groups[0].State)
			require.Equal(t, "consumer", resp.Groups[0].ProtocolType)
			require.Equal(t, kerr.GroupIDNotFound.Code, resp.Groups[1].ErrorCode)
			require.Equal(t, "Dead", resp.Groups[1].State)
			h.restart()
		}
		require.Equal(t, int32(3), h.join(joinRequest("g", "")).Generation, "generations go on after a failover")
	})
}

func TestJournalFailure(t *testing.T) {
	for _, written := range []bool{false, true} {
		run(t, map[bool]string{false: "lost", true: "answer lost"}[written], Config{}, func(t *testing.T, h *harness) {
			require.NoError(t, h.commit("g", "", -1, "ta", 0, 1))
			h.journal.FailNext(1, written)
			require.Equal(t, kerr.CoordinatorNotAvailable, h.commit("g", "", -1, "ta", 0, 2))
			require.NoError(t, h.Serving(t.Context()))
			at, err := h.fetch("g", "ta", 0, true)
			require.NoError(t, err)
			require.Equal(t, map[bool]int64{false: 1, true: 2}[written], at)
		})
	}
}

func TestSyncChecks(t *testing.T) {
	run(t, "table", Config{}, func(t *testing.T, h *harness) {
		a := h.join(joinRequest("g", ""))
		h.sync("g", a, map[string]string{a.MemberID: "A"})
		for _, c := range []struct {
			name   string
			change func(*kmsg.JoinGroupResponse)
			want   *kerr.Error
		}{
			{"unknown member", func(j *kmsg.JoinGroupResponse) { j.MemberID = "x" }, kerr.UnknownMemberID},
			{"old generation", func(j *kmsg.JoinGroupResponse) { j.Generation-- }, kerr.IllegalGeneration},
			{"new generation", func(j *kmsg.JoinGroupResponse) { j.Generation++ }, kerr.IllegalGeneration},
			{"another type", func(j *kmsg.JoinGroupResponse) { j.ProtocolType = kmsg.StringPtr("connect") }, kerr.InconsistentGroupProtocol},
			{"another protocol", func(j *kmsg.JoinGroupResponse) { j.Protocol = kmsg.StringPtr("sticky") }, kerr.InconsistentGroupProtocol},
		} {
			j := *a
			c.change(&j)
			require.Equal(t, c.want.Code, h.sync("g", &j, nil).ErrorCode, c.name)
		}
		require.Equal(t, kerr.UnknownMemberID.Code, h.sync("none", a, nil).ErrorCode)
		require.Equal(t, "A", string(h.sync("g", a, nil).MemberAssignment), "repeated")
	})
	run(t, "assignment too large for the journal", Config{MaxRecord: 1000}, func(t *testing.T, h *harness) {
		a := h.join(joinRequest("g", ""))
		require.Equal(t, kerr.UnknownServerError.Code, h.sync("g", a, map[string]string{a.MemberID: string(make([]byte, 2000))}).ErrorCode)
		a = h.join(joinRequest("g", a.MemberID))
		require.Equal(t, int32(2), a.Generation)
		require.Zero(t, h.sync("g", a, map[string]string{a.MemberID: "A"}).ErrorCode)
	})
}
