package coord

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Node is where a coordinator can be reached.
type Node struct {
	ID   int32
	Host string
	Port int32
}

// Leaders finds the leader of an internal topic's partition for a key. At the
// first use it starts the topic's creation and reports
// kerr.CoordinatorNotAvailable until a leader exists.
type Leaders interface {
	CoordinatorFor(ctx context.Context, topic, key string) (Node, error)
}

// FindCoordinator answers API key 10.
//
//	v1 coordinator type (0 group, 1 transaction)   v3 flexible
//	v4 several keys a request (KIP-699)            v5 TRANSACTION_ABORTABLE may be returned
//	v6 type 2, share groups (KIP-932): INVALID_REQUEST, there are none here
func FindCoordinator(ctx context.Context, leaders Leaders, req *kmsg.FindCoordinatorRequest) *kmsg.FindCoordinatorResponse {
	resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
	keys := req.CoordinatorKeys
	if req.Version < 4 {
		keys = []string{req.CoordinatorKey}
	}
	for _, key := range keys {
		c := kmsg.NewFindCoordinatorResponseCoordinator()
		c.Key, c.NodeID, c.Port = key, -1, -1
		node, err := find(ctx, leaders, req.CoordinatorType, key)
		if err != nil {
			c.ErrorCode = Code(err)
			c.ErrorMessage = kmsg.StringPtr(err.Error())
		} else {
			c.NodeID, c.Host, c.Port = node.ID, node.Host, node.Port
		}
		if req.Version < 4 {
			resp.ErrorCode, resp.ErrorMessage = c.ErrorCode, c.ErrorMessage
			resp.NodeID, resp.Host, resp.Port = c.NodeID, c.Host, c.Port
			return resp
		}
		resp.Coordinators = append(resp.Coordinators, c)
	}
	return resp
}

func find(ctx context.Context, leaders Leaders, kind int8, key string) (Node, error) {
	switch kind {
	case 0:
		return leaders.CoordinatorFor(ctx, OffsetsTopic, key)
	case 1:
		return leaders.CoordinatorFor(ctx, TransactionsTopic, key)
	default:
		return Node{}, kerr.InvalidRequest
	}
}
