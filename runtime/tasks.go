package runtime

import (
	"maps"
	"sync"

	"github.com/thalweg/thalweg/runtime/internal/assign"
)

// taskStates knows the tasks of this process and how far each is. It is what
// queries and the state of the application go by; metrics are a copy.
//
// Invariant: a task is said to run only while its worker has all of its stores
// open, complete and in the worker's transaction. It is said to be something else
// before they are given up, and after they have become complete.
type taskStates struct {
	state *stateBox

	mu       sync.Mutex
	phases   map[assign.Task]phase
	moving   bool // an assignment is being carried out
	assigned bool // there was one
	running  bool // as the application's state says
}

// update changes something and has the application's state follow. Who listens to
// that is told without the lock.
func (t *taskStates) update(f func()) {
	t.mu.Lock()
	f()
	running := t.assigned && !t.moving
	for _, p := range t.phases {
		running = running && p == phaseRunning
	}
	if running != t.running {
		t.running = running
		to := Rebalancing
		if running {
			to = Running
		}
		t.state.change(to)
	}
	t.mu.Unlock()
	t.state.tell()
}

func (t *taskStates) set(p phase, tasks ...assign.Task) {
	t.update(func() {
		if t.phases == nil {
			t.phases = make(map[assign.Task]phase)
		}
		for _, task := range tasks {
			t.phases[task] = p
		}
	})
}

func (t *taskStates) closed(task assign.Task) { t.update(func() { delete(t.phases, task) }) }

func (t *taskStates) rebalancing(on bool) {
	t.update(func() { t.moving, t.assigned = on, true })
}

// freeze calls f while no task of this process begins or ends, and returns how far
// each is then. What runs is this process's alone: what f sees of it in the local
// engine is what it has committed.
func (t *taskStates) freeze(f func()) map[assign.Task]phase {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	return maps.Clone(t.phases)
}
