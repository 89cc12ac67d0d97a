package processor

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Reasons for which records are dropped. They are short and stable: they name
// counters.
const (
	DropNullKey   = "null key"
	DropNullValue = "null value"
	DropLate      = "late"
	DropExpired   = "expired"
	DropFailed    = "failed"
	DropTime      = "invalid time"
	DropStale     = "stale"
	DropPartition = "no partition"
)

// Frame is the record at hand: what a node sees beside key and value. There is
// one for each task. A node that changes a field to forward a record sets it
// back before it returns, because its siblings share it.
//
// NullKey and NullValue are right for every type: for a nullable type they
// are set exactly when the key or value is nil.
type Frame struct {
	Topic              string // "" in Init and in punctuations
	Partition          int32  // -1 without a topic
	Offset             int64  // -1 without a topic
	Timestamp          int64  // Unix milliseconds
	Headers            Headers
	NullKey, NullValue bool
	// Raw is the input record as it was fetched, when that is not the one the
	// task is at; else nil.
	Raw *RawRecord
	// StreamTime is the largest timestamp that the task has taken, WallClock
	// the time when the record or punctuation at hand was begun; both in Unix
	// milliseconds. The task sets them. StreamTime is -1 before the first record.
	StreamTime, WallClock int64
}

// Collector takes what sinks and changelogs write. The buffers are valid
// during the call only.
type Collector interface {
	// Send writes a record. A negative partition means the default one: by
	// the hash of the key's bytes. A nil key or value is null.
	Send(topic string, partition int32, key, value []byte, ts int64, h Headers) error
	// PartitionsOf returns the number of the topic's partitions.
	PartitionsOf(topic string) (int32, error)
}

// Env is what a task gives to its context.
type Env struct {
	Context       context.Context // done when the task must stop
	ApplicationID string
	TaskID        string
	Collector     Collector
	Store         func(name string) any          // nil for an unknown name
	Reader        func(name string) any          // the store as those see it who may not write; nil: Store
	Global        func(name string) bool         // is it a global store, readable by all
	OnFailure     func(*Context, *Failure) error // nil: go on without the record
	OnDrop        func(reason string)
	OnCommit      func() // the user asked for a commit
	// EmitInterval throttles by wall clock how often unmatched join records are
	// looked for. Zero looks at each record.
	EmitInterval time.Duration
	// Notify is called from any goroutine when Settle has something to forward.
	Notify func()
	// Lockstep has results of work beside the task forwarded only where the
	// records alone determine it, for tests that must come out the same.
	Lockstep bool
	// Input returns the input record being processed, with bytes that are valid
	// during the call, and whether anybody may want it later.
	Input func() (RawRecord, bool)
}

// Context belongs to one task. It is a context.Context, done when the task
// must stop, and it knows the record at hand. It must not be kept beyond the
// call it was given to (but for Init) or used by another goroutine.
type Context struct {
	context.Context
	frame  Frame
	env    Env
	scope  *Scope
	fatal  error
	stream punctuations
	wall   punctuations
	meta   map[string]int64
	dirty  bool
	times  []keptTime
	onTime []func(c *Context, ts int64) error

	onSettle []func(c *Context, wait bool) (bool, error)
}

// keptTime is a time that an operator keeps over restarts.
type keptTime struct {
	key string
	at  *int64
}

// Scope is the node whose user code runs: it names the node in errors and
// says which stores it may open.
type Scope struct {
	Node   string
	Stores []string
	Reads  []string    // of Stores: those that another node writes
	Around Interceptor // of the node's processor; nil: none
}

// NewContext makes the context of a task. It is for those who run tasks.
func NewContext(env Env) *Context {
	if env.Context == nil {
		env.Context = context.Background()
	}
	return &Context{
		Context: env.Context, env: env,
		frame: Frame{Partition: -1, Offset: -1, StreamTime: -1},
	}
}

// Frame is the framework's door to the record at hand: nodes and tasks change
// it, processors only read it through the methods of Context.
func (c *Context) Frame() *Frame { return &c.frame }

// Topic returns the topic of the input record, "" outside of one.
func (c *Context) Topic() string { return c.frame.Topic }

// Partition returns the partition of the input record, -1 outside of one.
func (c *Context) Partition() int32 { return c.frame.Partition }

// Offset returns the offset of the input record, -1 outside of one.
func (c *Context) Offset() int64 { return c.frame.Offset }

// Timestamp returns the timestamp of the record at hand in Unix milliseconds;
// in a punctuation it is the punctuation's time.
func (c *Context) Timestamp() int64 { return c.frame.Timestamp }

// Headers returns the headers of the record at hand. They must not be changed.
func (c *Context) Headers() Headers { return c.frame.Headers }

// StreamTime returns the largest timestamp of all records that the task has
// taken so far, in Unix milliseconds, or -1.
func (c *Context) StreamTime() int64 { return c.frame.StreamTime }

// WallClock returns the time, in Unix milliseconds, at which the record or
// punctuation at hand was begun.
func (c *Context) WallClock() int64 { return c.frame.WallClock }

// TaskID returns the task's name, as "0_3": sub-topology and partition.
func (c *Context) TaskID() string { return c.env.TaskID }

// ApplicationID returns the id of the application.
func (c *Context) ApplicationID() string { return c.env.ApplicationID }

// Commit asks the task to commit as soon as the record at hand is done.
func (c *Context) Commit() {
	if c.env.OnCommit != nil {
		c.env.OnCommit()
	}
}

// StoreError says that a node asked for a store that it may not use.
type StoreError struct{ Node, Store string }

func (e *StoreError) Error() string {
	return fmt.Sprintf("processor: node %q is not connected to store %q: pass the store's handle when the processor is added", e.Node, e.Store)
}

// Store returns the open store called name, as the handle that declared it
// made it. Only the stores connected to the running node and global stores can
// be opened; for others it returns a *StoreError, which the handle's In hands on
// from every method of the store. Global and read-only stores refuse writes with
// state.ErrReadOnly, but for those of their own processor. Handles are the way
// to call it.
func (c *Context) Store(name string) any {
	if s := c.scope; s != nil {
		connected := slices.Contains(s.Stores, name)
		if !connected && !(c.env.Global != nil && c.env.Global(name)) {
			return &StoreError{Node: s.Node, Store: name}
		}
		if c.env.Reader != nil && (!connected || slices.Contains(s.Reads, name)) {
			return c.env.Reader(name)
		}
	}
	if c.env.Store == nil {
		return nil
	}
	return c.env.Store(name)
}

// Enter makes s the node whose user code runs and returns the one before, to
// be given back to Enter afterwards. It is for nodes.
func (c *Context) Enter(s *Scope) (before *Scope) {
	before, c.scope = c.scope, s
	return before
}

// Collector returns where sinks write. It is for nodes.
func (c *Context) Collector() Collector { return c.env.Collector }

// EmitInterval returns the least wall-clock time in milliseconds between two
// searches for unmatched join records. It is for nodes.
func (c *Context) EmitInterval() int64 { return c.env.EmitInterval.Milliseconds() }

// Drop counts a record that is dropped for the given reason.
func (c *Context) Drop(reason string) {
	if c.env.OnDrop != nil {
		c.env.OnDrop(reason)
	}
}

// Fail hands a failure of user code to the application's handler. It returns
// nil when the handler chose to go on without the record, and a FatalError
// otherwise. An error that is fatal already comes back as it is.
func (c *Context) Fail(stage Stage, node string, key, value any, err error) error {
	if c.fatal != nil {
		return c.fatal
	}
	if IsFatal(err) {
		c.fatal = err
		return err
	}
	f := &Failure{
		Stage: stage, Node: node, Err: err, Key: key, Value: value,
		Topic: c.frame.Topic, Partition: c.frame.Partition, Offset: c.frame.Offset,
		Timestamp: c.frame.Timestamp, Headers: c.frame.Headers,
	}
	if r := c.frame.Raw; r != nil && r.Topic == f.Topic && r.Partition == f.Partition && r.Offset == f.Offset {
		f.Raw = r
	}
	if p, ok := err.(*PanicError); ok {
		f.Stack = p.Stack
	}
	if c.env.OnFailure != nil {
		if err := c.env.OnFailure(c, f); err == nil {
			c.Drop(DropFailed)
			return nil
		} else if IsFatal(err) {
			c.fatal = err
			return err
		}
	}
	c.fatal = &FatalError{f}
	return c.fatal
}

// Broken makes err, an error of the framework met by a node, fatal.
func (c *Context) Broken(node string, err error) error {
	if err == nil {
		return nil
	}
	if !IsFatal(err) {
		err = &FatalError{fmt.Errorf("processor: node %q: %w", node, err)}
	}
	if c.fatal == nil {
		c.fatal = err
	}
	return err
}

// Err returns the fatal error that ended the task, even when user code
// swallowed it, or the reason why the surrounding context is done.
func (c *Context) Err() error {
	if c.fatal != nil {
		return c.fatal
	}
	return c.Context.Err()
}

// Fatal returns the fatal error that ended the task, if any. The task looks at
// it after each record.
func (c *Context) Fatal() error { return c.fatal }

// Metadata returns a number that was committed with the task's offsets under
// key; it is how operators carry a small state without a store.
func (c *Context) Metadata(key string) (int64, bool) {
	v, ok := c.meta[key]
	return v, ok
}

// SetMetadata sets a number to be committed with the task's offsets.
func (c *Context) SetMetadata(key string, v int64) {
	if c.meta == nil {
		c.meta = make(map[string]int64)
	}
	if old, ok := c.meta[key]; !ok || old != v {
		c.meta[key], c.dirty = v, true
	}
}

// KeepTime has *at, a time that an operator has observed, travel with the
// task's offsets, so that what is late stays late when the task moves. It is
// called once, before the first record. It is for nodes.
func (c *Context) KeepTime(key string, at *int64) {
	c.times = append(c.times, keptTime{"time:" + key, at})
}

// KeptTime returns what KeepTime was called with for the key, nil if it was not.
// It is for nodes, once all are wired.
func (c *Context) KeptTime(key string) *int64 {
	for _, t := range c.times {
		if t.key == "time:"+key {
			return t.at
		}
	}
	return nil
}

// OnTime has f called by AdvanceTime. It is for nodes that hold results back
// until a time has passed.
func (c *Context) OnTime(f func(c *Context, ts int64) error) { c.onTime = append(c.onTime, f) }

// AdvanceTime tells all operators, in the order of the topology, that event
// time has come to ts, in Unix milliseconds, though no record says so. It is
// for tests.
func (c *Context) AdvanceTime(ts int64) error {
	f := &c.frame
	saved := *f
	f.Topic, f.Partition, f.Offset, f.Timestamp, f.Headers, f.Raw = "", -1, -1, ts, nil, nil
	f.NullKey, f.NullValue = false, false
	for _, advance := range c.onTime {
		if err := advance(c, ts); err != nil {
			return err
		}
	}
	wall := f.WallClock
	*f = saved
	f.StreamTime, f.WallClock = max(f.StreamTime, ts), wall
	return c.fatal
}

// ResumeMetadata merges committed metadata, of which each partition may carry
// a part, into the context's: the largest number counts. It is for the task.
func (c *Context) ResumeMetadata(meta map[string]int64) {
	for k, v := range meta {
		if old, ok := c.meta[k]; ok && old >= v {
			continue
		}
		if c.meta == nil {
			c.meta = make(map[string]int64)
		}
		c.meta[k] = v
	}
	for _, t := range c.times {
		if v, ok := c.meta[t.key]; ok {
			*t.at = max(*t.at, v)
		}
	}
}

// TakeMetadata returns all metadata, and whether what SetMetadata set changed
// since the last call. The map is the context's own. It is for the task.
func (c *Context) TakeMetadata() (meta map[string]int64, changed bool) {
	for _, t := range c.times {
		if *t.at < 0 {
			continue
		}
		if c.meta == nil {
			c.meta = make(map[string]int64)
		}
		c.meta[t.key] = *t.at
	}
	changed, c.dirty = c.dirty, false
	return c.meta, changed
}
