package group

import (
	"context"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// JoinGroup answers API key 11.
//
//	v1 rebalance timeout (before: the session timeout)   v4 MEMBER_ID_REQUIRED (KIP-394)
//	v5 static members (KIP-345)    v6 flexible           v7 protocol type in the answer
//	v8 reason (KIP-800)            v9 SkipAssignment (KIP-814)
func (c *Coordinator) JoinGroup(ctx context.Context, from coord.Caller, req *kmsg.JoinGroupRequest) *kmsg.JoinGroupResponse {
	resp, err := do(ctx, c, req.Group, func(m *Machine, s *coord.Step, p *coord.Promise[*kmsg.JoinGroupResponse]) {
		m.joinGroup(s, from, req, p)
	})
	if err != nil {
		resp = joinError(req.Version, req.MemberID, nil)
		resp.ErrorCode = coord.Code(err)
	}
	return resp
}

// joinError answers a join that failed; Kafka's values for "none" differ from
// the generated defaults.
func joinError(version int16, memberID string, err *kerrError) *kmsg.JoinGroupResponse {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Version, resp.ErrorCode, resp.MemberID, resp.Generation = version, code(err), memberID, -1
	if version < 7 {
		resp.Protocol = kmsg.StringPtr("") // nullable since v7
	}
	return resp
}

func (m *Machine) joinGroup(s *coord.Step, from coord.Caller, req *kmsg.JoinGroupRequest, p *coord.Promise[*kmsg.JoinGroupResponse]) {
	session := milliseconds(req.SessionTimeoutMillis)
	refuse := func(err *kerrError) { s.Reply(p, joinError(req.Version, req.MemberID, err)) }
	switch {
	case req.Group == "":
		refuse(kerr.InvalidGroupID)
		return
	case session < m.cfg.MinSessionTimeout || session > m.cfg.MaxSessionTimeout:
		refuse(kerr.InvalidSessionTimeout)
		return
	}
	g := m.groups[req.Group]
	if g == nil {
		if req.MemberID != "" {
			refuse(errUnknownMember)
			return
		}
		g = m.group(req.Group)
		g.setState(Empty, s.Now)
		defer m.release(g)
	}
	switch {
	case !m.hasRoom(g, req.MemberID):
		delete(g.pendingMembers, req.MemberID)
		m.advance(s, g)
		refuse(kerr.GroupMaxSizeReached)
	case !g.supports(req.ProtocolType, req.Protocols):
		refuse(kerr.InconsistentGroupProtocol)
	case req.MemberID == "":
		m.joinNew(s, g, from, req, p)
	default:
		m.joinKnown(s, g, from, req, p)
	}
}

// hasRoom reports whether the group may take the member: those who are in, or
// have joined this phase, are never refused.
func (m *Machine) hasRoom(g *group, memberID string) bool {
	if m.cfg.MaxSize <= 0 || g.state == Empty {
		return true
	}
	mb := g.member(memberID)
	if g.state == PreparingRebalance {
		return mb != nil && mb.join != nil || g.joining() < m.cfg.MaxSize
	}
	return mb != nil || len(g.members) < m.cfg.MaxSize
}

// joinNew takes a member that has no id yet.
func (m *Machine) joinNew(s *coord.Step, g *group, from coord.Caller, req *kmsg.JoinGroupRequest, p *coord.Promise[*kmsg.JoinGroupResponse]) {
	if req.InstanceID != nil {
		id := m.cfg.NewMemberID(*req.InstanceID)
		if old := g.static[*req.InstanceID]; old != nil {
			m.replaceStatic(s, g, old, id, from, req, p)
			return
		}
		m.addMember(s, g, id, from, req, p)
		return
	}
	id := m.cfg.NewMemberID(from.ClientID)
	if req.Version < 4 {
		m.addMember(s, g, id, from, req, p)
		return
	}
	g.pendingMembers[id] = struct{}{}
	m.timers.Set(timer{timerPending, g.id, id}, s.Now.Add(milliseconds(req.SessionTimeoutMillis)))
	s.Reply(p, joinError(req.Version, id, kerr.MemberIDRequired))
}

// joinKnown takes a member that comes back with its id.
func (m *Machine) joinKnown(s *coord.Step, g *group, from coord.Caller, req *kmsg.JoinGroupRequest, p *coord.Promise[*kmsg.JoinGroupResponse]) {
	refuse := func(err *kerrError) { s.Reply(p, joinError(req.Version, req.MemberID, err)) }
	if _, ok := g.pendingMembers[req.MemberID]; ok && req.InstanceID == nil {
		m.timers.Stop(timer{timerPending, g.id, req.MemberID})
		m.addMember(s, g, req.MemberID, from, req, p)
		return
	}
	mb, err := g.check(req.MemberID, req.InstanceID)
	if err != nil {
		refuse(err)
		return
	}
	same := mb.sameProtocols(req.Protocols)
	switch {
	case g.state == CompletingRebalance && same,
		g.state == Stable && same && mb.id != g.leader:
		// The answer got lost, or a follower asks without need: this
		// generation's answer.
		m.heard(s, g, mb)
		resp := g.joined(mb, g.state == CompletingRebalance && mb.id == g.leader)
		resp.Version = req.Version
		s.Reply(p, resp)
	case g.state == Empty:
		refuse(errUnknownMember)
	default:
		m.park(s, g, mb, req, p)
		m.rebalance(s, g)
	}
}

func (m *Machine) addMember(s *coord.Step, g *group, id string, from coord.Caller, req *kmsg.JoinGroupRequest, p *coord.Promise[*kmsg.JoinGroupResponse]) {
	if len(g.members) == 0 {
		g.protocolType = req.ProtocolType
	}
	mb := &member{id: id, clientID: from.ClientID, host: from.Host, instance: req.InstanceID, isNew: true}
	g.add(mb)
	m.park(s, g, mb, req, p)
	m.timers.Set(timer{timerSession, g.id, id}, s.Now.Add(newMemberTimeout))
	g.newcomers = true
	m.rebalance(s, g)
}

// park keeps the join until the phase completes. What an earlier join of the
// same member waits for is void.
func (m *Machine) park(s *coord.Step, g *group, mb *member, req *kmsg.JoinGroupRequest, p *coord.Promise[*kmsg.JoinGroupResponse]) {
	m.refuse(s, mb, kerr.RebalanceInProgress)
	mb.update(req)
	mb.join, mb.joinVersion = p, req.Version
	if !mb.isNew {
		m.timers.Stop(timer{timerSession, g.id, mb.id})
	}
}

func (mb *member) update(req *kmsg.JoinGroupRequest) {
	mb.session = milliseconds(req.SessionTimeoutMillis)
	mb.rebalance = milliseconds(req.RebalanceTimeoutMillis)
	if req.Version < 1 || mb.rebalance <= 0 {
		mb.rebalance = mb.session
	}
	mb.protocols = cloneProtocols(req.Protocols)
}

// replaceStatic gives the place of a static member to its next incarnation
// under a new id; the old id is fenced. In a stable group whose protocol stays
// the same nothing moves and no rebalance is needed.
func (m *Machine) replaceStatic(s *coord.Step, g *group, mb *member, id string, from coord.Caller, req *kmsg.JoinGroupRequest, p *coord.Promise[*kmsg.JoinGroupResponse]) {
	m.timers.Stop(timer{timerSession, g.id, mb.id})
	m.refuse(s, mb, errFencedInstance)
	oldLeader := g.leader
	if g.leader == mb.id {
		g.leader = id
	}
	mb.id, mb.clientID, mb.host = id, from.ClientID, from.Host
	mb.update(req)
	if g.state != Stable || g.vote() != g.protocol {
		mb.isNew = true
		m.park(s, g, mb, req, p)
		m.timers.Set(timer{timerSession, g.id, id}, s.Now.Add(newMemberTimeout))
		m.rebalance(s, g)
		return
	}
	mb.isNew = false
	m.heard(s, g, mb)
	m.putGroup(s, g.id, g.snapshot())
	leads := id == g.leader
	resp := g.joined(mb, leads && req.Version >= 9)
	resp.Version, resp.SkipAssignment = req.Version, leads && req.Version >= 9
	if leads && req.Version < 9 {
		// It must not think that it leads: it would compute an assignment
		// that nobody waits for.
		resp.LeaderID = oldLeader
	}
	s.Reply(p, resp)
}

// joined is the answer of the present generation; only the leader gets the
// members.
func (g *group) joined(mb *member, withMembers bool) *kmsg.JoinGroupResponse {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Version = mb.joinVersion
	resp.Generation = g.generation
	resp.ProtocolType, resp.Protocol = kmsg.StringPtr(g.protocolType), kmsg.StringPtr(g.protocol)
	resp.LeaderID, resp.MemberID = g.leader, mb.id
	if !withMembers {
		return resp
	}
	resp.Members = make([]kmsg.JoinGroupResponseMember, len(g.members))
	for i, x := range g.members {
		resp.Members[i].MemberID, resp.Members[i].InstanceID = x.id, x.instance
		resp.Members[i].ProtocolMetadata = x.metadata(g.protocol)
	}
	return resp
}
