package group

import (
	"context"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// LeaveGroup answers API key 13.
//
//	v3 several members, by id or instance id   v4 flexible   v5 reason (KIP-800)
func (c *Coordinator) LeaveGroup(ctx context.Context, _ coord.Caller, req *kmsg.LeaveGroupRequest) *kmsg.LeaveGroupResponse {
	resp, err := do(ctx, c, req.Group, func(m *Machine, s *coord.Step, p *coord.Promise[*kmsg.LeaveGroupResponse]) {
		s.Reply(p, m.leaveGroup(s, req))
	})
	if err != nil {
		resp = req.ResponseKind().(*kmsg.LeaveGroupResponse)
		resp.ErrorCode = coord.Code(err)
	}
	return resp
}

func (m *Machine) leaveGroup(s *coord.Step, req *kmsg.LeaveGroupRequest) *kmsg.LeaveGroupResponse {
	resp := req.ResponseKind().(*kmsg.LeaveGroupResponse)
	if req.Group == "" {
		resp.ErrorCode = kerr.InvalidGroupID.Code
		return resp
	}
	g := m.groups[req.Group]
	if req.Version < 3 {
		resp.ErrorCode = code(m.leave(s, g, req.MemberID, nil))
	}
	for _, x := range req.Members {
		r := kmsg.NewLeaveGroupResponseMember()
		r.MemberID, r.InstanceID = x.MemberID, x.InstanceID
		r.ErrorCode = code(m.leave(s, g, x.MemberID, x.InstanceID))
		resp.Members = append(resp.Members, r)
	}
	if g != nil {
		m.release(g)
	}
	return resp
}

// leave removes one member. An administrator may name a static member by its
// instance alone.
func (m *Machine) leave(s *coord.Step, g *group, id string, instance *string) *kerrError {
	if g == nil {
		return errUnknownMember
	}
	if _, ok := g.pendingMembers[id]; ok && instance == nil {
		delete(g.pendingMembers, id)
		m.timers.Stop(timer{timerPending, g.id, id})
		m.advance(s, g)
		return nil
	}
	if instance != nil && id == "" {
		if mb := g.static[*instance]; mb != nil {
			id = mb.id
		}
	}
	mb, err := g.check(id, instance)
	if err != nil {
		return err
	}
	m.drop(s, g, mb)
	m.rebalance(s, g)
	return nil
}
