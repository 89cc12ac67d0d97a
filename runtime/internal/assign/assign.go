// Package assign decides which member of a group runs which task.
//
// It is the cooperative, sticky, co-partitioned assignor of the runtime: a pure
// function from what the members say about themselves to who runs what. A task
// is one partition of a sub-topology and takes that partition of every source
// topic of the sub-topology, which is what keeps co-partitioned topics together.
//
// Invariants:
//
//   - every task is in the target of exactly one member;
//   - no two members whose load could be evened out by moving one task remain;
//   - a task that somebody still owns is given to nobody else in this
//     generation: it is withheld, its owner gives it up, and the rejoin that
//     follows hands it over (KIP-429).
package assign

import (
	"cmp"
	"slices"
)

// Task is one partition of one sub-topology: the unit that moves between
// members.
type Task struct {
	Sub       int32
	Partition int32
}

// Compare orders tasks by sub-topology, then partition.
func (t Task) Compare(o Task) int {
	return cmp.Or(cmp.Compare(t.Sub, o.Sub), cmp.Compare(t.Partition, o.Partition))
}

// Member is what one process says about itself when it joins.
type Member struct {
	ID         string
	Workers    int     // its capacity; at least 1 is assumed
	Generation int32   // the generation in which it came to own Owned
	Owned      []Task  // running there now
	Local      []Local // state it has on disk of tasks it may not be running
}

// Local says how far a member's local state of a task has come: the sum of the
// next offsets of its changelog partitions. More means less to restore.
type Local struct {
	Task     Task
	Position int64
}

// Plan is the outcome of one generation.
type Plan struct {
	// Given is what each member runs from now on. Every member has an entry.
	Given map[string][]Task
	// Withheld is the number of tasks that wait for their owner to give them
	// up. It is not 0 only when some owner finds a task missing from what it
	// is given, so a rejoin follows by itself.
	Withheld int
}

// Decide plans a generation: it balances the tasks over the members with as few
// moves as possible, and withholds what must first be given up.
func Decide(tasks []Task, stateful func(Task) bool, members []Member) Plan {
	owner := owners(members)
	target := balance(tasks, stateful, members, owner)

	plan := Plan{Given: make(map[string][]Task, len(members))}
	for _, m := range members {
		plan.Given[m.ID] = nil
	}
	for id, ts := range target {
		for _, t := range ts {
			if o, owned := owner[t]; owned && o != id {
				plan.Withheld++
				continue
			}
			plan.Given[id] = append(plan.Given[id], t)
		}
	}
	for _, ts := range plan.Given {
		slices.SortFunc(ts, Task.Compare)
	}
	return plan
}

// owners finds who runs each task. Two members may claim the same one when the
// older claim comes from a member that was away: the newer generation wins, as
// in the cooperative-sticky assignor.
func owners(members []Member) map[Task]string {
	type claim struct {
		generation int32
		id         string
	}
	best := make(map[Task]claim)
	for _, m := range members {
		for _, t := range m.Owned {
			c, ok := best[t]
			if !ok || m.Generation > c.generation || m.Generation == c.generation && m.ID < c.id {
				best[t] = claim{m.Generation, m.ID}
			}
		}
	}
	owner := make(map[Task]string, len(best))
	for t, c := range best {
		owner[t] = c.id
	}
	return owner
}
