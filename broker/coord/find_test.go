package coord_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leaders knows the coordinator of groups; that of transactions is not there
// yet.
type leaders struct{}

func (leaders) CoordinatorFor(_ context.Context, topic, key string) (coord.Node, error) {
	if topic == coord.OffsetsTopic {
		return coord.Node{ID: 7, Host: key + ".example", Port: 9092}, nil
	}
	return coord.Node{}, kerr.CoordinatorNotAvailable
}

func TestFindCoordinator(t *testing.T) {
	find := func(version int16, kind int8, keys ...string) *kmsg.FindCoordinatorResponse {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.Version, req.CoordinatorType, req.CoordinatorKeys, req.CoordinatorKey = version, kind, keys, keys[0]
		resp := coord.FindCoordinator(t.Context(), leaders{}, req)
		require.Equal(t, version, resp.Version)
		return resp
	}
	resp := find(3, 0, "g")
	require.Zero(t, resp.ErrorCode)
	require.Equal(t, []any{int32(7), "g.example", int32(9092)}, []any{resp.NodeID, resp.Host, resp.Port})
	resp = find(1, 1, "x")
	require.Equal(t, kerr.CoordinatorNotAvailable.Code, resp.ErrorCode)
	require.Equal(t, int32(-1), resp.NodeID)
	resp = find(6, 0, "g", "h")
	require.Len(t, resp.Coordinators, 2)
	require.Equal(t, "h", resp.Coordinators[1].Key)
	require.Equal(t, "h.example", resp.Coordinators[1].Host)
	require.Equal(t, kerr.CoordinatorNotAvailable.Code, find(6, 1, "x").Coordinators[0].ErrorCode)
	require.Equal(t, kerr.InvalidRequest.Code, find(6, 2, "g:t:0").Coordinators[0].ErrorCode)
}

func TestCode(t *testing.T) {
	require.Zero(t, coord.Code(nil))
	require.Equal(t, kerr.NotCoordinator.Code, coord.Code(coord.ErrNotLeader))
	require.Equal(t, kerr.CoordinatorLoadInProgress.Code, coord.Code(coord.ErrLoading))
	require.Equal(t, kerr.CoordinatorNotAvailable.Code, coord.Code(coord.ErrLost))
	require.Equal(t, kerr.CoordinatorNotAvailable.Code, coord.Code(context.Canceled))
}
