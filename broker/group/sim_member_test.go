package group

import (
	"fmt"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func (s *sim) newMember() {
	c := &simMember{group: simGroups[s.rng.IntN(len(simGroups))], version: []int16{3, 8, 9}[s.rng.IntN(3)]}
	if s.rng.IntN(3) == 0 {
		c.version = max(c.version, 5)
		c.instance = kmsg.StringPtr(fmt.Sprintf("i%d", s.rng.IntN(3)))
	}
	s.members = append(s.members, c)
	if len(s.members) > 8 {
		s.members = s.members[1:] // it crashed
	}
}

func (s *sim) act() {
	if len(s.members) == 0 {
		return
	}
	c := s.members[s.rng.IntN(len(s.members))]
	switch {
	case c.busy != nil && !c.busy():
		if s.rng.IntN(20) == 0 {
			c.busy = nil // the connection breaks
		}
	case c.stable && s.rng.IntN(12) > 0:
		s.use(c)
	case c.joined:
		s.sync(c)
	default:
		if s.rng.IntN(3) == 0 {
			c.taste++
		}
		s.join(c)
	}
}

func (s *sim) join(c *simMember) {
	c.joined, c.stable = false, false
	req := joinRequest(c.group, c.id)
	req.Version, req.InstanceID = c.version, c.instance
	req.RebalanceTimeoutMillis = 20_000
	req.Protocols[0].Metadata = append(req.Protocols[0].Metadata, c.taste)
	p := coord.NewPromise[*kmsg.JoinGroupResponse]()
	s.waiting[p] = true
	s.step(func(st *coord.Step) { s.m.joinGroup(st, client, req, p) })
	c.busy = func() bool {
		resp, ok := p.Value()
		if !ok || c.joined || c.stable {
			return ok
		}
		switch resp.ErrorCode {
		case 0:
			c.id, c.generation, c.joined = resp.MemberID, resp.Generation, true
			c.leads = nil
			if resp.LeaderID == resp.MemberID && !resp.SkipAssignment {
				for _, m := range resp.Members {
					c.leads = append(c.leads, m.MemberID)
				}
			}
		case kerr.MemberIDRequired.Code:
			c.id = resp.MemberID
		case kerr.UnknownMemberID.Code, kerr.FencedInstanceID.Code:
			c.id = ""
		}
		c.busy = nil
		return true
	}
}

func (s *sim) sync(c *simMember) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 5, c.group, c.id, c.generation, c.instance
	if n := len(c.leads); n > 0 {
		parts := make([][]byte, n)
		for p := range byte(simPartitions) {
			i := s.rng.IntN(n)
			parts[i] = append(parts[i], p)
		}
		for i, id := range c.leads {
			req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: id, MemberAssignment: parts[i]})
		}
	}
	id, generation := c.id, c.generation
	p := coord.NewPromise[*kmsg.SyncGroupResponse]()
	s.step(func(st *coord.Step) { s.m.syncGroup(st, req, p) })
	c.busy = func() bool {
		resp, ok := p.Value()
		if !ok {
			return false
		}
		c.busy, c.joined = nil, false
		switch resp.ErrorCode {
		case 0:
			c.stable = true
			owner := id
			if c.instance != nil {
				owner = *c.instance
			}
			for _, p := range resp.MemberAssignment {
				k := ownership{c.group, generation, p}
				if before, ok := s.owners[k]; ok {
					require.Equalf(s.t, before, owner, "%+v has two owners", k)
				}
				s.owners[k] = owner
			}
		case kerr.UnknownMemberID.Code, kerr.FencedInstanceID.Code:
			c.id = ""
		}
		return true
	}
}

// use is what a member of a stable group does.
func (s *sim) use(c *simMember) {
	lost := func(err *kerrError) {
		switch err {
		case nil:
		case errUnknownMember, errFencedInstance:
			c.id, c.stable = "", false
		default:
			c.stable = false
		}
	}
	switch s.rng.IntN(8) {
	case 0:
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Version, req.Group = 5, c.group
		req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: c.id, InstanceID: c.instance}}
		s.step(func(st *coord.Step) { s.m.leaveGroup(st, req) })
		c.id, c.stable = "", false
	case 1, 2, 3:
		req := kmsg.NewPtrHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.Generation, req.InstanceID = 4, c.group, c.id, c.generation, c.instance
		s.step(func(st *coord.Step) { lost(s.m.heartbeat(st, req)) })
	default:
		s.step(func(st *coord.Step) { lost(s.commitPlain(st, c.group, c.id, c.instance, c.generation)) })
	}
}
