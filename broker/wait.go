package broker

import "slices"

// waiter is a parked fetch. It is registered with every partition it reads;
// the goroutine that moves a partition's offsets wakes it.
type waiter struct {
	// ready has room for one token, so that waking never blocks and a wake-up
	// between looking at the partitions and going to sleep is not lost.
	ready chan struct{}
}

func newWaiter() *waiter { return &waiter{ready: make(chan struct{}, 1)} }

// reset forgets wake-ups of an earlier use.
func (w *waiter) reset() {
	select {
	case <-w.ready:
	default:
	}
}

func (p *partition) watch(w *waiter) {
	p.waitMu.Lock()
	defer p.waitMu.Unlock()
	p.waiters = append(p.waiters, w)
}

func (p *partition) unwatch(w *waiter) {
	p.waitMu.Lock()
	defer p.waitMu.Unlock()
	if i := slices.Index(p.waiters, w); i >= 0 {
		last := len(p.waiters) - 1
		p.waiters[i], p.waiters[last] = p.waiters[last], nil
		p.waiters = p.waiters[:last]
	}
}

// wake wakes everyone who waits for the partition to change.
func (p *partition) wake() {
	p.waitMu.Lock()
	defer p.waitMu.Unlock()
	for _, w := range p.waiters {
		select {
		case w.ready <- struct{}{}:
		default:
		}
	}
}
