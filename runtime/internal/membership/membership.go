// Package membership decides what the workers of a process are told about its
// membership in the group, and what a worker makes of it. Both sides are pure
// state machines without I/O, clock or goroutines: the runtime and a simulator
// drive the same ones.
//
// Invariants:
//
//   - a task belongs to one worker at a time, and a Message names all tasks that
//     its worker has and is to have, so that the worker can compare them with
//     what it runs: it commits under an epoch only if the two agree;
//   - a Message is sent when all workers have answered the one before. Loss alone
//     does not wait, but what follows it waits until all workers have closed what
//     was lost: no worker opens a task that another one has not closed;
//   - a Message carries the number of losses before it; answers and epochs that
//     are older than the last loss count for nothing;
//   - an epoch is carried out, and the member may join again, once every worker
//     has committed and closed what it was to give up.
package membership

import (
	"cmp"
	"maps"
	"slices"

	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/commit"
)

// Epoch is one assignment of the group to this process.
type Epoch struct {
	commit.Epoch
	Losses int // of the membership before it
	Tasks  []assign.Task
	// Changed reports that a task reads other partitions than in the epoch
	// before and has to be opened anew. Nil: none does.
	Changed func(assign.Task) bool
}

// Message is what one worker is told. It is never changed.
type Message struct {
	Worker int
	Losses int  // of the membership, this one included
	Lost   bool // all tasks are lost; the fields below are empty
	Epoch  commit.Epoch
	Before []assign.Task // what the worker runs, sorted
	Tasks  []assign.Task // what it is to run in this epoch, sorted
	Reopen []assign.Task // of both, those whose inputs changed
}

// Answer is a worker's: that it has carried out a Message.
type Answer struct {
	Worker     int
	Losses     int
	Generation int32 // of the Message; -1 for a loss
}

// Answer is the answer to the message.
func (m Message) Answer() Answer { return Answer{m.Worker, m.Losses, m.Epoch.Generation} }

// Output is what follows from an event.
type Output struct {
	Messages []Message
	// CarriedOut reports that all workers have carried out the last epoch,
	// and GaveUp that tasks were given up for it.
	CarriedOut bool
	GaveUp     bool
}

// Machine is the membership of one process: it knows which worker runs what.
type Machine struct {
	tasks      [][]assign.Task // by worker, sorted
	generation int32           // in which they were assigned; -1: lost
	losses     int
	waiting    map[int]bool // workers whose answer to the last message is missing
	next       *Epoch       // joined, waiting for those answers
	gaveUp     bool         // for the epoch under way
}

// New makes the Machine of a process that is not a member yet.
func New(workers int) *Machine {
	return &Machine{tasks: make([][]assign.Task, workers), generation: -1, waiting: make(map[int]bool)}
}

// Owned are the tasks the workers run, sorted, and the generation in which they
// came to: -1 when there is none.
func (m *Machine) Owned() (tasks []assign.Task, generation int32) {
	return slices.SortedFunc(slices.Values(slices.Concat(m.tasks...)), assign.Task.Compare), m.generation
}

// Losses is how often the membership was lost.
func (m *Machine) Losses() int { return m.losses }

// Joined takes in that the process is a member in a new epoch, unless that was
// lost since.
func (m *Machine) Joined(e Epoch) Output {
	if e.Losses != m.losses {
		return Output{}
	}
	m.next = &e
	return m.proceed()
}

// Lost takes in that the group goes on without the process.
func (m *Machine) Lost() (out Output) {
	m.losses++
	m.generation, m.next = -1, nil
	for w := range m.tasks {
		m.tasks[w] = nil
		m.waiting[w] = true
		out.Messages = append(out.Messages, Message{Worker: w, Losses: m.losses, Lost: true, Epoch: commit.Epoch{Generation: -1}})
	}
	return out
}

// Answered takes in that a worker has carried out a message.
func (m *Machine) Answered(a Answer) (out Output) {
	if a.Losses != m.losses || a.Generation != m.generation || !m.waiting[a.Worker] {
		return Output{}
	}
	delete(m.waiting, a.Worker)
	if len(m.waiting) == 0 && m.next == nil && m.generation >= 0 {
		return Output{CarriedOut: true, GaveUp: m.gaveUp}
	}
	return m.proceed()
}

// proceed tells the workers of the next epoch if nothing is under way.
func (m *Machine) proceed() (out Output) {
	if m.next == nil || len(m.waiting) > 0 {
		return Output{}
	}
	e := *m.next
	m.next = nil
	m.generation = e.Generation
	m.gaveUp = false
	before := m.tasks
	m.tasks = deal(before, e.Tasks)
	for w := range m.tasks {
		m.waiting[w] = true
		msg := Message{Worker: w, Losses: m.losses, Epoch: e.Epoch, Before: before[w], Tasks: m.tasks[w]}
		for _, t := range before[w] {
			switch {
			case !slices.Contains(m.tasks[w], t):
				m.gaveUp = true
			case e.Changed != nil && e.Changed(t):
				msg.Reopen = append(msg.Reopen, t)
			}
		}
		out.Messages = append(out.Messages, msg)
	}
	return out
}

// deal returns what each worker is to run: tasks stay where they are, and new
// ones go to the worker with the fewest tasks, and among those to the one with
// the fewest of the same sub-topology.
func deal(before [][]assign.Task, tasks []assign.Task) [][]assign.Task {
	after := make([][]assign.Task, len(before))
	left := make(map[assign.Task]bool, len(tasks))
	for _, t := range tasks {
		left[t] = true
	}
	for w, had := range before {
		for _, t := range had {
			if left[t] {
				delete(left, t)
				after[w] = append(after[w], t)
			}
		}
	}
	for _, t := range slices.SortedFunc(maps.Keys(left), assign.Task.Compare) {
		w := leastLoaded(after, t.Sub)
		after[w] = append(after[w], t)
	}
	for _, ts := range after {
		slices.SortFunc(ts, assign.Task.Compare)
	}
	return after
}

func leastLoaded(tasks [][]assign.Task, sub int32) int {
	same := func(w int) (n int) {
		for _, t := range tasks[w] {
			if t.Sub == sub {
				n++
			}
		}
		return n
	}
	best := 0
	for w := range tasks {
		if cmp.Or(cmp.Compare(len(tasks[w]), len(tasks[best])), cmp.Compare(same(w), same(best))) < 0 {
			best = w
		}
	}
	return best
}
