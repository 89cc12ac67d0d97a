package broker

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// memory is a budget that connections share, in bytes: of requests on their way
// in, or of records on their way out.
//
// Of those who wait, who will have enough soonest is served first. Meanwhile
// connections that hold memory for a peer that has not moved for the stall timeout
// are cut (see relieve).
//
// Invariants:
//   - what is held is within the limit, but for one borrower, who may take what
//     it still needs: of several requests that have each arrived in part, and
//     between them hold everything, one can always be completed;
//   - somebody waits only while the budget does not suffice for who is first.
type memory struct {
	// relieve ends connections that hold memory and make no progress. It is
	// called without mu, again and again while somebody waits.
	relieve func()
	every   time.Duration

	mu       sync.Mutex
	limit    int64
	used     int64
	lends    bool // to one borrower
	borrowed bool
	waiting  list.List // of *waiting
}

// share is what one request or response holds of a memory. It belongs to one
// goroutine.
type share struct {
	n        int64
	borrower bool
}

type waiting struct {
	n, rest  int64
	borrower bool          // set when served
	ready    chan struct{} // closed when served
}

// take adds n bytes to a share, and waits while there are none. rest is how many
// the share still needs, n among them.
func (m *memory) take(ctx context.Context, s *share, n, rest int64) error {
	m.mu.Lock()
	if m.used+n <= m.limit || m.lends && (s.borrower || !m.borrowed) {
		s.borrower = m.give(n, s.borrower)
		s.n += n
		m.mu.Unlock()
		return nil
	}
	w := &waiting{n: n, rest: rest, ready: make(chan struct{})}
	e := m.waiting.PushBack(w)
	m.mu.Unlock()

	again := time.NewTicker(m.every)
	defer again.Stop()
	for {
		select {
		case <-w.ready:
			s.n, s.borrower = s.n+n, w.borrower
			return nil
		case <-again.C:
			m.relieve()
		case <-ctx.Done():
			m.mu.Lock()
			defer m.mu.Unlock()
			select {
			case <-w.ready: // served in the same moment
				s.n, s.borrower = s.n+n, w.borrower
				return nil
			default:
			}
			m.waiting.Remove(e)
			m.serve()
			return ctx.Err()
		}
	}
}

// tryTake is take for who can do without.
func (m *memory) tryTake(s *share, n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.waiting.Len() > 0 || m.used+n > m.limit { // who waits needs it more
		return false
	}
	m.give(n, false)
	s.n += n
	return true
}

// give hands n bytes out and reports whether who gets them is the borrower.
func (m *memory) give(n int64, borrower bool) bool {
	m.used += n
	if m.used > m.limit && !borrower {
		borrower, m.borrowed = true, true
	}
	return borrower
}

// release gives a share back.
func (m *memory) release(s *share) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used -= s.n
	if s.borrower {
		m.borrowed = false
	}
	*s = share{}
	m.serve()
}

// serve gives what there is to those who wait, and a loan where it does not suffice.
func (m *memory) serve() {
	for m.waiting.Len() > 0 {
		best := m.waiting.Front()
		for e := best.Next(); e != nil; e = e.Next() {
			if e.Value.(*waiting).rest < best.Value.(*waiting).rest {
				best = e
			}
		}
		if m.used+best.Value.(*waiting).n > m.limit && (!m.lends || m.borrowed) {
			return
		}
		w := m.waiting.Remove(best).(*waiting)
		w.borrower = m.give(w.n, false)
		close(w.ready)
	}
}

// relieve cuts the connections that hold up others: their peers neither send the
// rest of a request nor take the rest of a response.
func (b *Broker) relieve() {
	limit := b.cfg.Limits.StallTimeout
	b.connMu.Lock()
	defer b.connMu.Unlock()
	for c := range b.conns {
		if c.stalled(limit) {
			b.log.Warn("closing connection: its peer holds memory that others wait for, and does not move", "client", c.nc.RemoteAddr().String(), "for", limit)
			c.cancel()
			_ = c.nc.Close()
		}
	}
}
