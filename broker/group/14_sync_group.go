package group

import (
	"bytes"
	"context"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// SyncGroup answers API key 14.
//
//	v3 static members   v4 flexible   v5 protocol type and name, which must match
func (c *Coordinator) SyncGroup(ctx context.Context, _ coord.Caller, req *kmsg.SyncGroupRequest) *kmsg.SyncGroupResponse {
	resp, err := do(ctx, c, req.Group, func(m *Machine, s *coord.Step, p *coord.Promise[*kmsg.SyncGroupResponse]) {
		m.syncGroup(s, req, p)
	})
	if err != nil {
		resp = syncError(req.Version, nil)
		resp.ErrorCode = coord.Code(err)
	}
	return resp
}

func syncError(version int16, err *kerrError) *kmsg.SyncGroupResponse {
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.Version, resp.ErrorCode = version, code(err)
	resp.MemberAssignment = []byte{} // not nullable
	return resp
}

func (m *Machine) syncGroup(s *coord.Step, req *kmsg.SyncGroupRequest, p *coord.Promise[*kmsg.SyncGroupResponse]) {
	g := m.groups[req.Group]
	mb, err := m.checkSync(g, req)
	if err != nil {
		s.Reply(p, syncError(req.Version, err))
		return
	}
	if mb.sync != nil { // the member asks again: the first connection is gone
		s.Reply(mb.sync, syncError(mb.syncVersion, kerr.RebalanceInProgress))
		mb.sync = nil
	}
	mb.synced = true
	if g.state == Stable {
		m.heard(s, g, mb)
		s.Reply(p, g.synced(mb, req.Version))
		m.stopSyncPhase(g)
		return
	}
	mb.sync, mb.syncVersion = p, req.Version
	m.timers.Stop(timer{timerSession, g.id, mb.id})
	if mb.id != g.leader {
		return
	}
	m.assign(s, g, req.GroupAssignment)
}

func (m *Machine) checkSync(g *group, req *kmsg.SyncGroupRequest) (*member, *kerrError) {
	switch {
	case req.Group == "":
		return nil, kerr.InvalidGroupID
	case g == nil:
		return nil, errUnknownMember
	}
	mb, err := g.check(req.MemberID, req.InstanceID)
	switch {
	case err != nil:
		return nil, err
	case req.Generation != g.generation:
		return nil, kerr.IllegalGeneration
	case req.ProtocolType != nil && *req.ProtocolType != g.protocolType,
		req.Protocol != nil && *req.Protocol != g.protocol && g.state != PreparingRebalance:
		return nil, kerr.InconsistentGroupProtocol
	case g.state == PreparingRebalance:
		return nil, kerr.RebalanceInProgress
	case g.state == Empty:
		return nil, errUnknownMember
	}
	return mb, nil
}

// assign takes the leader's assignments, stores the generation and answers
// everyone who waits. Members the leader forgot get an empty assignment.
func (m *Machine) assign(s *coord.Step, g *group, assignments []kmsg.SyncGroupRequestGroupAssignment) {
	for _, mb := range g.members {
		mb.assignment = []byte{}
	}
	for _, a := range assignments {
		if mb := g.member(a.MemberID); mb != nil {
			mb.assignment = bytes.Clone(a.MemberAssignment)
			if mb.assignment == nil {
				mb.assignment = []byte{}
			}
		}
	}
	since := g.since
	g.since = s.Now
	v := g.snapshot()
	if size := len(v.AppendTo(nil)); size > m.cfg.MaxRecord {
		g.since = since
		m.answerSyncs(s, g, kerr.UnknownServerError)
		m.prepare(s, g)
		return
	}
	m.putGroup(s, g.id, v)
	g.setState(Stable, s.Now)
	m.answerSyncs(s, g, nil)
	m.stopSyncPhase(g)
}

func (m *Machine) stopSyncPhase(g *group) {
	if g.allSynced() {
		m.timers.Stop(timer{timerSync, g.id, ""})
	}
}

// synced is a member's part of the assignment.
func (g *group) synced(mb *member, version int16) *kmsg.SyncGroupResponse {
	resp := syncError(version, nil)
	resp.ProtocolType, resp.Protocol = kmsg.StringPtr(g.protocolType), kmsg.StringPtr(g.protocol)
	if mb.assignment != nil {
		resp.MemberAssignment = mb.assignment
	}
	return resp
}
