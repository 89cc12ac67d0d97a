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
