package group

import (
	"time"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A rebalance has two phases.
//
//	          first member                all joined, or timeout
//	Empty ──────────────▶ PreparingRebalance ─────────────▶ CompletingRebalance
//	  ▲                    ▲   │ nobody left                   │ leader syncs
//	  └────────────────────┼───┘                               ▼
//	                       └──── join, leave, expiry ──────  Stable
//
// The generation grows each time a join phase completes.

// prepare starts a join phase.
func (m *Machine) prepare(s *coord.Step, g *group) {
	if g.state == CompletingRebalance {
		m.answerSyncs(s, g, kerr.RebalanceInProgress)
	}
	m.timers.Stop(timer{timerSync, g.id, ""})
	initial := g.state == Empty
	g.setState(PreparingRebalance, s.Now)
	if delay := min(m.cfg.InitialRebalanceDelay, g.rebalanceTimeout()); initial && delay > 0 {
		g.initialUntil = s.Now.Add(g.rebalanceTimeout())
		g.newcomers = false
		m.timers.Set(timer{timerJoin, g.id, ""}, s.Now.Add(delay))
		return
	}
	g.initialUntil = time.Time{}
	m.timers.Set(timer{timerJoin, g.id, ""}, s.Now.Add(g.rebalanceTimeout()))
	m.advance(s, g)
}

// advance completes the join phase if nobody is missing. It is called after
// anything that may have been waited for.
func (m *Machine) advance(s *coord.Step, g *group) {
	if g.state == PreparingRebalance && g.initialUntil.IsZero() && g.allJoined() {
		m.completeJoin(s, g)
	}
}

// rebalance starts a join phase or, when there is one, looks whether it is
// complete.
func (m *Machine) rebalance(s *coord.Step, g *group) {
	if g.state == PreparingRebalance {
		m.advance(s, g)
		return
	}
	m.prepare(s, g)
}

// joinTimeout ends the join phase without those who are missing, or prolongs
// an initial delay during which members have come.
func (m *Machine) joinTimeout(s *coord.Step, g *group) {
	if g.state != PreparingRebalance {
		return
	}
	if left := g.initialUntil.Sub(s.Now); !g.initialUntil.IsZero() && g.newcomers && left > 0 {
		g.newcomers = false
		m.timers.Set(timer{timerJoin, g.id, ""}, s.Now.Add(min(m.cfg.InitialRebalanceDelay, left)))
		return
	}
	g.initialUntil = time.Time{}
	m.completeJoin(s, g)
}

// completeJoin begins the next generation with the members that have joined.
// Absent static members stay until their session expires.
func (m *Machine) completeJoin(s *coord.Step, g *group) {
	for _, mb := range append([]*member(nil), g.members...) {
		if mb.join == nil && mb.instance == nil {
			m.drop(s, g, mb)
		}
	}
	if len(g.members) > 0 && !m.electLeader(g) {
		// Only absent static members are left: nobody could compute an
		// assignment. Wait until one comes back or its session ends.
		m.timers.Set(timer{timerJoin, g.id, ""}, s.Now.Add(g.rebalanceTimeout()))
		return
	}
	m.timers.Stop(timer{timerJoin, g.id, ""})
	// Generations start at 1 and stay positive: −1 means none.
	if g.generation++; g.generation < 1 {
		g.generation = 1
	}
	if len(g.members) == 0 {
		g.setState(Empty, s.Now)
		g.protocol, g.leader = "", ""
		m.putGroup(s, g.id, g.snapshot())
		return
	}
	g.protocol = g.vote()
	g.setState(CompletingRebalance, s.Now)
	for _, mb := range g.members {
		mb.synced = mb.join == nil // who is absent cannot be waited for
		m.answerJoin(s, g, mb, g.joined(mb, mb.id == g.leader))
	}
	m.timers.Set(timer{timerSync, g.id, ""}, s.Now.Add(g.rebalanceTimeout()))
}

// electLeader keeps the leader if it has joined, else takes the first member
// that has.
func (m *Machine) electLeader(g *group) bool {
	if mb := g.member(g.leader); mb != nil && mb.join != nil {
		return true
	}
	for _, mb := range g.members {
		if mb.join != nil {
			g.leader = mb.id
			return true
		}
	}
	return false
}

// syncTimeout removes the members that have not synced and starts over.
func (m *Machine) syncTimeout(s *coord.Step, g *group) {
	if g.state != CompletingRebalance && g.state != Stable || g.allSynced() {
		return
	}
	for _, mb := range append([]*member(nil), g.members...) {
		if !mb.synced {
			m.drop(s, g, mb)
		}
	}
	m.prepare(s, g)
}

// expireSession removes a member that has not been heard of. Parked joins and
// syncs cannot send heartbeats: their timers are stopped.
func (m *Machine) expireSession(s *coord.Step, g *group, id string) {
	if mb := g.member(id); mb != nil {
		m.drop(s, g, mb)
		m.rebalance(s, g)
	}
}

// drop removes a member. The caller looks after the group's state.
func (m *Machine) drop(s *coord.Step, g *group, mb *member) {
	m.timers.Stop(timer{timerSession, g.id, mb.id})
	g.remove(mb)
	m.refuse(s, mb, errUnknownMember)
}

// refuse answers what a member has parked with an error.
func (m *Machine) refuse(s *coord.Step, mb *member, err *kerrError) {
	if mb.join != nil {
		s.Reply(mb.join, joinError(mb.joinVersion, mb.id, err))
		mb.join = nil
	}
	if mb.sync != nil {
		s.Reply(mb.sync, syncError(mb.syncVersion, err))
		mb.sync = nil
	}
}

// heard restarts a member's session.
func (m *Machine) heard(s *coord.Step, g *group, mb *member) {
	if mb.join != nil || mb.sync != nil {
		return
	}
	m.timers.Set(timer{timerSession, g.id, mb.id}, s.Now.Add(mb.session))
}

// answerJoin answers a parked join.
func (m *Machine) answerJoin(s *coord.Step, g *group, mb *member, resp *kmsg.JoinGroupResponse) {
	if mb.join == nil {
		return
	}
	p := mb.join
	mb.join, mb.isNew = nil, false
	m.heard(s, g, mb)
	s.Reply(p, resp)
}

// answerSyncs answers all parked syncs: with the assignments, or with an error.
func (m *Machine) answerSyncs(s *coord.Step, g *group, err *kerrError) {
	for _, mb := range g.members {
		if mb.sync == nil {
			continue
		}
		p, version := mb.sync, mb.syncVersion
		mb.sync = nil
		m.heard(s, g, mb)
		if err != nil {
			s.Reply(p, syncError(version, err))
			continue
		}
		s.Reply(p, g.synced(mb, version))
	}
}

// snapshot is the group's metadata record.
func (g *group) snapshot() *kmsg.GroupMetadataValue {
	v := kmsg.NewGroupMetadataValue()
	v.Version = groupValue
	v.ProtocolType = g.protocolType
	v.Generation = g.generation
	v.CurrentStateTimestamp = g.since.UnixMilli()
	if len(g.members) > 0 {
		v.Protocol, v.Leader = kmsg.StringPtr(g.protocol), kmsg.StringPtr(g.leader)
	}
	for _, mb := range g.members {
		x := kmsg.NewGroupMetadataValueMember()
		x.MemberID, x.InstanceID = mb.id, mb.instance
		x.ClientID, x.ClientHost = mb.clientID, mb.host
		x.SessionTimeoutMillis = int32(mb.session.Milliseconds())
		x.RebalanceTimeoutMillis = int32(mb.rebalance.Milliseconds())
		x.Subscription = mb.metadata(g.protocol)
		x.Assignment = mb.assignment
		v.Members = append(v.Members, x)
	}
	return &v
}

// restore rebuilds the soft state from the last synced generation.
func (m *Machine) restore(s *coord.Step, g *group) {
	v := g.stored
	if v == nil {
		g.setState(Empty, s.Now)
		return
	}
	g.generation, g.protocolType = v.Generation, v.ProtocolType
	g.setState(Empty, time.UnixMilli(v.CurrentStateTimestamp))
	if v.CurrentStateTimestamp < 0 {
		g.since = s.Now
	}
	if len(v.Members) == 0 {
		return
	}
	g.state = Stable
	if v.Protocol != nil {
		g.protocol = *v.Protocol
	}
	for i := range v.Members {
		x := &v.Members[i]
		if g.member(x.MemberID) != nil {
			continue
		}
		mb := &member{
			id: x.MemberID, instance: x.InstanceID, clientID: x.ClientID, host: x.ClientHost,
			session:    milliseconds(x.SessionTimeoutMillis),
			rebalance:  milliseconds(x.RebalanceTimeoutMillis),
			protocols:  []kmsg.JoinGroupRequestProtocol{{Name: g.protocol, Metadata: x.Subscription}},
			assignment: x.Assignment,
			synced:     true,
		}
		if mb.rebalance <= 0 {
			mb.rebalance = mb.session
		}
		g.add(mb)
		m.heard(s, g, mb)
	}
	if v.Leader != nil && g.member(*v.Leader) != nil {
		g.leader = *v.Leader
	}
}

func milliseconds(n int32) time.Duration { return time.Duration(n) * time.Millisecond }
