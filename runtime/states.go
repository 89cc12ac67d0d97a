package runtime

import (
	"log/slog"
	"slices"
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

// stateBox holds the state and tells the listener, in order, without holding any
// lock: it may ask the application whatever it likes.
type stateBox struct {
	listener func(from, to State)
	logger   *slog.Logger

	mu      sync.Mutex
	state   State
	changes [][2]State // that the listener has not heard of
	telling bool       // some goroutine tells them
}

func (b *stateBox) get() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// set is change and tell.
func (b *stateBox) set(to State) {
	b.change(to)
	b.tell()
}

// change moves to a state; moves that cannot follow the present one are ignored,
// as when tasks finish restoring while the application stops.
func (b *stateBox) change(to State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.state
	if !slices.Contains(follows[from], to) {
		return
	}
	b.state = to
	b.changes = append(b.changes, [2]State{from, to})
	b.logger.Info("application state", "from", from.String(), "to", to.String())
}

// tell has the listener hear of the changes, unless that is under way.
func (b *stateBox) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.telling {
		return
	}
	b.telling = true
	defer func() { b.telling = false }()
	for len(b.changes) > 0 {
		c := b.changes[0]
		b.changes = b.changes[1:]
		if b.listener != nil {
			b.call(c[0], c[1])
		}
	}
}

// call calls the listener without the lock, which is taken again though it panics.
func (b *stateBox) call(from, to State) {
	b.mu.Unlock()
	defer b.mu.Lock()
	b.listener(from, to)
}
