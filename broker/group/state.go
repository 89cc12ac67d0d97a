package group

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// State is where a group is in the classic protocol.
type State uint8

const (
	// Empty has no members; it may hold offsets.
	Empty State = iota
	// PreparingRebalance waits for all members to join.
	PreparingRebalance
	// CompletingRebalance waits for the leader's assignment.
	CompletingRebalance
	// Stable has an assignment.
	Stable
	// Dead is reported for groups that do not exist.
	Dead
)

// String is the name tools show.
func (s State) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}[s]
}

// group is one group. Fields up to deleted are durable, the rest is soft.
type group struct {
	id     string
	stored *kmsg.GroupMetadataValue // last synced generation; nil: none

	offsets map[topicPartition]stored
	// pending counts the open transactions with an offset for a partition;
	// deleted is when such a partition was last deleted meanwhile.
	pending map[topicPartition]int
	deleted map[topicPartition]int64

	state        State
	since        time.Time // of state
	generation   int32
	protocolType string
	protocol     string
	leader       string
	members      []*member // in order of joining
	static       map[string]*member
	// pendingMembers have been given an id (MEMBER_ID_REQUIRED) and have not
	// come back with it. A join phase waits for them.
	pendingMembers map[string]struct{}
	// initialUntil ends the delay of an initial rebalance at the latest;
	// newcomers prolong it up to there.
	initialUntil time.Time
	newcomers    bool
}

func newGroup(id string) *group {
	return &group{
		id:             id,
		offsets:        make(map[topicPartition]stored),
		pending:        make(map[topicPartition]int),
		deleted:        make(map[topicPartition]int64),
		static:         make(map[string]*member),
		pendingMembers: make(map[string]struct{}),
	}
}

type member struct {
	id, clientID, host string
	instance           *string
	session, rebalance time.Duration
	protocols          []kmsg.JoinGroupRequestProtocol
	assignment         []byte
	isNew              bool // has never been answered
	synced             bool // has sent SyncGroup in this generation

	join        *coord.Promise[*kmsg.JoinGroupResponse]
	joinVersion int16
	sync        *coord.Promise[*kmsg.SyncGroupResponse]
	syncVersion int16
}

func (g *group) setState(st State, now time.Time) { g.state, g.since = st, now }

func (g *group) member(id string) *member {
	for _, mb := range g.members {
		if mb.id == id {
			return mb
		}
	}
	return nil
}

// check finds the member a request comes from.
func (g *group) check(id string, instance *string) (*member, *kerrError) {
	if instance != nil {
		switch mb := g.static[*instance]; {
		case mb == nil:
			return nil, errUnknownMember
		case mb.id != id:
			return nil, errFencedInstance
		}
	}
	if mb := g.member(id); mb != nil {
		return mb, nil
	}
	return nil, errUnknownMember
}

func (g *group) add(mb *member) {
	if len(g.members) == 0 {
		g.leader = mb.id
	}
	g.members = append(g.members, mb)
	if mb.instance != nil {
		g.static[*mb.instance] = mb
	}
	delete(g.pendingMembers, mb.id)
}

func (g *group) remove(mb *member) {
	g.members = slices.DeleteFunc(g.members, func(x *member) bool { return x == mb })
	if mb.instance != nil && g.static[*mb.instance] == mb {
		delete(g.static, *mb.instance)
	}
	if g.leader == mb.id {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
}

// joining counts the members whose join is parked.
func (g *group) joining() (n int) {
	for _, mb := range g.members {
		if mb.join != nil {
			n++
		}
	}
	return n
}

func (g *group) allJoined() bool {
	return len(g.pendingMembers) == 0 && g.joining() == len(g.members)
}

func (g *group) allSynced() bool {
	return !slices.ContainsFunc(g.members, func(mb *member) bool { return !mb.synced })
}

// rebalanceTimeout is the longest any member allows, and more than nothing: it
// may be what a timer is armed with again.
func (g *group) rebalanceTimeout() time.Duration {
	d := time.Millisecond
	for _, mb := range g.members {
		d = max(d, mb.rebalance)
	}
	return d
}

// supports reports whether a member with these protocols can be in the group:
// some protocol must be common to all.
func (g *group) supports(kind string, protocols []kmsg.JoinGroupRequestProtocol) bool {
	if kind == "" || len(protocols) == 0 {
		return false
	}
	if len(g.members) == 0 {
		return true
	}
	if kind != g.protocolType {
		return false
	}
	return slices.ContainsFunc(protocols, func(p kmsg.JoinGroupRequestProtocol) bool { return g.common(p.Name) })
}

// common reports whether all members support a protocol.
func (g *group) common(name string) bool {
	return !slices.ContainsFunc(g.members, func(mb *member) bool { return mb.metadata(name) == nil })
}

// vote chooses the protocol: each member votes for the first in its list that
// all support; ties go to the one voted for first.
func (g *group) vote() string {
	var names []string
	votes := make(map[string]int)
	common := make(map[string]bool)
	for _, mb := range g.members {
		for _, p := range mb.protocols {
			ok, known := common[p.Name]
			if !known {
				ok = g.common(p.Name)
				common[p.Name] = ok
			}
			if ok {
				if votes[p.Name] == 0 {
					names = append(names, p.Name)
				}
				votes[p.Name]++
				break
			}
		}
	}
	best := ""
	for _, name := range names {
		if best == "" || votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

// metadata is what the member said for a protocol; nil when it does not
// support it.
func (mb *member) metadata(protocol string) []byte {
	for _, p := range mb.protocols {
		if p.Name == protocol {
			if p.Metadata == nil {
				return []byte{}
			}
			return p.Metadata
		}
	}
	return nil
}

func (mb *member) sameProtocols(protocols []kmsg.JoinGroupRequestProtocol) bool {
	return slices.EqualFunc(mb.protocols, protocols, func(a, b kmsg.JoinGroupRequestProtocol) bool {
		return a.Name == b.Name && bytes.Equal(a.Metadata, b.Metadata)
	})
}

// cloneProtocols copies what a request holds: its bytes belong to the frame.
func cloneProtocols(in []kmsg.JoinGroupRequestProtocol) []kmsg.JoinGroupRequestProtocol {
	out := make([]kmsg.JoinGroupRequestProtocol, len(in))
	for i, p := range in {
		out[i].Name, out[i].Metadata = p.Name, bytes.Clone(p.Metadata)
	}
	return out
}

func compareTopicPartition(a, b topicPartition) int {
	return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
}
