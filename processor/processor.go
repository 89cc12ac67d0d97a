package processor

import (
	"errors"
)

// A Processor handles one record. Like http.Handler it is one method; a
// processor that must prepare or clean up also implements Initer or Closer.
//
// An error, or a panic, goes to the application's failure handler. When that
// decides to go on, the call is abandoned: what it forwarded before stays.
// The error of a Forward must be returned as it is.
type Processor[KIn, VIn, KOut, VOut any] interface {
	Process(c *Context, r Record[KIn, VIn], out *Out[KOut, VOut]) error
}

// A ValueProcessor handles one record whose key it cannot change. It may
// implement ValueIniter and Closer.
type ValueProcessor[K, VIn, VOut any] interface {
	Process(c *Context, r Record[K, VIn], out *ValueOut[VOut]) error
}

// Initer is implemented by processors that open stores or schedule functions
// before the first record. The context and out may be kept.
type Initer[KOut, VOut any] interface {
	Init(c *Context, out *Out[KOut, VOut]) error
}

// ValueIniter is Initer for value processors and transformers.
type ValueIniter interface {
	Init(c *Context) error
}

// Closer is implemented by processors that have something to close when their
// task ends. It is called also after a failure.
type Closer interface{ Close() error }

// Func is a Processor without state.
type Func[KIn, VIn, KOut, VOut any] func(c *Context, r Record[KIn, VIn], out *Out[KOut, VOut]) error

// Process calls f.
func (f Func[KIn, VIn, KOut, VOut]) Process(c *Context, r Record[KIn, VIn], out *Out[KOut, VOut]) error {
	return f(c, r, out)
}

// ValueFunc is a ValueProcessor without state.
type ValueFunc[K, VIn, VOut any] func(c *Context, r Record[K, VIn], out *ValueOut[VOut]) error

// Process calls f.
func (f ValueFunc[K, VIn, VOut]) Process(c *Context, r Record[K, VIn], out *ValueOut[VOut]) error {
	return f(c, r, out)
}

// Lifecycle is a node that has something to do before the first and after the
// last record of its task.
type Lifecycle interface {
	Init(c *Context) error
	Close() error
}

// UserNode runs a Processor. It is made by those who wire tasks.
type UserNode[KIn, VIn, KOut, VOut any] struct {
	p     Processor[KIn, VIn, KOut, VOut]
	out   *Out[KOut, VOut]
	scope *Scope
}

// NewUserNode makes the node that runs p.
func NewUserNode[KIn, VIn, KOut, VOut any](p Processor[KIn, VIn, KOut, VOut], out *Out[KOut, VOut], scope *Scope) *UserNode[KIn, VIn, KOut, VOut] {
	return &UserNode[KIn, VIn, KOut, VOut]{p: p, out: out, scope: scope}
}

// Init calls the processor's Init, if it has one.
func (n *UserNode[KIn, VIn, KOut, VOut]) Init(c *Context) (err error) {
	i, ok := n.p.(Initer[KOut, VOut])
	return initialise(c, n.scope, ok, func() error { return i.Init(c, n.out) })
}

// Process runs the processor on one record.
func (n *UserNode[KIn, VIn, KOut, VOut]) Process(c *Context, k KIn, v VIn) error {
	before := c.Enter(n.scope)
	err := n.call(c, k, v)
	c.scope = before
	if err != nil || c.fatal != nil {
		return c.Fail(StageProcess, n.scope.Node, k, v, err)
	}
	return nil
}

func (n *UserNode[KIn, VIn, KOut, VOut]) call(c *Context, k KIn, v VIn) (err error) {
	f := &c.frame
	ts, h, nk, nv := f.Timestamp, f.Headers, f.NullKey, f.NullValue
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
			f.Timestamp, f.Headers, f.NullKey, f.NullValue = ts, h, nk, nv
		}
	}()
	r := Record[KIn, VIn]{Key: k, Value: v, Timestamp: ts, Headers: h, NullKey: nk, NullValue: nv}
	if n.scope.Around != nil {
		return n.intercepted(c, r)
	}
	return n.p.Process(c, r, n.out)
}

// intercepted is apart from call, where the function made here would have every
// record allocated.
func (n *UserNode[KIn, VIn, KOut, VOut]) intercepted(c *Context, r Record[KIn, VIn]) error {
	return n.scope.Run(c, CallProcess, r.Key, r.Value, func() error { return n.p.Process(c, r, n.out) })
}

// Close calls the processor's Close, if it has one.
func (n *UserNode[KIn, VIn, KOut, VOut]) Close() error { return closeUser(n.p) }

// ValueNode runs a ValueProcessor. It is made by those who wire tasks.
type ValueNode[K, VIn, VOut any] struct {
	p         ValueProcessor[K, VIn, VOut]
	next      Node[K, VOut]
	out       ValueOut[VOut]
	scope     *Scope
	c         *Context // while a record is processed, else nil
	key       K
	valueNull func(VOut) bool
}

// NewValueNode makes the node that runs p.
func NewValueNode[K, VIn, VOut any](p ValueProcessor[K, VIn, VOut], next Node[K, VOut], scope *Scope, valueNull func(VOut) bool) *ValueNode[K, VIn, VOut] {
	n := &ValueNode[K, VIn, VOut]{p: p, next: next, scope: scope, valueNull: valueNull}
	n.out.to = n
	return n
}

// Init calls the processor's Init, if it has one.
func (n *ValueNode[K, VIn, VOut]) Init(c *Context) error {
	i, ok := n.p.(ValueIniter)
	return initialise(c, n.scope, ok, func() error { return i.Init(c) })
}

// Process runs the processor on one record.
func (n *ValueNode[K, VIn, VOut]) Process(c *Context, k K, v VIn) error {
	before := c.Enter(n.scope)
	n.c, n.key = c, k
	err := n.call(c, k, v)
	n.c = nil
	c.scope = before
	if err != nil || c.fatal != nil {
		return c.Fail(StageProcess, n.scope.Node, k, v, err)
	}
	return nil
}

func (n *ValueNode[K, VIn, VOut]) call(c *Context, k K, v VIn) (err error) {
	f := &c.frame
	ts, h, nk, nv := f.Timestamp, f.Headers, f.NullKey, f.NullValue
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
			f.Timestamp, f.Headers, f.NullKey, f.NullValue = ts, h, nk, nv
		}
	}()
	r := Record[K, VIn]{Key: k, Value: v, Timestamp: ts, Headers: h, NullKey: nk, NullValue: nv}
	if n.scope.Around != nil {
		return n.intercepted(c, r)
	}
	return n.p.Process(c, r, &n.out)
}

func (n *ValueNode[K, VIn, VOut]) intercepted(c *Context, r Record[K, VIn]) error {
	return n.scope.Run(c, CallProcess, r.Key, r.Value, func() error { return n.p.Process(c, r, &n.out) })
}

var errNoRecord = errors.New("processor: a value processor can forward only while it processes a record")

func (n *ValueNode[K, VIn, VOut]) forwardValue(v VOut, isNull bool, ts int64, h Headers) error {
	c := n.c
	if c == nil {
		return errNoRecord
	}
	f := &c.frame
	before, bh, nv, scope := f.Timestamp, f.Headers, f.NullValue, c.scope
	if ts >= 0 {
		f.Timestamp, f.Headers = ts, h
	}
	if n.valueNull != nil {
		isNull = n.valueNull(v)
	} else if isNull {
		var none VOut
		v = none
	}
	f.NullValue, c.scope = isNull, nil
	err := n.next.Process(c, n.key, v)
	f.Timestamp, f.Headers, f.NullValue, c.scope = before, bh, nv, scope
	return err
}

// Close calls the processor's Close, if it has one.
func (n *ValueNode[K, VIn, VOut]) Close() error { return closeUser(n.p) }

// initialise runs a user's Init, if there is one; its failure always ends the
// task.
func initialise(c *Context, s *Scope, there bool, f func() error) error {
	if !there {
		if s.Around == nil {
			return nil
		}
		f = func() error { return nil }
	}
	defer c.Enter(c.Enter(s))
	err := guarded(func() error { return s.Run(c, CallInit, nil, nil, f) })
	if err == nil {
		err = c.fatal
	}
	return c.Broken(s.Node, err)
}

func guarded(f func() error) (err error) {
	defer Recover(&err)
	return f()
}

func closeUser(p any) error {
	if cl, ok := p.(Closer); ok {
		return guarded(cl.Close)
	}
	return nil
}
