package runtime

import "sync"

// taskStates counts what is under way, to say whether the application as a
// whole is running.
type taskStates struct {
	mu        sync.Mutex
	starting  int  // tasks that are prepared or restored
	moving    bool // an assignment is being carried out
	assigned  bool // there was one
	announce  func(running bool)
	announced bool
}

func (t *taskStates) update(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
	running := t.assigned && !t.moving && t.starting == 0
	if running != t.announced {
		t.announced = running
		t.announce(running)
	}
}

func (t *taskStates) opened()  { t.update(func() { t.starting++ }) }
func (t *taskStates) started() { t.update(func() { t.starting-- }) }

func (t *taskStates) closed(ran bool) {
	t.update(func() {
		if !ran {
			t.starting--
		}
	})
}

func (t *taskStates) rebalancing(on bool) {
	t.update(func() { t.moving, t.assigned = on, true })
}
