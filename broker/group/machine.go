// Package group is the group coordinator: membership by the classic protocol
// (JoinGroup, SyncGroup, Heartbeat, LeaveGroup) and committed offsets, plain
// and transactional.
//
// Durable state is what the journal, a partition of __consumer_offsets, says:
// offsets, offsets pending in open transactions, and for each group the
// generation that was last synced. Everything else (who has joined, who has
// synced, timers) is soft and rebuilt from it: after a failover all members
// get a full session timeout to show up.
//
// Invariants:
//
//  1. Durable state changes only in the apply functions of records.go's kinds,
//     which are also what replays the journal.
//  2. A pending offset is in no fetch result; it becomes committed exactly when
//     the COMMIT marker of its producer is applied, and only if no plain
//     commit or tombstone for its partition came after it.
//  3. Members learn an assignment only after the generation that holds it is
//     in the journal.
//  4. A parked join or sync is answered exactly once.
package group

import (
	"maps"
	"slices"
	"time"

	"github.com/thalweg/thalweg/broker/coord"
)

// Machine is the state of one partition of __consumer_offsets. It implements
// [coord.Machine].
type Machine struct {
	cfg       *Config
	groups    map[string]*group
	producers map[int64]*producer
	timers    coord.Timers[timer]
	applied   int64 // records applied: the order commits are compared by
}

// NewMachine returns an empty machine.
func NewMachine(cfg Config) *Machine { return newMachine(cfg.withDefaults()) }

func newMachine(cfg *Config) *Machine {
	return &Machine{
		cfg:       cfg,
		groups:    make(map[string]*group),
		producers: make(map[int64]*producer),
	}
}

// timer names a deadline: what, of which group, of which member.
type timer struct {
	kind          timerKind
	group, member string
}

type timerKind uint8

const (
	timerExpiry  timerKind = iota // look for offsets to expire
	timerSession                  // a member must be heard of
	timerPending                  // a member id was given out and must join
	timerJoin                     // the join phase ends
	timerSync                     // the sync phase ends
)

// Next implements [coord.Machine].
func (m *Machine) Next() (time.Time, bool) { return m.timers.Next() }

// Tick implements [coord.Machine].
func (m *Machine) Tick(s *coord.Step) {
	for {
		t, ok := m.timers.Pop(s.Now)
		if !ok {
			return
		}
		if t.kind == timerExpiry {
			m.expireOffsets(s)
			m.timers.Set(t, s.Now.Add(m.cfg.RetentionCheck))
			continue
		}
		g := m.groups[t.group]
		if g == nil {
			continue
		}
		switch t.kind {
		case timerSession:
			m.expireSession(s, g, t.member)
		case timerPending:
			delete(g.pendingMembers, t.member)
			m.advance(s, g)
		case timerJoin:
			m.joinTimeout(s, g)
		case timerSync:
			m.syncTimeout(s, g)
		}
		m.release(g)
	}
}

// Loaded implements [coord.Machine].
func (m *Machine) Loaded(s *coord.Step) {
	m.timers.Set(timer{kind: timerExpiry}, s.Now.Add(m.cfg.RetentionCheck))
	for _, g := range m.sortedGroups() {
		m.restore(s, g)
		m.release(g)
	}
}

// group returns the group with this id, new when there is none.
func (m *Machine) group(id string) *group {
	g := m.groups[id]
	if g == nil {
		g = newGroup(id)
		m.groups[id] = g
	}
	return g
}

// sortedGroups lists the groups by id.
func (m *Machine) sortedGroups() []*group {
	groups := make([]*group, 0, len(m.groups))
	for _, id := range slices.Sorted(maps.Keys(m.groups)) {
		groups = append(groups, m.groups[id])
	}
	return groups
}

// release forgets a group that holds nothing any more.
func (m *Machine) release(g *group) {
	if g.stored == nil && len(g.members) == 0 && len(g.pendingMembers) == 0 &&
		len(g.offsets) == 0 && len(g.pending) == 0 {
		m.timers.Stop(timer{timerJoin, g.id, ""})
		m.timers.Stop(timer{timerSync, g.id, ""})
		delete(m.groups, g.id)
	}
}
