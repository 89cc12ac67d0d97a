package assign

import (
	"cmp"
	"slices"
)

// node is a member while tasks are dealt.
type node struct {
	id      string
	workers int
	tasks   []Task
	perSub  map[int32]int
	local   map[Task]int64
}

func (n *node) add(t Task) {
	n.tasks = append(n.tasks, t)
	n.perSub[t.Sub]++
}

func (n *node) remove(t Task) {
	i := slices.Index(n.tasks, t)
	n.tasks = slices.Delete(n.tasks, i, i+1)
	n.perSub[t.Sub]--
}

// fuller reports that a with da more tasks carries more per worker than b with
// db more. Cross-multiplied, so that it is exact.
func fuller(a *node, da int, b *node, db int) bool {
	return (len(a.tasks)+da)*b.workers > (len(b.tasks)+db)*a.workers
}

// balance returns the target: tasks stay where they run, those that run nowhere
// go to the least loaded member (or one that has their state and is not fuller
// for it), and then single tasks move as long as that evens the load. It is
// deterministic.
func balance(tasks []Task, stateful func(Task) bool, members []Member, owner map[Task]string) map[string][]Task {
	if len(members) == 0 {
		return nil
	}
	nodes := make([]*node, 0, len(members))
	byID := make(map[string]*node, len(members))
	for _, m := range members {
		n := &node{id: m.ID, workers: max(1, m.Workers), perSub: map[int32]int{}, local: map[Task]int64{}}
		for _, l := range m.Local {
			n.local[l.Task] = l.Position
		}
		nodes = append(nodes, n)
		byID[m.ID] = n
	}
	slices.SortFunc(nodes, func(a, b *node) int { return cmp.Compare(a.id, b.id) })

	sorted := slices.Clone(tasks)
	slices.SortFunc(sorted, Task.Compare)
	sorted = slices.Compact(sorted)
	var homeless []Task
	for _, t := range sorted {
		if n := byID[owner[t]]; n != nil {
			n.add(t)
		} else {
			homeless = append(homeless, t)
		}
	}
	// Tasks with state first: while there is room everywhere, they find the
	// member that holds it.
	slices.SortStableFunc(homeless, func(a, b Task) int {
		return cmp.Compare(rank(stateful, a), rank(stateful, b))
	})
	for _, t := range homeless {
		place(nodes, t).add(t)
	}
	for moveOne(nodes, stateful) {
	}

	target := make(map[string][]Task, len(nodes))
	for _, n := range nodes {
		target[n.id] = n.tasks
	}
	return target
}

func rank(stateful func(Task) bool, t Task) int {
	if stateful(t) {
		return 0
	}
	return 1
}

// place picks the member for a task that runs nowhere.
func place(nodes []*node, t Task) *node {
	least := nodes[0]
	for _, n := range nodes[1:] {
		switch {
		case fuller(least, 1, n, 1):
			least = n
		case fuller(n, 1, least, 1):
		case n.perSub[t.Sub] < least.perSub[t.Sub]:
			least = n
		}
	}
	best := least
	for _, n := range nodes {
		// One task more than the emptiest is still a balanced end.
		if n.local[t] > best.local[t] && !fuller(n, 0, least, 1) {
			best = n
		}
	}
	return best
}

// moveOne moves a task from the fullest member to the emptiest if that leaves
// the emptiest no fuller than the fullest was. Each move lowers the largest
// load or the number of members that have it, so it ends.
func moveOne(nodes []*node, stateful func(Task) bool) bool {
	full, empty := nodes[0], nodes[0]
	for _, n := range nodes[1:] {
		if fuller(n, 0, full, 0) {
			full = n
		}
		if fuller(empty, 1, n, 1) {
			empty = n
		}
	}
	if full == empty || !fuller(full, 0, empty, 1) {
		return false
	}
	// Cheapest first: state there already, no state at all, then the
	// sub-topology of which the two differ most.
	t := slices.MaxFunc(full.tasks, func(a, b Task) int {
		return cmp.Or(
			cmp.Compare(empty.local[a], empty.local[b]),
			cmp.Compare(rank(stateful, a), rank(stateful, b)),
			cmp.Compare(full.perSub[a.Sub]-empty.perSub[a.Sub], full.perSub[b.Sub]-empty.perSub[b.Sub]),
			-a.Compare(b),
		)
	})
	full.remove(t)
	empty.add(t)
	return true
}
