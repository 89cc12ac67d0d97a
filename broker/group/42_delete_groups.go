package group

import (
	"context"
	"fmt"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteGroups answers API key 42: groups without members, and their offsets.
// Offsets in open transactions go too, as if the transaction had committed
// before the deletion.
//
//	v2 flexible   v3 error message
func (c *Coordinator) DeleteGroups(ctx context.Context, _ coord.Caller, req *kmsg.DeleteGroupsRequest) *kmsg.DeleteGroupsResponse {
	resp := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
	for _, id := range req.Groups {
		x := kmsg.NewDeleteGroupsResponseGroup()
		x.Group = id
		ec, err := do(ctx, c, id, func(m *Machine, s *coord.Step, p *coord.Promise[int16]) {
			s.Reply(p, code(m.deleteGroup(s, id)))
		})
		if x.ErrorCode = ec; err != nil {
			x.ErrorCode = coord.Code(err)
		}
		x.ErrorMessage = deletionMessage(id, x.ErrorCode)
		resp.Groups = append(resp.Groups, x)
	}
	return resp
}

// deletionMessage says why a group was not deleted, nil where it was.
func deletionMessage(id string, ec int16) *string {
	var msg string
	switch ec {
	case 0:
		return nil
	case kerr.NonEmptyGroup.Code:
		msg = fmt.Sprintf("Group %q has members; stop them first.", id)
	case kerr.GroupIDNotFound.Code:
		msg = fmt.Sprintf("There is no group %q.", id)
	default:
		msg = fmt.Sprintf("Group %q cannot be deleted: %s", id, kerr.TypedErrorForCode(ec).Description)
	}
	return &msg
}

func (m *Machine) deleteGroup(s *coord.Step, id string) *kerrError {
	g := m.groups[id]
	switch {
	case id == "":
		return kerr.InvalidGroupID
	case g == nil:
		return kerr.GroupIDNotFound
	case g.state != Empty:
		return kerr.NonEmptyGroup
	}
	for _, tp := range g.allPartitions() {
		m.putOffset(s, id, tp, nil)
	}
	if g.stored != nil {
		m.putGroup(s, id, nil)
	}
	g.generation, g.protocolType = 0, ""
	m.release(g)
	return nil
}

// DeleteTopics removes the offsets of topics that were deleted, in all groups
// led here.
func (c *Coordinator) DeleteTopics(ctx context.Context, topics ...string) error {
	for _, partition := range c.shards.All() {
		shard, err := c.shards.Get(partition)
		if err != nil {
			continue // resigned meanwhile
		}
		_, err = shard.Do(ctx, func(m *Machine, s *coord.Step, p *coord.Promise[struct{}]) {
			m.deleteTopics(s, topics)
			s.Reply(p, struct{}{})
		})
		if err != nil {
			return err
		}
	}
	return nil
}
