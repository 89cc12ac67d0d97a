package testdriver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/topology"
)

// TB is what a Driver needs of a test; every testing.TB is one.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	// Fatalf reports a failure and does not return.
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Driver runs one topology. It is used by one goroutine.
type Driver struct {
	tb  TB
	cfg config

	topo   *topology.Topology
	db     *state.DB
	now    int64 // wall clock, ms
	tasks  []*unit
	global *unit
	topics []*topicLog // by id
	byName map[string]*topicLog
	counts map[string]int32 // partitions of internal topics, by full name

	// What the topology has sent. The first delivered rows can be read; those up
	// to placed have their offsets, the rest is staged. delivered <= placed.
	log               recordLog
	delivered, placed int
	records           []processor.RawRecord // of the log, as far as Records was asked
	spare             []*one
	key, value        []byte // scratch of inputs
	random            *rand.Rand
	turns             *rand.Rand       // of Interleave
	drops             map[string]int64 // of tasks that are gone
	crashes           int
	closed            bool
	failed            bool     // the test, by check
	lazy              bool     // commits reach the engine some together: see unit.done
	own               bool     // the engine is the driver's, and goes with it
	matched           []string // topics that a pattern has matched
}

type config struct {
	start        int64
	partitions   int32 // 0: one task with everything
	manual       bool
	backend      state.Backend
	appID        string
	cacheBytes   int64
	maxIdle      time.Duration
	emitInterval time.Duration
	onFailure    processor.FailureHandler
	deadLetters  string
	crashSeed    *uint64
	turns        *uint64
}

// Option changes how a Driver runs.
type Option func(*config)

// StartAt sets the wall clock at the beginning. The default is 2020-01-01 UTC.
func StartAt(t time.Time) Option { return func(c *config) { c.start = t.UnixMilli() } }

// Partitions gives every source topic n partitions and runs a task for each
// sub-topology and partition. A record whose key does not belong into the
// partition of the task that stores it fails the test: what hides behind a
// single partition, such as a missing repartition, shows up.
func Partitions(n int32) Option { return func(c *config) { c.partitions = n } }

// ManualCommit commits only when Commit is called, so that caches hold back
// updates in between. By default a commit follows each record.
func ManualCommit() Option { return func(c *config) { c.manual = true } }

// Engine keeps the state in the given engine instead of memory. Commits reach
// it some together, and all of them when the Driver is closed.
func Engine(b state.Backend) Option { return func(c *config) { c.backend = b } }

// ApplicationID sets the application's id, with which the names of internal
// topics begin. The default is "test".
func ApplicationID(id string) Option { return func(c *config) { c.appID = id } }

// CacheBytes sets the size of the write-back cache, 0 switches caches off. The
// default is 10 MiB.
func CacheBytes(n int64) Option { return func(c *config) { c.cacheBytes = n } }

// MaxIdle sets how long a task waits for inputs that have no records; negative
// means never. The default is 0.
func MaxIdle(d time.Duration) Option { return func(c *config) { c.maxIdle = d } }

// EmitInterval sets how often, by the wall clock, unmatched records of left and
// outer joins are looked for. The default 0 looks at each record.
func EmitInterval(d time.Duration) Option { return func(c *config) { c.emitInterval = d } }

// OnFailure sets the failure handler. Without one a failure fails the test.
func OnFailure(h processor.FailureHandler) Option { return func(c *config) { c.onFailure = h } }

// DeadLetters sets the topic of dead letters.
func DeadLetters(topic string) Option { return func(c *config) { c.deadLetters = topic } }

// WithCrashes stops tasks at random points, before and after commits, with what
// was not committed lost, and starts them again from the committed state; some
// lose their local stores too and restore them from the changelogs. A program
// gives the same final result as without.
func WithCrashes(seed uint64) Option { return func(c *config) { c.crashSeed = &seed } }

// New makes a Driver for a topology. It is closed when the test ends.
func New(tb TB, t *topology.Topology, opts ...Option) *Driver {
	tb.Helper()
	d := &Driver{
		tb: tb, topo: t, byName: map[string]*topicLog{}, drops: map[string]int64{},
		cfg: config{
			start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), appID: "test",
			cacheBytes: 10 << 20,
		},
	}
	for _, o := range opts {
		o(&d.cfg)
	}
	if d.cfg.backend == nil {
		d.cfg.backend, d.own = mem.New(), true
	}
	d.lazy = !d.cfg.manual && !d.keeps()
	d.now = d.cfg.start
	if d.cfg.turns != nil {
		d.turns = rand.New(rand.NewPCG(*d.cfg.turns, 1))
		if d.cfg.manual || d.cfg.crashSeed != nil {
			tb.Fatalf("testdriver: Interleave excludes ManualCommit and WithCrashes")
		}
	}
	if d.cfg.crashSeed != nil {
		d.random = rand.New(rand.NewPCG(*d.cfg.crashSeed, 0))
	}
	tb.Cleanup(d.Close)
	d.check(d.open())
	return d
}

// open plans the partitions and makes the tasks.
func (d *Driver) open() (err error) {
	if d.db, err = state.Open(d.cfg.backend, state.Options{}); err != nil {
		return err
	}
	if n := d.cfg.partitions; n > 0 {
		if d.counts, err = d.topo.RepartitionTopics(d.cfg.appID, func(string) (int32, error) { return n, nil }); err != nil {
			return err
		}
	}
	var plain []topology.SubTopology
	var global []int
	for _, s := range d.topo.SubTopologies() {
		if s.Global {
			global = append(global, s.ID)
		} else {
			plain = append(plain, s)
		}
	}
	if len(global) > 0 {
		d.global = &unit{d: d, id: "global", subs: global}
		if err := d.global.start(); err != nil {
			return err
		}
	}
	if d.cfg.partitions == 0 {
		if len(plain) > 0 {
			subs := make([]int, len(plain))
			for i, s := range plain {
				subs[i] = s.ID
			}
			d.tasks = []*unit{{d: d, id: "0_0", subs: subs}}
		}
	} else {
		for _, s := range plain {
			for p := range d.widest(s) {
				d.tasks = append(d.tasks, &unit{d: d, id: fmt.Sprintf("%d_%d", s.ID, p), subs: []int{s.ID}, partition: p})
			}
		}
	}
	for _, u := range d.tasks {
		if err := u.start(); err != nil {
			return err
		}
	}
	for _, u := range append(d.tasks[:len(d.tasks):len(d.tasks)], d.globals()...) { // a global store comes last
		for _, t := range u.task.Topics() {
			log := d.topic(t)
			log.readers = append(log.readers, u)
		}
	}
	return nil
}

func (d *Driver) globals() []*unit {
	if d.global == nil {
		return nil
	}
	return []*unit{d.global}
}

// widest is the number of tasks of a sub-topology.
func (d *Driver) widest(s topology.SubTopology) (n int32) {
	for _, t := range s.SourceTopics {
		n = max(n, d.partitionsOf(topology.FullName(d.cfg.appID, t, d.topo.Internal(t))))
	}
	if len(s.Patterns) > 0 {
		n = max(n, d.cfg.partitions)
	}
	return n
}

// partitionsOf is the number of a topic's partitions. With one task for all
// there is but one, even of a repartition topic that the user has counted.
func (d *Driver) partitionsOf(topic string) int32 {
	if n, ok := d.counts[topic]; ok {
		return n
	}
	return max(d.cfg.partitions, 1)
}

// Now returns the wall clock.
func (d *Driver) Now() time.Time { return time.UnixMilli(d.now).UTC() }

// Advance moves the wall clock: wall-clock schedules that are due run, each
// once, and records that waited for it are processed.
func (d *Driver) Advance(by time.Duration) {
	d.tb.Helper()
	if by < 0 {
		d.tb.Fatalf("testdriver: Advance by %v: time does not go back", by)
	}
	d.now += by.Milliseconds()
	d.check(d.advance())
}

// CloseWindows moves event time on, for every operator, without a record:
// windows that close by then are closed, and what waited for that is emitted.
// Schedules on stream time run with the next record.
func (d *Driver) CloseWindows(until time.Time) {
	d.tb.Helper()
	d.check(d.closeWindows(until.UnixMilli()))
}

// Commit commits all tasks: caches are written back, in the order of the
// topology's nodes.
func (d *Driver) Commit() {
	d.tb.Helper()
	d.check(d.commitAll())
	d.check(d.run())
}

// Run processes what was queued by Input.Queue, until nothing is left or the
// tasks wait for other inputs.
func (d *Driver) Run() {
	d.tb.Helper()
	d.check(d.run())
}

// Dropped returns how many records were dropped so far, by reason.
func (d *Driver) Dropped() map[string]int64 {
	sum := map[string]int64{}
	for r, n := range d.drops {
		sum[r] += n
	}
	for _, u := range d.units() {
		for r, n := range u.dropped() {
			sum[r] += n
		}
	}
	return sum
}

// Crashes returns how often WithCrashes has stopped a task.
func (d *Driver) Crashes() int { return d.crashes }

func (d *Driver) units() []*unit { return append(d.globals(), d.tasks...) }

// Close closes the tasks and the engine. Tests need not call it. What a
// processor's Close or the engine reports fails the test.
func (d *Driver) Close() {
	if d.closed {
		return
	}
	d.closed = true
	var errs []error
	for _, u := range d.units() {
		if d.lazy && !d.own && !d.failed && u.task != nil {
			errs = append(errs, u.txn.Commit())
		}
		errs = append(errs, u.stop())
	}
	if d.db != nil {
		errs = append(errs, d.db.Close())
	}
	if err := errors.Join(errs...); err != nil {
		d.tb.Errorf("testdriver: close: %v", err)
	}
}

// check fails the test for an error. Who sends or reads records calls it, and
// TB.Helper, only when there is one: Helper takes longer than a record.
func (d *Driver) check(err error) {
	if err != nil {
		d.failed = true
		d.tb.Helper()
		d.tb.Fatalf("testdriver: %v", err)
	}
}

var background = context.Background()
