package runtime

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/cluster"
	"github.com/thalweg/thalweg/runtime/internal/commit"
	"github.com/thalweg/thalweg/runtime/internal/fetch"
	"github.com/thalweg/thalweg/runtime/internal/group"
	"github.com/thalweg/thalweg/runtime/internal/membership"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// App is one process of an application.
type App struct {
	topology *topology.Topology
	cfg      Config
	logger   *slog.Logger
	process  string // identity of this process, part of its transactional ids
	state    stateBox
	tasks    taskStates
	numbers  metricsBox
	began    atomic.Bool
	stopped  chan struct{} // closed when Run begins to stop
	crashed  atomic.Bool   // for tests: end as if killed
	paused   atomic.Bool
	wake     atomic.Pointer[func()] // all workers, once there are any
	hook     func(worker int, step commit.Step)
	// beforeTell, for tests, is called between the decision what the workers
	// are told of the membership and the telling.
	beforeTell func(membership.Output)
	patience   time.Duration // for the first answer of a broker

	ctx    context.Context // of requests; outlives the stop
	client *kgo.Client
	meta   *cluster.Cluster
	v2     bool
	// protocol1 has transactions of version 1 spoken also where the brokers know
	// version 2. It is for tests.
	protocol1 bool
	plan      atomic.Pointer[plan] // the newest: the inputs may change
	dbMu      sync.Mutex           // guards db against queries while Run begins and ends
	db        *state.DB
	readers   sync.WaitGroup // open snapshots
	fetcher   *fetch.Fetcher
	preparer  *preparer
	restorer  *restorer
	purger    *purger
	settings  settingsCheck
	workers   []*worker
	member    *member
	globals   atomic.Pointer[globals]
}

// New checks the configuration and returns an application that is ready to run.
// The error joins all mistakes. Nothing is connected yet.
func New(t *topology.Topology, cfg Config) (*App, error) {
	if err := cfg.Validate(t); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	a := &App{topology: t, cfg: cfg, stopped: make(chan struct{}), patience: connectTimeout}
	a.process = cfg.InstanceID
	if a.process == "" {
		a.process = strings.ToLower(rand.Text()[:12])
	}
	a.logger = cfg.Logger.With("application", cfg.ApplicationID)
	a.state = stateBox{listener: cfg.OnState, logger: a.logger}
	a.tasks.state = &a.state
	return a, nil
}

// Run is New and App.Run.
func Run(ctx context.Context, t *topology.Topology, cfg Config) error {
	a, err := New(t, cfg)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// State is what the application is doing. It may be called from any goroutine.
func (a *App) State() State { return a.state.get() }

// Pause stops the processing of records and schedules, in this process, until
// Resume. What was processed is committed; the tasks stay with this process, and
// global stores and restores go on. It may be called from any goroutine, also
// before Run.
func (a *App) Pause() { a.pause(true) }

// Resume ends a Pause.
func (a *App) Resume() { a.pause(false) }

// Paused reports whether the application is paused.
func (a *App) Paused() bool { return a.paused.Load() }

func (a *App) pause(on bool) {
	if a.paused.Swap(on) != on {
		a.logger.Info("application", "paused", on)
	}
	if wake := a.wake.Load(); wake != nil {
		(*wake)()
	}
}

// Run works until ctx is done; then it finishes the records at hand, commits,
// leaves the group and returns nil. It returns an error when the application
// cannot go on: brokers that cannot be reached at the start, missing topics, a
// failed record for which OnError chose Fail. It may be called once.
func (a *App) Run(ctx context.Context) error {
	if a.began.Swap(true) {
		return errors.New("runtime: Run was called twice: make a new App with New")
	}
	a.state.set(Rebalancing)
	err := a.run(ctx)
	if errors.As(err, new(*processor.Failure)) && a.cfg.OnError == nil {
		err = fmt.Errorf("%w\nConfig.OnError can skip such a record, send it to a dead-letter topic or try it again", err)
	}
	if err != nil {
		a.logger.Error("application failed", "err", err)
		a.state.set(Failed)
		return err
	}
	a.state.set(Stopped)
	return nil
}

func (a *App) run(ctx context.Context) (err error) {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	a.ctx = requests

	if err := a.connect(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer a.client.Close()
	if err := a.firstPlan(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if a.cfg.State != nil {
		db, openErr := state.Open(a.cfg.State, state.Options{Memory: a.cfg.StateMemory / 2, Logger: a.logger})
		if openErr != nil {
			return fmt.Errorf("runtime: %w", openErr)
		}
		a.logger.Info("state engine", "engine", db.Name())
		a.setDB(db)
		defer func() {
			a.setDB(nil)
			a.readers.Wait()
			if closeErr := db.Close(); closeErr != nil {
				err = errors.Join(err, fmt.Errorf("runtime: local state is not saved, the next start restores it: %w", closeErr))
			}
		}()
	}
	a.fetcher = fetch.New(fetch.Config{
		Client: a.client, Committed: a.cfg.transactional(), MaxWait: fetchWait, MaxBytes: fetchBytes,
		PartitionBytes: int32(a.cfg.FetchBytes), Budget: a.cfg.FetchBytes, OnGap: a.lost, Logger: a.logger,
	})
	defer a.fetcher.Close()
	a.preparer = &preparer{client: a.client, meta: a.meta, group: a.cfg.ApplicationID, logger: a.logger}
	a.restorer = newRestorer(&a.cfg, a.restored)
	a.purger = newPurger(a.plan.Load())
	return a.work(ctx)
}

const (
	// fetchWait is how long a broker may hold a fetch without data. A task that
	// is new to a broker joins the next fetch, so it is not long.
	fetchWait = 100 * time.Millisecond
	// fetchBytes bounds one answer of one broker.
	fetchBytes = 8 << 20
)

// connect reaches the brokers and finds out what they speak.
func (a *App) connect(ctx context.Context) error {
	options := func(v2 bool) []kgo.Opt {
		return append([]kgo.Opt{
			kgo.SeedBrokers(a.cfg.Brokers...), kgo.MaxVersions(cluster.Versions(v2)),
			kgo.ClientID(a.cfg.ApplicationID), kgo.MetadataMinAge(10 * time.Millisecond),
			// Whoever asks knows how long to go on asking, and says so.
			kgo.RetryTimeout(requestTimeout),
		}, a.cfg.Client...)
	}
	client, err := kgo.NewClient(options(true)...)
	if err != nil {
		return fmt.Errorf("runtime: client options: %w", err)
	}
	probe, cancel := context.WithTimeout(ctx, a.patience)
	defer cancel()
	var v2 bool
	err = again(probe, a.logger, "a broker to answer at "+strings.Join(a.cfg.Brokers, ", "), func() (err error) {
		v2, err = cluster.Transactions2(probe, client)
		return err
	})
	v2 = v2 && !a.protocol1
	if err != nil {
		client.Close()
		return fmt.Errorf("runtime: no broker answers at %s: check that it runs and that Brokers, and TLS and SASL in Client, are right: %w", strings.Join(a.cfg.Brokers, ", "), err)
	}
	if !v2 {
		client.Close()
		if client, err = kgo.NewClient(options(false)...); err != nil {
			return fmt.Errorf("runtime: client options: %w", err)
		}
	}
	a.client, a.v2, a.meta = client, v2, cluster.New(client)
	return nil
}

const (
	// connectTimeout is how long the first answer of a broker may take. Brokers
	// that answered once are waited for without limit.
	connectTimeout = 20 * time.Second
	// requestTimeout is how long a single request is tried again where no
	// broker can be reached.
	requestTimeout = 2 * time.Second
)

// work runs the workers and the membership until one of them fails or ctx is
// done.
func (a *App) work(ctx context.Context) error {
	if !a.topology.Patterned() { // with patterns there may come many more tasks
		a.cfg.Workers = min(a.cfg.Workers, len(a.plan.Load().tasks))
	}
	a.numbers.mu.Lock() // Metrics may be asked for already
	a.numbers.workers = make([]workerMetrics, a.cfg.Workers)
	a.numbers.mu.Unlock()
	for i := range a.cfg.Workers {
		a.workers = append(a.workers, newWorker(a, i))
	}
	wake := func() {
		for _, w := range a.workers {
			w.notify()
		}
	}
	a.wake.Store(&wake)
	a.member = newMember(a)
	// A member joins again once its transaction is over, which takes at most
	// the transaction timeout; so long the group waits for it.
	inGroup := group.New(group.Config{
		Client: a.client, Group: a.cfg.ApplicationID, Instance: a.cfg.InstanceID,
		Session: a.cfg.SessionTimeout, Heartbeat: a.cfg.HeartbeatInterval, Rebalance: a.cfg.SessionTimeout + a.cfg.TransactionTimeout,
		Topics:  func() []string { return a.plan.Load().sources },
		Place:   func(t assign.Task) map[string][]int32 { return a.plan.Load().place(t) },
		Handler: a.member, Logger: a.logger,
	})
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers, others, owner sync.WaitGroup
	errs := make(chan error, len(a.workers)+2)
	stopGlobals, err := a.startGlobals(ctx, func(err error) {
		errs <- err
		cancel(err)
	})
	if err != nil {
		return err
	}
	defer stopGlobals()
	ended := make(chan struct{})
	owner.Go(func() { a.member.run(ended) })
	for _, w := range a.workers {
		workers.Go(func() {
			if err := w.run(); err != nil {
				errs <- err
				cancel(err)
			}
		})
	}
	others.Go(func() {
		if err := inGroup.Run(ctx); err != nil {
			errs <- err
			cancel(err)
		}
	})
	if a.db != nil && a.cfg.StateCleanup > 0 {
		others.Go(func() { newCleaner(a.db, a.cfg.StateCleanup, a.logger).run(ctx) })
	}
	others.Go(func() { a.watchInputs(ctx, a.member.leads.Load, inGroup.Rejoin) })
	others.Go(func() { a.purger.run(ctx, a.client, a.logger) })
	<-ctx.Done()
	a.state.set(Stopping)
	close(a.stopped)
	for _, w := range a.workers {
		w.post(stopMsg{})
	}
	workers.Wait()
	others.Wait()
	close(ended)
	owner.Wait()
	// A static member stays, for its restart: the others wait until its session
	// has expired.
	if !a.crashed.Load() && (a.cfg.InstanceID == "" || a.cfg.LeaveOnStop) {
		leave, cancel := context.WithTimeout(a.ctx, leaveTimeout)
		defer cancel()
		if err := inGroup.Leave(leave); err != nil {
			a.logger.Warn("leaving the group; the others will wait for the session timeout", "err", err)
		}
	}
	stopGlobals()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// stopRequested reports whether Run has begun to stop.
func (a *App) stopRequested() bool {
	select {
	case <-a.stopped:
		return true
	default:
		return false
	}
}

// startGlobals loads the global stores and keeps them up to date until the
// returned function is called, which may be called again.
func (a *App) startGlobals(ctx context.Context, failed func(error)) (stop func(), err error) {
	g, err := a.openGlobals()
	if err != nil || g == nil {
		return func() {}, err
	}
	a.globals.Store(g)
	run, cancel := context.WithCancel(a.ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := g.run(run); err != nil {
			failed(err)
		}
	})
	select {
	case <-g.loaded:
	case <-ctx.Done(): // stopped, or it failed
	}
	return func() {
		cancel()
		wg.Wait()
	}, nil
}

const leaveTimeout = 5 * time.Second

func (a *App) setDB(db *state.DB) {
	a.dbMu.Lock()
	a.db = db
	a.dbMu.Unlock()
}

// localState is what the assignor is told of the state in this process.
func (a *App) localState() []assign.Local {
	if a.db == nil {
		return nil
	}
	parts, err := a.db.Partitions()
	if err != nil {
		a.logger.Warn("reading the catalog of local state", "err", err)
		return nil
	}
	sum := make(map[assign.Task]int64)
	for _, p := range parts {
		if st, ok := a.topology.Store(p.Store); ok && p.Position.Offset > 0 {
			sum[assign.Task{Sub: int32(st.Sub), Partition: p.Partition}] += p.Position.Offset
		}
	}
	var local []assign.Local
	for t, n := range sum {
		if a.plan.Load().has(t) {
			local = append(local, assign.Local{Task: t, Position: n})
		}
	}
	return local
}

// leaderEpoch is a partition's leader epoch as the metadata has it, -1 when
// that is not known.
func (a *App) leaderEpoch(topic string, partition int32) int32 {
	ct, err := a.meta.Topic(a.ctx, topic, false)
	if err != nil || int(partition) >= len(ct.Epochs) {
		return -1
	}
	return ct.Epochs[partition]
}

// restored passes on the progress of a restore.
func (a *App) restored(p RestoreProgress) {
	if a.cfg.OnRestore != nil {
		a.cfg.OnRestore(p)
	}
}

func codeErr(code int16) error { return kerr.ErrorForCode(code) }
