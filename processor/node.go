package processor

import (
	"fmt"
)

// Node receives what its parent forwards, inside one task. It is the hot path:
// key and value travel as arguments, everything else in the context's Frame.
//
// A node returns an error only when the task must end: failures of user code
// have been handled at the node that failed. (See Context.Fail.)
type Node[K, V any] interface {
	Process(c *Context, k K, v V) error
}

// RawNode begins a typed chain: it is the source of one topic in one task.
type RawNode interface {
	// Prepare decodes r and finds its timestamp; partitionTime is the largest
	// timestamp taken from the partition so far, or -1. The decoded record
	// waits in the node until Run. With keep false the record is to be skipped
	// (the node has counted it); an error is a *Failure of stage decode or time.
	Prepare(c *Context, r RawRecord, partitionTime int64) (ts int64, keep bool, err error)
	// Run sends the prepared record through the chain. The caller has set the
	// context's Frame to the record, but for the null flags.
	Run(c *Context) error
}

// Child is one child of a node, with the name that ForwardTo knows it by.
type Child[K, V any] struct {
	Name string
	Node Node[K, V]
}

// Fan returns one node for all the children: nil-safe, without a loop where
// there is but one.
func Fan[K, V any](children []Child[K, V]) Node[K, V] {
	switch len(children) {
	case 0:
		return discard[K, V]{}
	case 1:
		return children[0].Node
	}
	f := make(fanout[K, V], len(children))
	for i, c := range children {
		f[i] = c.Node
	}
	return f
}

type discard[K, V any] struct{}

func (discard[K, V]) Process(*Context, K, V) error { return nil }

type fanout[K, V any] []Node[K, V]

func (f fanout[K, V]) Process(c *Context, k K, v V) error {
	for _, n := range f {
		if err := n.Process(c, k, v); err != nil {
			return err
		}
	}
	return nil
}

// Out takes a processor's results to its children.
type Out[K, V any] struct {
	c         *Context
	node      string
	next      Node[K, V]
	children  []Child[K, V]
	keyNull   func(K) bool
	valueNull func(V) bool
}

// NewOut makes the output of a processor node. It is for those who wire tasks.
func NewOut[K, V any](c *Context, node string, children []Child[K, V], keyNull func(K) bool, valueNull func(V) bool) *Out[K, V] {
	return NewOutTo(c, node, Fan(children), children, keyNull, valueNull)
}

// NewOutTo is NewOut with a node for what goes to all children.
func NewOutTo[K, V any](c *Context, node string, all Node[K, V], children []Child[K, V], keyNull func(K) bool, valueNull func(V) bool) *Out[K, V] {
	return &Out[K, V]{c: c, node: node, next: all, children: children, keyNull: keyNull, valueNull: valueNull}
}

// Forward sends r to all children, in the order in which they were added, and
// returns when all that they do with it is done. The error is not nil only
// when the task must end; the processor returns it.
func (o *Out[K, V]) Forward(r Record[K, V]) error { return o.forward(o.next, r) }

// ForwardTo sends r to the child called name alone.
func (o *Out[K, V]) ForwardTo(name string, r Record[K, V]) error {
	for i := range o.children {
		if o.children[i].Name == name {
			return o.forward(o.children[i].Node, r)
		}
	}
	return fmt.Errorf("processor: node %q has no child %q", o.node, name)
}

func (o *Out[K, V]) forward(to Node[K, V], r Record[K, V]) error {
	if r.Timestamp < 0 {
		return fmt.Errorf("processor: node %q forwards a record with the negative timestamp %d", o.node, r.Timestamp)
	}
	if o.keyNull != nil {
		r.NullKey = o.keyNull(r.Key)
	} else if r.NullKey {
		var none K
		r.Key = none
	}
	if o.valueNull != nil {
		r.NullValue = o.valueNull(r.Value)
	} else if r.NullValue {
		var none V
		r.Value = none
	}
	c := o.c
	f := &c.frame
	ts, h, nk, nv, scope := f.Timestamp, f.Headers, f.NullKey, f.NullValue, c.scope
	f.Timestamp, f.Headers, f.NullKey, f.NullValue, c.scope = r.Timestamp, r.Headers, r.NullKey, r.NullValue, nil
	err := to.Process(c, r.Key, r.Value)
	f.Timestamp, f.Headers, f.NullKey, f.NullValue, c.scope = ts, h, nk, nv, scope
	return err
}

// ValueOut takes the results of a value processor to its children. The key is
// that of the record being processed and cannot be changed, so the records
// stay where they are: no repartitioning follows.
type ValueOut[V any] struct{ to valueForwarder[V] }

type valueForwarder[V any] interface {
	forwardValue(v V, null bool, ts int64, h Headers) error
}

// Forward sends v with the key, timestamp and headers of the record at hand.
func (o *ValueOut[V]) Forward(v V) error { return o.to.forwardValue(v, false, -1, nil) }

// ForwardNull is Forward of a null value, for types that have no nil.
func (o *ValueOut[V]) ForwardNull() error {
	var zero V
	return o.to.forwardValue(zero, true, -1, nil)
}

// ForwardAt is Forward with a timestamp, in Unix milliseconds, and headers of
// its own.
func (o *ValueOut[V]) ForwardAt(v V, ts int64, h Headers) error {
	if ts < 0 {
		return fmt.Errorf("processor: forwarding a value with the negative timestamp %d", ts)
	}
	return o.to.forwardValue(v, false, ts, h)
}
