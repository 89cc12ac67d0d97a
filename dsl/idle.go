package dsl

import (
	"time"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/topology"
)

// idler moves the time of a windowed operator while no record does: once its
// time has stood still for a while, it goes on as the wall clock does.
//
// Invariant: after the last record that moved it, at wall-clock time since, the
// operator's time is base or base + (now - since).
type idler struct {
	scope    *processor.Scope
	after    int64 // ms
	observed *int64
	advance  func(c *processor.Context, ts int64) error

	base, since int64
	last        int64 // *observed as it was seen or set last
}

// clock is the time of a windowed aggregation. FinalOnly below it goes by it, so
// that what it takes for closed is closed there.
type clock struct {
	node int
	idle time.Duration // as in IdleAfter; 0: it waits for records
}

// newClock adds the clock of an aggregation to a table; the node is known later.
func (n *tableNode[K, V]) newClock(idle time.Duration) *clock {
	c := &clock{idle: idle}
	n.clocks = append(n.clocks, c)
	return c
}

// idleClocks gives the clocks of windows an IdleAfter that was said below them,
// and reports whether any goes on without records.
func idleClocks(b *Builder, name string, clocks []*clock, d time.Duration) (idle bool) {
	for _, c := range clocks {
		if c.idle == 0 {
			c.idle = d
		} else if d != 0 && d != c.idle {
			b.t.Fail("dsl: %q: IdleAfter(%v), but its windows have IdleAfter(%v): say it once", name, d, c.idle)
		}
		idle = idle || c.idle != 0
	}
	return idle
}

// idleAfter has the operator's time follow the wall clock when it has stood
// still for d. A d of zero does not.
func idleAfter(w *topology.Wiring, id int, d time.Duration, observed *int64, advance func(c *processor.Context, ts int64) error) {
	w.Context.OnTime(advance)
	if d > 0 {
		w.Own(id, &idler{scope: w.Scope(id), after: max(d.Milliseconds(), 1), observed: observed, advance: advance, base: -1, last: -1})
	}
}

// checkIdle reports a bad argument of IdleAfter.
func checkIdle(b *topology.Builder, parent int, d time.Duration) {
	if d < time.Millisecond {
		b.Fail("dsl: IdleAfter(%v) below %q: it must be at least 1ms", d, b.Node(parent).Name)
	}
}

// holdsBack reports a bad IdleAfter among the options of an operator; can says
// whether there is anything that it holds back.
func (s *storing) holdsBack(b *Builder, name string, can bool) time.Duration {
	switch {
	case s.idle == 0:
	case !can:
		b.t.Fail("dsl: %q: IdleAfter: nothing is held back here; windows have a method IdleAfter", name)
	case s.idle < time.Millisecond:
		b.t.Fail("dsl: %q: IdleAfter(%v): it must be at least 1ms", name, s.idle)
	}
	return s.idle
}

func (x *idler) Init(c *processor.Context) error {
	defer c.Enter(c.Enter(x.scope))
	every := time.Duration(max(x.after/4, 1)) * time.Millisecond
	c.Schedule(every, processor.WallClock, func(now int64) error { return x.tick(c, now) })
	return nil
}

func (x *idler) Close() error { return nil }

func (x *idler) tick(c *processor.Context, now int64) error {
	if *x.observed != x.last {
		x.base, x.last, x.since = *x.observed, *x.observed, now
		return nil
	}
	if x.base < 0 || now-x.since < x.after {
		return nil
	}
	if err := x.advance(c, plus(x.base, now-x.since)); err != nil {
		return err
	}
	x.last = *x.observed
	return nil
}
