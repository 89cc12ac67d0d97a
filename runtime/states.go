package runtime

import (
	"log/slog"
	"sync"
)

// State is what an application is doing as a whole.
type State int8

const (
	// Created: Run has not been called.
	Created State = iota
	// Rebalancing: tasks are being assigned, taken over or restored.
	Rebalancing
	// Running: all tasks of this process run.
	Running
	// Stopping: Run is finishing its work.
	Stopping
	// Stopped: Run returned nil.
	Stopped
	// Failed: Run returned an error.
	Failed
)

var stateNames = [...]string{"created", "rebalancing", "running", "stopping", "stopped", "failed"}

func (s State) String() string { return stateNames[s] }

// follows lists the states that may follow each state.
var follows = [...][]State{
	Created:     {Rebalancing, Stopping, Failed},
	Rebalancing: {Running, Stopping, Failed},
	Running:     {Rebalancing, Stopping, Failed},
	Stopping:    {Stopped, Failed},
	Stopped:     nil,
	Failed:      nil,
}

// stateBox holds the state and tells the listener, in order.
type stateBox struct {
	mu       sync.Mutex
	state    State
	listener func(from, to State)
	logger   *slog.Logger
}

func (b *stateBox) get() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// set moves to a state; moves that cannot follow the present one are ignored,
// as when tasks finish restoring while the application stops.
func (b *stateBox) set(to State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.state
	for _, s := range follows[from] {
		if s == to {
			b.state = to
			b.logger.Info("application state", "from", from.String(), "to", to.String())
			if b.listener != nil {
				b.listener(from, to)
			}
			return
		}
	}
}
