package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/commit"
	"github.com/thalweg/thalweg/runtime/internal/membership"
	"github.com/thalweg/thalweg/runtime/internal/produce"
	"github.com/thalweg/thalweg/state"
)

// worker is a goroutine with a producer and the tasks pinned to it. Everything
// in it belongs to that goroutine, but for the inbox.
//
// The way of a record: fetch loop → cursor → task.Enqueue → task.Process →
// collector → producer's batch, and with the commit into the log, the group's
// offsets and the local store.
//
// Invariants: one transaction at a time, of all its tasks; a task is taken on
// or given up between transactions only; an abort leaves nothing of a task but
// what the engine holds.
type worker struct {
	app       *App
	index     int
	ctx       context.Context // of the requests; outlives the stop by the drain
	producer  *produce.Producer
	collector *collector
	cache     *state.Cache
	// mostUncommitted is from how many bytes on the commit does not wait.
	mostUncommitted int64
	machine         *commit.Machine
	// txn is of the stores of all running tasks, so that one write brings all that
	// a transaction did into the engine. Stores that are restored have their own.
	// It is nil without an engine.
	txn   *state.Txn
	plan  *plan // under which tasks are opened
	slots map[assign.Task]*slot
	order []*slot // slots sorted, nil when out of date
	turns int     // slots that have had a turn: where in order the next one is
	wake  chan struct{}
	wg    sync.WaitGroup

	inbox      *inbox
	membership *membership.Worker
	next       *plan // of the change that is to be carried out
	ready      []any // preparedMsg, restoredMsg
	backoff    backoff
	cause      error         // of the abort under way
	least      time.Duration // to wait after it
	stopping   bool
	lastCommit time.Time
	pending    []produce.Offset // of the commit under way
	dropped    map[string]int64 // of closed tasks
	clock      func() time.Time
	counts     counts
}

// Messages to a worker.
type (
	// tasksMsg is what the membership in the group means for the worker's
	// tasks, and the plan under which they are opened.
	tasksMsg struct {
		membership.Message
		plan *plan
	}
	stopMsg     struct{}
	preparedMsg struct {
		slot *slot
		p    prepared
	}
	// restoredMsg says that one store of a slot is complete, or what went wrong.
	restoredMsg struct {
		slot *slot
		err  error
	}
)

// post puts a message into the inbox. It never blocks.
func (w *worker) post(m any) { w.inbox.put(m) }

// notify wakes the worker.
func (w *worker) notify() { wakeUp(w.wake) }

func (w *worker) now() int64 { return w.clock().UnixMilli() }

// run is the worker until it is stopped or fails. It closes its tasks.
func (w *worker) run() error {
	defer w.wg.Wait()
	defer w.producer.Close()
	if err := w.reinit(); err != nil {
		if w.app.stopRequested() {
			return nil
		}
		return err
	}
	for {
		if w.app.crashed.Load() {
			w.abandon()
			return nil
		}
		busy, err := w.guarded()
		if err != nil {
			return errors.Join(err, w.fail())
		}
		if w.stopping {
			return w.stop()
		}
		if !busy {
			if err := w.producer.Ship(); err == nil {
				w.rest()
			}
		}
	}
}

// guarded is turn for a program that panics where no node guards against it, as in
// the serde of a store: the worker ends with an error, and its transaction aborts.
func (w *worker) guarded() (busy bool, err error) {
	defer func() {
		if p, ok := err.(*processor.PanicError); ok {
			err = fmt.Errorf("runtime: worker %d: %w\n%s", w.index, p, p.Stack)
		}
	}()
	defer processor.Recover(&err)
	return w.turn()
}

// turn is one round: messages, fetched data, records, punctuation, commit.
func (w *worker) turn() (busy bool, err error) {
	w.receive()
	if err := w.settle(); err != nil || w.stopping {
		return false, err
	}
	busy, err = w.process()
	if err == nil {
		err = w.producer.Poll()
	}
	if err = w.recover(err); err != nil {
		return false, err
	}
	if hook := w.app.hook; hook != nil {
		hook(w.index, commit.Done)
	}
	if w.app.crashed.Load() {
		return false, nil
	}
	if w.due() {
		err = w.commit()
	}
	w.count()
	return busy, err
}

// receive takes in all messages. What they say about the epoch counts at once;
// tasks change hands in settle.
func (w *worker) receive() {
	for _, m := range w.inbox.take() {
		switch m := m.(type) {
		case tasksMsg:
			if w.membership.Receive(m.Message, w.runs()) {
				w.next = m.plan
			}
		case stopMsg:
			w.stopping = true
		case preparedMsg, restoredMsg:
			w.ready = append(w.ready, m)
		}
	}
}

// runs are the tasks of the worker, sorted.
func (w *worker) runs() []assign.Task {
	return slices.SortedFunc(maps.Keys(w.slots), assign.Task.Compare)
}

// settle carries out losses and changes of the assignment, between
// transactions.
func (w *worker) settle() error {
	if err := w.reassign(); err != nil {
		return err
	}
	for len(w.ready) > 0 {
		m := w.ready[0]
		w.ready = w.ready[1:]
		if err := w.recover(w.advance(m)); err != nil {
			return err
		}
	}
	return nil
}

// reassign gives up the tasks that are the worker's no more, and takes on those
// that are new. What there is to be told meanwhile is looked at again from the
// beginning: a commit takes in messages while it waits.
func (w *worker) reassign() error {
	for {
		if w.membership.Lost() {
			if len(w.slots) > 0 || w.machine.Poisoned() { // unless a commit found out
				if err := w.abort(); err != nil {
					return err
				}
			}
			w.answer(w.membership.Closed())
		}
		change, ok := w.membership.Change()
		if !ok {
			return nil
		}
		closing := closing(change, w.runs())
		if len(closing) > 0 || w.machine.Poisoned() {
			losses := w.membership.Losses()
			if err := w.commit(); err != nil {
				return err
			}
			if w.membership.Losses() != losses {
				continue
			}
		}
		for _, id := range closing {
			if err := w.close(w.slots[id]); err != nil {
				w.app.logger.Warn("closing task", "task", name(id), "err", err)
			}
		}
		w.plan = w.next
		for _, id := range change.Tasks {
			if w.slots[id] == nil {
				if err := w.open(id); err != nil {
					return err
				}
			}
		}
		w.answer(w.membership.CarriedOut(w.runs()))
	}
}

// closing are the tasks that a change takes away or opens anew.
func closing(change membership.Message, runs []assign.Task) []assign.Task {
	return slices.DeleteFunc(runs, func(t assign.Task) bool {
		return slices.Contains(change.Tasks, t) && !slices.Contains(change.Reopen, t)
	})
}

// answer tells the membership what was carried out.
func (w *worker) answer(a membership.Answer) { w.app.member.inbox.put(a) }

// advance brings a slot nearer to running, as a message says that it is. A slot
// that was closed meanwhile stays so.
func (w *worker) advance(m any) error {
	switch m := m.(type) {
	case preparedMsg:
		if w.slots[m.slot.id] == m.slot {
			return w.prepared(m.slot, m.p)
		}
	case restoredMsg:
		switch {
		case w.slots[m.slot.id] != m.slot:
		case errors.Is(m.err, errWiped):
			return w.reopen(m.slot)
		case m.err != nil:
			return m.err
		default:
			return w.restored(m.slot, 1)
		}
	}
	return nil
}

// slice is how many records of one task are processed before the next task has
// its turn and the clock is read again.
const slice = 256

// slowCheck is after how many records the clock is read within a slice, so that
// slow user code does not outlast the transaction.
const slowCheck = 32

// maxUnacked is how much may be sent and not acknowledged before a worker waits.
const maxUnacked = 32 << 20

// process gives the running tasks a turn each, beginning behind the one that had the
// last, until a commit is due, and calls the schedules of all. It reports whether
// any record was processed or fetched.
func (w *worker) process() (busy bool, err error) {
	if w.order == nil {
		w.order = slices.SortedFunc(maps.Values(w.slots), func(a, b *slot) int { return a.id.Compare(b.id) })
	}
	if w.held() {
		return false, nil
	}
	if w.producer.Buffered() > maxUnacked {
		return false, nil // Notify will wake the worker
	}
	for range w.order {
		s := w.order[w.turns%len(w.order)]
		w.turns++
		if s.phase != phaseRunning {
			continue
		}
		did, late, err := w.processSlice(s)
		busy = busy || did
		if err != nil {
			return busy, err
		}
		if late {
			break // the commit does not wait, and the others come first after it
		}
	}
	now := w.now()
	for _, s := range w.order {
		if s.phase != phaseRunning {
			continue
		}
		if _, err := s.task.Punctuate(processor.WallClock, now); err != nil {
			return busy, err
		}
	}
	return busy, nil
}

// processSlice gives one task a turn. late says that a commit is due by then.
func (w *worker) processSlice(s *slot) (busy, late bool, err error) {
	now := w.now()
	if busy, err = w.take(s, now); err != nil {
		return busy, false, err
	}
	for i := range slice {
		if i%slowCheck == slowCheck-1 && w.clock().Sub(w.lastCommit) >= w.app.cfg.CommitInterval {
			return true, true, nil
		}
		if !s.task.Ready(now) {
			break
		}
		ok, err := s.task.Process(now)
		if err != nil {
			return busy, false, err
		}
		if !ok {
			break
		}
		busy = true
		s.records++
		w.counts.records++
		if _, err := s.task.Punctuate(processor.StreamTime, now); err != nil {
			return busy, false, err
		}
	}
	return busy, false, nil
}

// held reports that nothing is to be processed: the application is paused, and
// Resume will wake the worker, or there is no epoch to commit under, and the
// message of the next one will, or the worker waits before it tries again.
func (w *worker) held() bool {
	return w.app.paused.Load() || !w.machine.Confirmed() || w.backoff.left(w.clock()) > 0
}

// due reports whether it is time to commit.
func (w *worker) due() bool {
	if w.machine.Poisoned() {
		return true
	}
	elapsed := w.clock().Sub(w.lastCommit) >= w.app.cfg.CommitInterval || w.uncommitted() > w.mostUncommitted
	for _, s := range w.slots {
		if s.phase == phaseRunning && (s.task.CommitRequested() || elapsed && s.task.NeedsCommit()) {
			return true
		}
	}
	if elapsed {
		w.lastCommit = w.clock()
	}
	return false
}

// uncommitted is what the open transaction takes in memory.
func (w *worker) uncommitted() int64 {
	if w.txn == nil {
		return 0
	}
	return w.cache.Dirty() + w.txn.Size()
}

// rest waits until there is something to do.
func (w *worker) rest() {
	wait := time.Second
	if d := w.app.cfg.CommitInterval - w.clock().Sub(w.lastCommit); d > 0 {
		wait = min(wait, d)
	}
	if d := w.backoff.left(w.clock()); d > 0 {
		wait = min(wait, d)
	}
	now := w.now()
	for _, s := range w.slots {
		if s.phase != phaseRunning || w.held() {
			continue
		}
		if at, ok := s.task.Wake(); ok {
			wait = min(wait, time.Duration(max(0, at-now))*time.Millisecond)
		}
		if at, ok := s.task.Context().NextPunctuation(processor.WallClock); ok {
			wait = min(wait, time.Duration(max(0, at-now))*time.Millisecond)
		}
	}
	timer := time.NewTimer(max(wait, time.Millisecond))
	defer timer.Stop()
	select {
	case <-w.wake:
	case <-timer.C:
	}
}

// recover turns errors that end the transaction into an abort. It returns those
// that end the application.
func (w *worker) recover(err error) error {
	if err == nil {
		return nil
	}
	if !w.survives(err) {
		return err
	}
	return w.abort()
}

// survives reports whether an error ends the transaction only, and notes it as
// the cause of the abort that follows. It is asked once about each error, wherever
// in the transaction that is.
func (w *worker) survives(err error) bool {
	switch {
	case transient(err):
		w.cause = err
	case retryable(err):
		w.cause, w.least = err, w.app.cfg.RetryAfter
	case w.app.cfg.OnUncaught != nil && w.app.cfg.OnUncaught(err) == RestartTasks:
		w.app.logger.Error("task failed, its worker's tasks begin again from the last commit", "worker", w.index, "err", err)
		w.cause, w.least = err, w.app.cfg.RetryAfter
	default:
		return false
	}
	return true
}

// stop ends the worker in order: commit, close.
func (w *worker) stop() error {
	err := w.commit()
	for _, s := range w.sorted() {
		err = errors.Join(err, w.close(s))
	}
	w.count()
	return err
}

// fail ends the worker after an error: what is not committed is given up.
func (w *worker) fail() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), abortTimeout)
	defer cancel()
	var err error
	for _, s := range w.sorted() {
		err = errors.Join(err, w.close(s))
	}
	w.producer.Drop()
	if e := w.producer.End(ctx, false); e != nil {
		w.app.logger.Warn("aborting the transaction; the brokers will after the transaction timeout", "worker", w.index, "err", e)
	}
	return err
}

// abandon ends the worker as if the process had died: nothing is committed,
// aborted or told to anybody.
func (w *worker) abandon() {
	for _, s := range w.sorted() {
		if err := w.close(s); err != nil {
			w.app.logger.Warn("closing task", "task", name(s.id), "err", err)
		}
	}
}

func (w *worker) sorted() []*slot {
	return slices.SortedFunc(maps.Values(w.slots), func(a, b *slot) int { return a.id.Compare(b.id) })
}

// newWorker makes a worker; run starts it.
func newWorker(a *App, index int) *worker {
	w := &worker{
		app: a, index: index, ctx: a.ctx, slots: make(map[assign.Task]*slot), wake: make(chan struct{}, 1),
		machine: commit.New(a.cfg.transactional()), dropped: make(map[string]int64), clock: time.Now,
	}
	w.inbox, w.membership = newInbox(w.wake), membership.NewWorker(w.machine)
	w.backoff.first = a.cfg.RetryAfter
	w.lastCommit = w.clock()
	if a.db != nil {
		w.txn = a.db.NewTxn()
		w.cache = state.NewCache(a.cfg.StateMemory / 4 / int64(a.cfg.Workers))
		w.mostUncommitted = a.cfg.StateMemory / 8 / int64(a.cfg.Workers)
	}
	w.producer = produce.New(produce.Config{
		Client: a.client, Cluster: a.meta, TxnID: a.txnID(index), TxnTimeout: a.cfg.TransactionTimeout, V2: a.v2,
		Codec: a.cfg.codec(), BatchBytes: batchBytes, MaxRecord: maxRecord, Timeout: deliveryTimeout,
		Notify: w.notify, Logger: a.logger,
	})
	w.collector = &collector{producer: w.producer}
	return w
}

const (
	// batchBytes is the size of a full batch: large enough that per-batch costs
	// vanish, well below the brokers' default limit of 1 MiB.
	batchBytes = 256 << 10
	// maxRecord leaves room for a batch header below that limit.
	maxRecord = 1<<20 - 128
	// deliveryTimeout is how long a batch is retried before the transaction is
	// given up.
	deliveryTimeout = 2 * time.Minute
)

// txnID is the transactional id of a worker; empty without transactions.
func (a *App) txnID(worker int) string {
	if !a.cfg.transactional() {
		return ""
	}
	return fmt.Sprintf("%s-%s-%d", a.cfg.ApplicationID, a.process, worker)
}
