// Package task runs the nodes of a sub-topology for one partition: it chooses
// the next record among its inputs, keeps stream time, punctuates, flushes
// stores and names the offsets to commit.
//
// A task does no I/O and starts no goroutine. Records come in by Enqueue, leave
// by the Collector, state lies in the transaction it is given, and the time is
// passed in, in Unix milliseconds. It is used by one goroutine at a time.
//
// Invariants:
//
//   - records of one partition are processed in their order, each completely,
//     with all that it causes in this task, before the next one of any partition;
//   - among several partitions the record with the smallest timestamp is next
//     (choice.go), once the task has waited long enough for the others (idle.go);
//   - no record at or after an offset that Offsets names has had any effect;
//   - a task that returned an error is finished: only Close may follow. What it
//     did since the last commit is dropped with its transaction, and a new task
//     starts from the committed state.
package task

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// Config says what a task runs, and on what.
type Config struct {
	Context       context.Context // done when the task must stop; nil: never
	Topology      *topology.Topology
	Subs          []int // the sub-topologies to run; none means all that are not global
	Partition     int32
	ApplicationID string
	ID            string // "0_3": for people and for processor.Context.TaskID

	// State is the transaction in which the task opens its stores.
	State     *state.Txn
	Cache     *state.Cache // budget of the write-back caches; nil: none
	Collector processor.Collector
	// Global finds an open global store, false for an unknown name.
	Global func(name string) (any, bool)

	OnFailure   processor.FailureHandler // nil: Fail
	DeadLetters string                   // topic of dead letters; "" for none

	// MaxIdle is how long to wait for inputs without records; negative: never.
	MaxIdle time.Duration
	// CaughtUp reports whether a partition was fetched to its end. Nil means
	// always.
	CaughtUp func(topic string, partition int32) bool
	// EmitInterval is the least wall-clock time between two searches for
	// unmatched join records.
	EmitInterval time.Duration
	// Reads reports whether the task reads this source topic, given by its full
	// name: one that has fewer partitions than others may lack the task's. Nil
	// means all.
	Reads func(topic string) bool
	// Notify is called from any goroutine when Punctuate has results of work
	// beside the task to forward. Nil: nobody is told.
	Notify func()
	// Lockstep forwards such results only where the records determine it, and
	// in Flush.
	Lockstep bool
}

// Task is one task. See the package's invariants.
type Task struct {
	cfg   Config
	ctx   *processor.Context
	wired *topology.Wired

	stores  []*Store
	queues  []*queue
	byTopic map[string]*queue
	choice  choice
	current *queue // whose head is prepared or processed just now

	collector   processor.Collector
	onFailure   processor.FailureHandler
	deadLetters string
	maxIdle     int64
	caughtUp    func(topic string, partition int32) bool

	dropped   map[string]int64
	worked    bool // something happened since the last commit
	requested bool // user code asked for a commit
	allMeta   bool // metadata changed: all offsets must carry it
}

// New opens the task's stores and makes its nodes. The stores are then
// restored, if need be, and Init makes the task ready.
func New(cfg Config) (*Task, error) {
	t := &Task{
		cfg: cfg, byTopic: map[string]*queue{}, dropped: map[string]int64{},
		collector: cfg.Collector, onFailure: cfg.OnFailure, deadLetters: cfg.DeadLetters,
		maxIdle: cfg.MaxIdle.Milliseconds(), caughtUp: cfg.CaughtUp,
	}
	if cfg.MaxIdle < 0 {
		t.maxIdle = -1
	}
	t.ctx = processor.NewContext(processor.Env{
		Context: cfg.Context, ApplicationID: cfg.ApplicationID, TaskID: cfg.ID, Collector: cfg.Collector,
		Store: t.open, Reader: t.openReader, Global: t.isGlobal, OnFailure: t.failed,
		OnDrop:   func(reason string) { t.dropped[reason]++ },
		OnCommit: func() { t.requested = true }, EmitInterval: cfg.EmitInterval,
		Notify: cfg.Notify, Lockstep: cfg.Lockstep, Input: t.input,
	})
	if err := t.openStores(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	var err error
	if t.wired, err = cfg.Topology.Wire(t.ctx, cfg.Subs...); err != nil {
		return nil, errors.Join(fmt.Errorf("task %s: %w", cfg.ID, err), t.Close())
	}
	// The order of the queues is that in which deadlines are looked at; it must
	// not depend on a map.
	for _, topic := range slices.Sorted(maps.Keys(t.wired.Sources)) {
		if cfg.Reads == nil || cfg.Reads(topic) {
			q := newQueue(topic, cfg.Partition, t.wired.Sources[topic])
			t.queues = append(t.queues, q)
			t.byTopic[topic] = q
		}
	}
	return t, nil
}

// Resume gives a source partition what was committed for it: the next offset
// and the metadata. It is called before Init.
func (t *Task) Resume(topic string, offset int64, m Metadata) {
	if q := t.byTopic[topic]; q != nil {
		q.position = offset
		q.partitionTime = max(q.partitionTime, m.PartitionTime)
	}
	f := t.ctx.Frame()
	f.StreamTime = max(f.StreamTime, m.PartitionTime)
	t.ctx.ResumeMetadata(m.Processor)
}

// Init initialises the nodes. The stores hold their restored content by then.
func (t *Task) Init(now int64) error {
	t.ctx.Frame().WallClock = now
	return t.wrap(t.wired.Init(t.ctx))
}

// Context is the task's context; it tells stream time and the like.
func (t *Task) Context() *processor.Context { return t.ctx }

// Topics returns the source topics that the task reads, by full name, sorted.
func (t *Task) Topics() []string {
	topics := make([]string, len(t.queues))
	for i, q := range t.queues {
		topics[i] = q.topic
	}
	return topics
}

// Follow makes the task read a topic that appeared after it was made, and
// reports whether one of its sources has a pattern that matches.
func (t *Task) Follow(topic string) bool {
	node := t.wired.Follow(topic)
	if node == nil {
		return false
	}
	q := newQueue(topic, t.cfg.Partition, node)
	t.queues = append(t.queues, q)
	t.byTopic[topic] = q
	return true
}

// Enqueue adds a fetched batch of a source topic. The task owns it until it
// calls its Release.
func (t *Task) Enqueue(topic string, b Batch, now int64) error {
	q := t.byTopic[topic]
	if q == nil {
		return fmt.Errorf("task %s: topic %q is not a source", t.cfg.ID, topic)
	}
	q.push(b)
	if q.ready {
		return nil
	}
	t.ctx.Frame().WallClock = now
	return t.refill(q)
}

// Process takes the next record and runs it through the task, and reports
// whether there was one. It does not look at readiness.
func (t *Task) Process(now int64) (bool, error) {
	q := t.choice.take()
	if q == nil {
		return false, nil
	}
	f := t.ctx.Frame()
	f.WallClock = now
	f.StreamTime = max(f.StreamTime, q.time)
	f.Topic, f.Partition, f.Offset = q.topic, q.partition, q.head.Offset
	f.Timestamp, f.Headers = q.time, q.head.Headers
	q.partitionTime = max(q.partitionTime, q.time)
	t.current = q
	err := q.node.Run(t.ctx)
	t.current = nil
	t.leave(f)
	if err == nil {
		err = t.ctx.Fatal()
	}
	if err != nil {
		return true, t.wrap(err)
	}
	q.passed()
	t.worked = true
	return true, t.refill(q)
}

// leave takes the record out of the frame.
func (t *Task) leave(f *processor.Frame) {
	f.Topic, f.Partition, f.Offset, f.Timestamp, f.Headers = "", -1, -1, 0, nil
	f.NullKey, f.NullValue = false, false
}

// refill prepares the next record of a queue that is not in the heap, skipping
// those that cannot be used.
func (t *Task) refill(q *queue) error {
	q.ready = false
	for {
		ok, err := q.next()
		if err != nil || !ok {
			return t.wrap(err)
		}
		ts, keep, err := q.node.Prepare(t.ctx, q.raw(), q.partitionTime)
		if err != nil {
			if err = t.undecodable(q, err); err != nil {
				return t.wrap(err)
			}
		} else if keep {
			q.time, q.ready = ts, true
			t.choice.add(q)
			return nil
		}
		q.passed()
		t.worked = true
	}
}

// undecodable handles the failure of a source to prepare the head of q. It
// returns nil when the record is to be skipped.
func (t *Task) undecodable(q *queue, err error) error {
	fail := &processor.Failure{}
	if !errors.As(err, &fail) {
		return err
	}
	f := t.ctx.Frame()
	f.Topic, f.Partition, f.Offset = q.topic, q.partition, q.head.Offset
	f.Timestamp, f.Headers = q.head.Timestamp, q.head.Headers
	t.current = q
	err = t.ctx.Fail(fail.Stage, fail.Node, nil, nil, fail.Err)
	t.current = nil
	t.leave(f)
	return err
}

// input is the record being processed, for operators that work on it later.
func (t *Task) input() (processor.RawRecord, bool) {
	if t.current == nil || t.deadLetters == "" {
		return processor.RawRecord{}, false
	}
	return t.current.raw(), true
}

// Punctuate calls what is due on the given clock, each schedule at most once,
// and reports whether anything was called. On the wall clock it also forwards
// what operators have finished beside the task.
func (t *Task) Punctuate(by processor.Clock, now int64) (bool, error) {
	t.ctx.Frame().WallClock = now
	if by == processor.WallClock {
		if err := t.ctx.Settle(false); err != nil {
			return false, t.wrap(err)
		}
	}
	fired, err := t.ctx.Punctuate(by)
	t.worked = t.worked || fired
	if err == nil {
		err = t.ctx.Fatal()
	}
	return fired, t.wrap(err)
}

// AdvanceTime moves the event time of all operators, as a record with the
// timestamp ts would. It is for tests.
func (t *Task) AdvanceTime(ts, now int64) error {
	t.ctx.Frame().WallClock = now
	t.worked = true
	return t.wrap(t.ctx.AdvanceTime(ts))
}

// CommitRequested reports whether user code asked for a commit since the last
// one.
func (t *Task) CommitRequested() bool { return t.requested }

// NeedsCommit reports whether anything happened since the last commit.
func (t *Task) NeedsCommit() bool { return t.worked }

// Flush writes back the caches, store after store in the order of the
// topology's nodes, which may send further records. Before, between and after
// them it waits for what operators do beside the task. It is the first step of
// a commit.
func (t *Task) Flush(now int64) error {
	t.ctx.Frame().WallClock = now
	if err := t.ctx.Settle(true); err != nil {
		return t.wrap(err)
	}
	for _, s := range t.stores {
		if err := s.Store.Flush(); err != nil {
			return t.wrap(err)
		}
		if err := t.ctx.Settle(true); err != nil {
			return t.wrap(err)
		}
	}
	return t.wrap(t.ctx.Fatal())
}

// Offsets appends the offsets to commit to dst: those that moved, or all known
// ones when the metadata they carry changed.
func (t *Task) Offsets(dst []Committed) []Committed {
	meta, changed := t.ctx.TakeMetadata()
	t.allMeta = t.allMeta || changed
	for _, q := range t.queues {
		if q.position >= 0 && (q.consumed || t.allMeta) {
			dst = append(dst, Committed{
				Topic: q.topic, Partition: q.partition, Offset: q.position, LeaderEpoch: q.leaderEpoch,
				Metadata: Metadata{q.partitionTime, meta}.Encode(),
			})
		}
	}
	return dst
}

// Done says that what Flush and Offsets gave is committed.
func (t *Task) Done() {
	t.worked, t.requested, t.allMeta = false, false, false
	for _, q := range t.queues {
		q.consumed = false
	}
}

// Dropped returns how many records were dropped, by reason. The map is the
// task's own.
func (t *Task) Dropped() map[string]int64 { return t.dropped }

// Close closes the nodes and stores and lets go of the buffered batches.
// Nothing is flushed: what is not committed is lost.
func (t *Task) Close() error {
	var errs []error
	if t.wired != nil {
		errs = append(errs, t.wrap(t.wired.Close()))
	}
	for _, q := range t.queues {
		q.close()
	}
	t.choice.heap = nil
	return errors.Join(append(errs, t.closeStores())...)
}

// wrap names the task in an error.
func (t *Task) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("task %s: %w", t.cfg.ID, err)
}
