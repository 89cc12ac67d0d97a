package dsl

import (
	"context"
	"sync"

	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/topology"
)

// TryMapValuesAsync is TryMapValues for a function that waits for others: up to
// parallel calls of each task run at a time, on goroutines of their own, so that
// its throughput is not bounded by one call after the other.
//
// Results go on in the order of the input, all of the task and so those of each
// key, with the timestamp and headers of their records. A slow call holds
// back the results behind it, not their calls, until four times parallel
// records wait. Calls of one key may overlap.
//
// Meanwhile the task goes on with what does not depend on them: a join below
// finds the other side as it is when the result arrives.
//
// A commit waits for all calls, so an offset is committed only when everything
// before it is done; a call must take much less than the transaction timeout. ctx
// is done when the task ends; what fails then fails with the task. Any other
// error, or a panic, goes to the failure handler as the failure of its record.
//
// f must be safe for concurrent use. It sees the record but not the task: no
// stores, and no *processor.Context.
func (s Stream[K, V]) TryMapValuesAsync[VR any](parallel int, f func(ctx context.Context, r processor.Record[K, V]) (VR, error), opts ...Option) Stream[K, VR] {
	if parallel < 1 {
		s.b.t.Fail("dsl: TryMapValuesAsync below %q: %d calls at a time: at least one is needed", s.b.t.Node(s.p.Node()).Name, parallel)
		parallel = 1
	}
	plain, out := plain(s.vs), null.Test(keepValueSerde[V, VR](s.vs))
	return s.valued(s.then[K, VR]("map-values-async", opts, func(_ *topology.Wiring, name string, next processor.Node[K, VR]) processor.Node[K, V] {
		return &asyncNode[K, V, VR]{
			name: name, f: f, plain: plain, isNull: out, next: next,
			slots: make(chan struct{}, parallel), most: 4 * parallel,
		}
	}))
}

// asyncNode runs calls beside the task.
//
// Invariants: all fields but slots belong to the task's goroutine; calls are in
// the order of the input, and the result of one is forwarded only after all
// before it; a call's result is read only after its done is closed; no goroutine
// outlives Close.
type asyncNode[K, V, VR any] struct {
	name   string
	f      func(context.Context, processor.Record[K, V]) (VR, error)
	plain  bool // the values given to f
	isNull func(VR) bool
	next   processor.Node[K, VR]

	slots chan struct{} // one element for each running call
	calls []*call[K, V, VR]
	most  int // how many records may wait

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// call is one record on its way. Its frame is that of the record when it came.
type call[K, V, VR any] struct {
	frame  processor.Frame
	key    K
	value  V
	done   chan struct{} // nil: there was nothing to call
	result VR
	err    error
}

func (l *call[K, V, VR]) ready() bool {
	if l.done == nil {
		return true
	}
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (n *asyncNode[K, V, VR]) Init(c *processor.Context) error {
	n.ctx, n.cancel = context.WithCancel(c)
	c.OnSettle(n.settle)
	return nil
}

// Close ends the calls that still run and waits for them.
func (n *asyncNode[K, V, VR]) Close() error {
	if n.cancel != nil {
		n.cancel()
	}
	n.wg.Wait()
	n.calls = nil
	return nil
}

func (n *asyncNode[K, V, VR]) Process(c *processor.Context, k K, v V) error {
	if !c.Lockstep() {
		if _, err := n.settle(c, false); err != nil {
			return err
		}
	}
	if len(n.calls) >= n.most {
		if err := n.first(c); err != nil {
			return err
		}
	}
	l := &call[K, V, VR]{frame: *c.Frame(), key: k, value: v}
	n.calls = append(n.calls, l)
	if passes(&l.frame, n.plain) {
		return nil
	}
	l.frame.Raw = c.Input()
	select {
	case n.slots <- struct{}{}:
	case <-n.ctx.Done():
		return c.Broken(n.name, context.Cause(n.ctx))
	}
	l.done = make(chan struct{})
	r := recordOf(&l.frame, k, v)
	n.wg.Go(func() {
		defer c.Notify()
		defer close(l.done)
		defer func() { <-n.slots }()
		defer processor.Recover(&l.err)
		l.result, l.err = n.f(n.ctx, r)
	})
	return nil
}

// settle forwards the results that are next in order.
func (n *asyncNode[K, V, VR]) settle(c *processor.Context, wait bool) (forwarded bool, err error) {
	for len(n.calls) > 0 && (wait || n.calls[0].ready()) {
		forwarded = true
		if err := n.first(c); err != nil {
			return true, err
		}
	}
	return forwarded, nil
}

// first waits for the oldest call and forwards its result under its record.
func (n *asyncNode[K, V, VR]) first(c *processor.Context) error {
	l := n.calls[0]
	if l.done != nil {
		select {
		case <-l.done:
		case <-n.ctx.Done():
			return c.Broken(n.name, context.Cause(n.ctx))
		}
	}
	n.calls[0] = nil
	if n.calls = n.calls[1:]; len(n.calls) == 0 {
		n.calls = nil
	}
	f := c.Frame()
	was := *f
	*f = l.frame
	f.StreamTime, f.WallClock = was.StreamTime, was.WallClock
	err := n.finish(c, l)
	*f = was
	return err
}

func (n *asyncNode[K, V, VR]) finish(c *processor.Context, l *call[K, V, VR]) error {
	switch {
	case l.done == nil:
		return n.next.Process(c, l.key, l.result)
	case l.err == nil:
		return forwardValue(c, n.next, l.key, l.result, n.isNull)
	case n.ctx.Err() != nil:
		return c.Broken(n.name, l.err)
	}
	return c.Fail(processor.StageProcess, n.name, l.key, l.value, l.err)
}
