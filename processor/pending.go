package processor

import "bytes"

// Operators may have work going on beside the task's goroutine. Invariants:
//
//   - what such an operator forwards, it forwards on the task's goroutine: in
//     Process, or when Settle calls it;
//   - after Settle with wait true nothing is pending, so that offsets
//     committed then cover no record that is still being worked on.

// OnSettle has f called by Settle. With wait true, f returns when nothing it
// holds is pending any more; otherwise it forwards what happens to be ready. It
// reports whether it forwarded anything. It is for nodes, and called in Init, so
// that operators settle in the order of the topology.
func (c *Context) OnSettle(f func(c *Context, wait bool) (forwarded bool, err error)) {
	c.onSettle = append(c.onSettle, f)
}

// Settle forwards the results of work that went on beside the task. Its results
// may begin more of it further down, for which it waits too. It is for the task.
func (c *Context) Settle(wait bool) error {
	if c.env.Lockstep && !wait {
		return nil
	}
	for again := len(c.onSettle) > 0; again; {
		again = false
		for _, f := range c.onSettle {
			forwarded, err := f(c, wait)
			if err != nil {
				return err
			}
			again = again || wait && forwarded
		}
	}
	return c.fatal
}

// Lockstep reports whether results may be forwarded only at moments that the
// records alone determine. It is for nodes.
func (c *Context) Lockstep() bool { return c.env.Lockstep }

// Notify tells the owner of the task, from any goroutine, that Settle has
// something to forward.
func (c *Context) Notify() {
	if c.env.Notify != nil {
		c.env.Notify()
	}
}

// Input returns a copy of the input record as it was fetched, nil when nobody
// will want it. It is for nodes that work on a record later, and put it into
// the Frame then.
func (c *Context) Input() *RawRecord {
	if c.frame.Raw != nil {
		return c.frame.Raw
	}
	if c.env.Input == nil {
		return nil
	}
	r, ok := c.env.Input()
	if !ok {
		return nil
	}
	r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
	return &r
}
