// Package processortest runs one processor alone, without a topology: what it
// forwards, schedules and asks for is kept for the test to look at, and its
// stores are real ones in memory.
//
//	r := processortest.New(t, newDedupe(), processortest.Stores(seen))
//	r.Send("k", order)
//	require.Len(t, r.Forwarded(), 1)
//
// A whole program is tested with package testdriver.
package processortest

import (
	"errors"
	"time"

	"github.com/thalweg/thalweg/internal/null"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
)

// TB is what a Runner needs of a test; every testing.TB is one.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	// Fatalf reports a failure and does not return.
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Forward is a record that the processor has forwarded. Child is the one it was
// meant for, "" for all.
type Forward[K, V any] struct {
	Child string
	processor.Record[K, V]
}

// Runner runs one processor. It is used by one goroutine.
type Runner[KIn, VIn, KOut, VOut any] struct {
	tb    TB
	cfg   config
	c     *processor.Context
	node  processor.Node[KIn, VIn]
	life  processor.Lifecycle
	scope *processor.Scope

	db        *state.DB
	txn       *state.Txn
	stores    map[string]state.Store
	forwarded []Forward[KOut, VOut]
	committed bool
	dropped   map[string]int64
	failure   error // of the call under way
}

type config struct {
	name      string
	stores    []state.Declared
	children  []string
	now       int64
	topic     string
	partition int32
	offset    int64
}

// Option changes how a Runner runs.
type Option func(*config)

// Stores connects stores to the processor. They have neither cache nor
// changelog.
func Stores(hs ...state.Declared) Option {
	return func(c *config) { c.stores = append(c.stores, hs...) }
}

// Children names what the processor may forward to with ForwardTo.
func Children(names ...string) Option {
	return func(c *config) { c.children = append(c.children, names...) }
}

// StartAt sets the wall clock at the beginning. The default is 2020-01-01 UTC.
func StartAt(t time.Time) Option { return func(c *config) { c.now = t.UnixMilli() } }

// From sets the topic, partition and offset of the first record; the offset of
// each one after it is one higher. The default is "input", 0 and 0.
func From(topic string, partition int32, offset int64) Option {
	return func(c *config) { c.topic, c.partition, c.offset = topic, partition, offset }
}

// New makes a Runner of a processor, and calls its Init. Its Close is called when
// the test ends.
func New[P processor.Processor[KIn, VIn, KOut, VOut], KIn, VIn, KOut, VOut any](tb TB, p P, opts ...Option) *Runner[KIn, VIn, KOut, VOut] {
	tb.Helper()
	r := prepare[KIn, VIn, KOut, VOut](tb, opts)
	var children []processor.Child[KOut, VOut]
	for _, name := range r.cfg.children {
		children = append(children, processor.Child[KOut, VOut]{Name: name, Node: capture[KIn, VIn, KOut, VOut]{r, name}})
	}
	out := processor.NewOutTo(r.c, r.cfg.name, capture[KIn, VIn, KOut, VOut]{r, ""}, children, null.Test[KOut](nil), null.Test[VOut](nil))
	n := processor.NewUserNode(p, out, r.scope)
	return r.begin(n, n)
}

// NewValues is New for a processor that cannot change keys.
func NewValues[P processor.ValueProcessor[K, VIn, VOut], K, VIn, VOut any](tb TB, p P, opts ...Option) *Runner[K, VIn, K, VOut] {
	tb.Helper()
	r := prepare[K, VIn, K, VOut](tb, opts)
	n := processor.NewValueNode(p, capture[K, VIn, K, VOut]{r, ""}, r.scope, null.Test[VOut](nil))
	return r.begin(n, n)
}

func prepare[KIn, VIn, KOut, VOut any](tb TB, opts []Option) *Runner[KIn, VIn, KOut, VOut] {
	tb.Helper()
	r := &Runner[KIn, VIn, KOut, VOut]{
		tb: tb, stores: map[string]state.Store{}, dropped: map[string]int64{},
		cfg: config{name: "processor", topic: "input", now: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()},
	}
	for _, o := range opts {
		o(&r.cfg)
	}
	r.scope = &processor.Scope{Node: r.cfg.name}
	r.c = processor.NewContext(processor.Env{
		ApplicationID: "test", TaskID: "0_0",
		Store: func(name string) any {
			if s, ok := r.stores[name]; ok {
				return s
			}
			return nil
		},
		OnFailure: func(_ *processor.Context, f *processor.Failure) error { r.failure = f; return nil },
		OnDrop:    func(reason string) { r.dropped[reason]++ },
		OnCommit:  func() { r.committed = true },
	})
	r.c.Frame().WallClock = r.cfg.now
	r.open()
	return r
}

// open opens the stores.
func (r *Runner[KIn, VIn, KOut, VOut]) open() {
	r.tb.Helper()
	var err error
	if r.db, err = state.Open(mem.New(), state.Options{}); err != nil {
		r.tb.Fatalf("processortest: %v", err)
	}
	r.txn = r.db.NewTxn()
	for _, h := range r.cfg.stores {
		p, err := r.txn.Open(h.StoreName(), 0)
		if err != nil {
			r.tb.Fatalf("processortest: %v", err)
		}
		s, err := h.Open(state.Env{Partition: p, Record: r.record, SetRecord: func(state.Record) {}, Dropped: r.c.Drop})
		if err != nil {
			r.tb.Fatalf("processortest: %v", err)
		}
		r.stores[h.StoreName()] = s
		r.scope.Stores = append(r.scope.Stores, h.StoreName())
	}
}

func (r *Runner[KIn, VIn, KOut, VOut]) record() state.Record {
	f := r.c.Frame()
	return state.Record{Topic: f.Topic, Partition: f.Partition, Offset: f.Offset, Timestamp: f.Timestamp, Headers: f.Headers}
}

// begin takes in the node and initialises it.
func (r *Runner[KIn, VIn, KOut, VOut]) begin(n processor.Node[KIn, VIn], l processor.Lifecycle) *Runner[KIn, VIn, KOut, VOut] {
	r.tb.Helper()
	r.node, r.life = n, l
	r.tb.Cleanup(r.close)
	if err := l.Init(r.c); err != nil {
		r.tb.Fatalf("processortest: %v", err)
	}
	return r
}

func (r *Runner[KIn, VIn, KOut, VOut]) close() {
	errs := []error{r.life.Close()}
	r.txn.Abort()
	for _, s := range r.stores {
		errs = append(errs, s.Close())
	}
	if err := errors.Join(append(errs, r.db.Close())...); err != nil {
		r.tb.Errorf("processortest: close: %v", err)
	}
}

// Process gives the processor a record, and returns its error, or its panic as
// a *processor.PanicError.
func (r *Runner[KIn, VIn, KOut, VOut]) Process(rec processor.Record[KIn, VIn]) error {
	f := r.c.Frame()
	f.Topic, f.Partition, f.Offset = r.cfg.topic, r.cfg.partition, r.cfg.offset
	r.cfg.offset++
	f.Timestamp, f.Headers, f.NullKey, f.NullValue = rec.Timestamp, rec.Headers, rec.NullKey, rec.NullValue
	if null := null.Test[KIn](nil); null != nil {
		f.NullKey = null(rec.Key)
	}
	if null := null.Test[VIn](nil); null != nil {
		f.NullValue = null(rec.Value)
	}
	f.StreamTime = max(f.StreamTime, rec.Timestamp)
	err := r.node.Process(r.c, rec.Key, rec.Value)
	f.Topic, f.Partition, f.Offset, f.Timestamp, f.Headers = "", -1, -1, 0, nil
	return r.outcome(err)
}

// outcome is what user code failed with, or the framework.
func (r *Runner[KIn, VIn, KOut, VOut]) outcome(err error) error {
	failed := r.failure
	r.failure = nil
	if err == nil {
		err = r.c.Fatal()
	}
	if f := (*processor.Failure)(nil); err == nil && errors.As(failed, &f) {
		return f.Err
	}
	return err
}

// Send gives the processor a record with the time of the wall clock. An error
// fails the test.
func (r *Runner[KIn, VIn, KOut, VOut]) Send(k KIn, v VIn) {
	if err := r.Process(processor.Record[KIn, VIn]{Key: k, Value: v, Timestamp: r.c.Frame().WallClock}); err != nil {
		r.tb.Helper()
		r.tb.Fatalf("processortest: %v", err)
	}
}

// Advance moves the wall clock and calls the schedules on it that are due, each
// once. It returns the error of a schedule.
func (r *Runner[KIn, VIn, KOut, VOut]) Advance(by time.Duration) error {
	if by < 0 {
		r.tb.Helper()
		r.tb.Fatalf("processortest: Advance by %v: time does not go back", by)
	}
	r.c.Frame().WallClock += by.Milliseconds()
	return r.punctuate(processor.WallClock)
}

// AdvanceStream moves stream time, which does not go back, and calls the
// schedules on it that are due, each once. Records move stream time too, but
// schedules wait for this call. It returns the error of a schedule.
func (r *Runner[KIn, VIn, KOut, VOut]) AdvanceStream(to time.Time) error {
	f := r.c.Frame()
	f.StreamTime = max(f.StreamTime, to.UnixMilli())
	return r.punctuate(processor.StreamTime)
}

func (r *Runner[KIn, VIn, KOut, VOut]) punctuate(by processor.Clock) error {
	_, err := r.c.Punctuate(by)
	return r.outcome(err)
}

// NextSchedule returns when the next schedule on a clock is due; false when
// there is none.
func (r *Runner[KIn, VIn, KOut, VOut]) NextSchedule(by processor.Clock) (time.Time, bool) {
	at, ok := r.c.NextPunctuation(by)
	return time.UnixMilli(at).UTC(), ok
}

// Forwarded returns what the processor has forwarded since the last call.
func (r *Runner[KIn, VIn, KOut, VOut]) Forwarded() []Forward[KOut, VOut] {
	fs := r.forwarded
	r.forwarded = nil
	return fs
}

// CommitRequested reports whether the processor has asked for a commit since the
// last call.
func (r *Runner[KIn, VIn, KOut, VOut]) CommitRequested() bool {
	c := r.committed
	r.committed = false
	return c
}

// Dropped returns how many records and writes were dropped, by reason.
func (r *Runner[KIn, VIn, KOut, VOut]) Dropped() map[string]int64 { return r.dropped }

// Store returns the open store called name, for the In methods of handles:
//
//	seen.In(r).Get("k")
func (r *Runner[KIn, VIn, KOut, VOut]) Store(name string) any {
	if s, ok := r.stores[name]; ok {
		return s
	}
	return nil
}

// capture is a child that keeps what it gets.
type capture[KIn, VIn, KOut, VOut any] struct {
	r    *Runner[KIn, VIn, KOut, VOut]
	name string
}

func (n capture[KIn, VIn, KOut, VOut]) Process(c *processor.Context, k KOut, v VOut) error {
	f := c.Frame()
	n.r.forwarded = append(n.r.forwarded, Forward[KOut, VOut]{n.name, processor.Record[KOut, VOut]{
		Key: k, Value: v, Timestamp: f.Timestamp, Headers: f.Headers, NullKey: f.NullKey, NullValue: f.NullValue,
	}})
	return nil
}
