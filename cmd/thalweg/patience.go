package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// patience ends a context when a broker acknowledges nothing for a time although something waits for it.
type patience struct {
	limit  time.Duration
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	pending int
	timer   *time.Timer // runs while something is pending
}

func newPatience(parent context.Context, limit time.Duration) (context.Context, *patience) {
	ctx, cancel := context.WithCancelCause(parent)
	p := &patience{limit: limit, cancel: cancel}
	p.timer = time.AfterFunc(limit, func() {
		cancel(fmt.Errorf("no acknowledgement within %v: look at the broker's log, or raise --timeout", limit))
	})
	p.timer.Stop()
	return ctx, p
}

// add says that one more record waits.
func (p *patience) add() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending++; p.pending == 1 {
		p.timer.Reset(p.limit)
	}
}

// done says that a record waits no longer.
func (p *patience) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending--; p.pending == 0 {
		p.timer.Stop()
	} else {
		p.timer.Reset(p.limit)
	}
}

func (p *patience) stop() {
	p.timer.Stop()
	p.cancel(nil)
}
