package group

import (
	"context"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Heartbeat answers API key 12.
//
//	v3 static members   v4 flexible
func (c *Coordinator) Heartbeat(ctx context.Context, _ coord.Caller, req *kmsg.HeartbeatRequest) *kmsg.HeartbeatResponse {
	resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
	ec, err := do(ctx, c, req.Group, func(m *Machine, s *coord.Step, p *coord.Promise[int16]) {
		s.Reply(p, code(m.heartbeat(s, req)))
	})
	if resp.ErrorCode = ec; err != nil {
		resp.ErrorCode = coord.Code(err)
	}
	return resp
}

func (m *Machine) heartbeat(s *coord.Step, req *kmsg.HeartbeatRequest) *kerrError {
	g := m.groups[req.Group]
	switch {
	case req.Group == "":
		return kerr.InvalidGroupID
	case g == nil:
		return errUnknownMember
	}
	mb, err := g.check(req.MemberID, req.InstanceID)
	switch {
	case err != nil:
		return err
	case req.Generation != g.generation:
		return kerr.IllegalGeneration
	}
	m.heard(s, g, mb)
	if g.state == PreparingRebalance {
		return kerr.RebalanceInProgress
	}
	return nil
}
