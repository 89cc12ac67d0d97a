package membership

import (
	"fmt"
	"maps"
	"slices"

	"github.com/thalweg/thalweg/runtime/internal/assign"
)

// code is what the coordinator answers.
type code string

const (
	none              code = ""
	unknownMember     code = "UNKNOWN_MEMBER_ID"
	illegalGeneration code = "ILLEGAL_GENERATION"
	fencedInstance    code = "FENCED_INSTANCE_ID"
	rebalancing       code = "REBALANCE_IN_PROGRESS"
	pending           code = "no answer yet"
)

// coordinator is a model of the group's: members join, which begins a
// generation once all have, the leader's plan is handed out, and offsets are
// taken from members of the present generation.
type coordinator struct {
	generation int32
	joining    bool // members are asked to join again
	leader     string
	planned    bool // the leader's plan of this generation is there
	seats      map[string]*seat
	fenced     map[string]bool
	ids        int
}

// seat is a member as the coordinator knows it.
type seat struct {
	instance string
	joined   bool  // since joining began
	answer   int32 // generation of the join that is answered next, 0: none
	sub      assign.Member
	given    []assign.Task // in this generation
}

func (c *coordinator) check(id string) (*seat, code) {
	switch s := c.seats[id]; {
	case s != nil:
		return s, none
	case c.fenced[id]:
		return nil, fencedInstance
	}
	return nil, unknownMember
}

// begin asks all members to join again.
func (c *coordinator) begin() {
	if !c.joining {
		c.joining = true
		for _, s := range c.seats {
			s.joined = false
		}
	}
}

func (c *coordinator) join(id, instance string, sub assign.Member) (string, code) {
	if id == "" {
		for old, s := range c.seats {
			if instance != "" && s.instance == instance {
				delete(c.seats, old)
				c.fenced[old] = true
			}
		}
		c.ids++
		id = fmt.Sprintf("m%03d", c.ids)
		c.seats[id] = &seat{instance: instance}
	}
	s, err := c.check(id)
	if err != none {
		return id, err
	}
	c.begin()
	sub.ID = id
	s.joined, s.sub = true, sub
	c.complete()
	return id, none
}

// complete begins the generation once all have joined.
func (c *coordinator) complete() {
	for _, s := range c.seats {
		if !s.joined {
			return
		}
	}
	if !c.joining || len(c.seats) == 0 {
		return
	}
	c.joining, c.planned = false, false
	c.generation++
	c.leader = slices.Min(slices.Collect(maps.Keys(c.seats)))
	for _, s := range c.seats {
		s.answer, s.given = c.generation, nil
	}
}

// giveUpWaiting is the rebalance timeout: who has not joined is out.
func (c *coordinator) giveUpWaiting() {
	if !c.joining {
		return
	}
	for id, s := range c.seats {
		if !s.joined {
			delete(c.seats, id)
		}
	}
	c.complete()
}

// expel removes a member, as when its session has expired.
func (c *coordinator) expel(id string) {
	if c.seats[id] == nil {
		return
	}
	delete(c.seats, id)
	c.begin()
	c.complete()
}

// sync answers with what the member is given; the leader brings the plan.
func (c *coordinator) sync(id string, generation int32, plan func([]assign.Member) assign.Plan) ([]assign.Task, code) {
	s, err := c.check(id)
	switch {
	case err != none:
		return nil, err
	case generation != c.generation:
		return nil, illegalGeneration
	case c.joining:
		return nil, rebalancing
	}
	if !c.planned && id == c.leader {
		var members []assign.Member
		for _, id := range slices.Sorted(maps.Keys(c.seats)) {
			members = append(members, c.seats[id].sub)
		}
		p := plan(members)
		for id, s := range c.seats {
			s.given = p.Given[id]
		}
		c.planned = true
	}
	if !c.planned {
		return nil, pending
	}
	return s.given, none
}

func (c *coordinator) heartbeat(id string, generation int32) code {
	_, err := c.check(id)
	switch {
	case err != none:
		return err
	case generation != c.generation:
		return illegalGeneration
	case c.joining:
		return rebalancing
	}
	return none
}

// accepts is whether offsets are taken from a member.
func (c *coordinator) accepts(id string, generation int32) code {
	_, err := c.check(id)
	switch {
	case err != none:
		return err
	case generation != c.generation:
		return illegalGeneration
	}
	return none
}

// other is a member that was given a task in this generation and is not id.
func (c *coordinator) other(id string, t assign.Task) string {
	for o, s := range c.seats {
		if o != id && slices.Contains(s.given, t) {
			return o
		}
	}
	return ""
}
