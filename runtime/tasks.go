package runtime

import (
	"slices"
	"sync"

	"github.com/thalweg/thalweg/runtime/internal/assign"
)

// taskStates knows the tasks of this process and how far each is. It is what
// queries and the state of the application go by; metrics are a copy.
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

func (t *taskStates) set(task assign.Task, p phase) {
	t.update(func() {
		if t.phases == nil {
			t.phases = make(map[assign.Task]phase)
		}
		t.phases[task] = p
	})
}

func (t *taskStates) closed(task assign.Task) { t.update(func() { delete(t.phases, task) }) }

func (t *taskStates) rebalancing(on bool) {
	t.update(func() { t.moving, t.assigned = on, true })
}

// of returns the partitions of a sub-topology that are here, sorted: those that run,
// and those that are being prepared or restored.
func (t *taskStates) of(sub int) (running, restoring []int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for task, p := range t.phases {
		switch {
		case int(task.Sub) != sub:
		case p == phaseRunning:
			running = append(running, task.Partition)
		default:
			restoring = append(restoring, task.Partition)
		}
	}
	slices.Sort(running)
	slices.Sort(restoring)
	return running, restoring
}
