package processor

import (
	"fmt"
	"math"
	"time"
)

// Clock says which time drives a schedule.
type Clock uint8

const (
	// StreamTime is the largest timestamp that the task has taken. It moves
	// only when records come.
	StreamTime Clock = iota
	// WallClock is the machine's time.
	WallClock
)

// Schedule calls f whenever the interval has passed on the given clock, with
// that clock's time in Unix milliseconds. The grid of a stream-time schedule
// is anchored at 0, so the first call follows the first record; that of a
// wall-clock one begins now. Intervals that were missed are skipped: f is
// called once for all of them.
//
// A call has no record at hand: its topic is "", its timestamp the time given.
// An interval below one millisecond ends the task with an error. The schedule
// ends with the task or when cancel is called, which f itself may do.
func (c *Context) Schedule(every time.Duration, by Clock, f func(now int64) error) (cancel func()) {
	start := int64(0)
	if by == WallClock {
		start = c.frame.WallClock + every.Milliseconds()
	}
	return c.schedule(start, every, by, f)
}

// ScheduleFrom is Schedule with the grid anchored at start (KIP-1146). A start
// in the past begins at the next point of the grid.
func (c *Context) ScheduleFrom(start time.Time, every time.Duration, by Clock, f func(now int64) error) (cancel func()) {
	at, step := start.UnixMilli(), every.Milliseconds()
	now := c.frame.WallClock
	if by == StreamTime {
		now = c.frame.StreamTime
	}
	if at < 0 {
		c.Broken(c.scopeName(), fmt.Errorf("schedule from %v: before 1970", start))
		return func() {}
	}
	if at < now && step > 0 {
		at += (now - at + step - 1) / step * step
	}
	return c.schedule(at, every, by, f)
}

func (c *Context) schedule(due int64, every time.Duration, by Clock, f func(now int64) error) (cancel func()) {
	if every < time.Millisecond || f == nil {
		c.Broken(c.scopeName(), fmt.Errorf("schedule every %v: the interval must be at least 1ms, and the function not nil", every))
		return func() {}
	}
	p := &punctuation{due: due, every: every.Milliseconds(), f: f, scope: c.scope}
	if by == WallClock {
		c.wall.push(p)
	} else {
		c.stream.push(p)
	}
	return func() { p.cancelled = true }
}

func (c *Context) scopeName() string {
	if c.scope == nil {
		return ""
	}
	return c.scope.Node
}

// Punctuate calls what is due on the given clock, at most once for each
// schedule, and reports whether anything was called. It is for the task.
func (c *Context) Punctuate(by Clock) (fired bool, err error) {
	q, now := &c.stream, c.frame.StreamTime
	if by == WallClock {
		q, now = &c.wall, c.frame.WallClock
	} else if now < 0 {
		return false, nil
	}
	for len(q.heap) > 0 && q.heap[0].due <= now {
		p := q.pop()
		if p.cancelled {
			continue
		}
		fired = true
		if err := c.fire(p, now); err != nil {
			return true, err
		}
		if p.cancelled {
			continue
		}
		// The next point of the grid, unless there is none before the end of time.
		if step := ((now-p.due)/p.every + 1) * p.every; step > 0 && p.due <= math.MaxInt64-step {
			p.due += step
			q.push(p)
		}
	}
	return fired, nil
}

// NextPunctuation returns when the next schedule on the given clock is due, in
// Unix milliseconds; false when there is none. It is for the task.
func (c *Context) NextPunctuation(by Clock) (at int64, ok bool) {
	q := &c.stream
	if by == WallClock {
		q = &c.wall
	}
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].due, true
}

func (c *Context) fire(p *punctuation, now int64) error {
	f := &c.frame
	saved := *f
	f.Topic, f.Partition, f.Offset, f.Timestamp, f.Headers = "", -1, -1, now, nil
	f.NullKey, f.NullValue = false, false
	before := c.Enter(p.scope)
	err := guarded(func() error {
		return p.scope.Run(c, CallPunctuate, nil, nil, func() error { return p.f(now) })
	})
	c.scope = before
	if err != nil || c.fatal != nil {
		name := ""
		if p.scope != nil {
			name = p.scope.Node
		}
		err = c.Fail(StagePunctuate, name, nil, nil, err)
	}
	st, wc := f.StreamTime, f.WallClock
	*f = saved
	f.StreamTime, f.WallClock = st, wc
	return err
}

type punctuation struct {
	due, every int64
	f          func(now int64) error
	scope      *Scope
	cancelled  bool
}

// punctuations is a binary heap by due time that breaks ties exactly as
// java.util.PriorityQueue does: a new one moves up while strictly smaller than
// its parent; the last one replaces the root and moves down, to the right child
// only when that is strictly smaller than the left one.
type punctuations struct{ heap []*punctuation }

func (q *punctuations) push(p *punctuation) {
	q.heap = append(q.heap, p)
	h := q.heap
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if p.due >= h[up].due {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = p
}

func (q *punctuations) pop() *punctuation {
	h := q.heap
	root, last := h[0], h[len(h)-1]
	h[len(h)-1] = nil
	h = h[:len(h)-1]
	q.heap = h
	if len(h) == 0 {
		return root
	}
	i := 0
	for half := len(h) / 2; i < half; {
		child := 2*i + 1
		if r := child + 1; r < len(h) && h[child].due > h[r].due {
			child = r
		}
		if last.due <= h[child].due {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = last
	return root
}
