package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/runtime/internal/commit"
	"github.com/thalweg/thalweg/runtime/internal/produce"
	"github.com/thalweg/thalweg/state"
)

const (
	// abortTimeout bounds the steps of an abort.
	abortTimeout = 30 * time.Second
	// stopTimeout is how long a worker that is to stop still waits for the
	// brokers to end its transaction.
	stopTimeout = 5 * time.Second
)

// commit ends the worker's transaction as the machine says. An error ends the
// application.
func (w *worker) commit() error {
	began := w.clock()
	if !w.machine.Poisoned() && !w.dirty() {
		return nil
	}
	err := w.drive(w.machine.Commit())
	w.lastCommit = w.clock()
	w.counts.commits++
	w.counts.commitTime += w.lastCommit.Sub(began)
	return err
}

// dirty reports whether there is anything to commit.
func (w *worker) dirty() bool {
	for _, s := range w.slots {
		if s.phase == phaseRunning && s.task.NeedsCommit() {
			return true
		}
	}
	return w.producer.Dirty() && w.app.cfg.transactional()
}

// abort gives up everything since the last commit.
func (w *worker) abort() error {
	return w.drive(w.machine.Abort())
}

// drive carries out steps until the machine is done.
func (w *worker) drive(step commit.Step) error {
	// A transaction lives as long as its timeout; there is no use in asking
	// longer than that.
	ctx, cancel := context.WithTimeout(w.ctx, w.app.cfg.TransactionTimeout)
	defer cancel()
	defer func() { w.cause, w.least = nil, 0 }()
	for step != commit.Done {
		if hook := w.app.hook; hook != nil {
			hook(w.index, step)
		}
		if w.app.crashed.Load() {
			return nil
		}
		var err error
		switch step {
		case commit.Flush:
			var fatal error
			if err, fatal = w.flush(ctx); fatal != nil {
				return fatal
			}
			step = w.machine.Flushed(outcome(err), w.app.cfg.transactional() && w.producer.Dirty())
		case commit.SendOffsets:
			err = w.producer.SendOffsets(ctx, w.member(), w.pending)
			step = w.machine.Next(outcome(err))
		case commit.CommitOffsets:
			err = w.producer.CommitOffsets(ctx, w.member(), w.pending)
			step = w.machine.Next(outcome(err))
		case commit.Await:
			if w.stopping {
				w.machine.Lost() // the membership has ended, no epoch will come
				step = w.machine.Step()
				break
			}
			select {
			case <-w.wake:
			case <-ctx.Done():
				w.cause = fmt.Errorf("the group has been rebalancing for longer than TransactionTimeout (%v)", w.app.cfg.TransactionTimeout)
				w.machine.Lost()
			}
			w.receive()
			step = w.machine.Step()
		case commit.EndCommit:
			err = w.producer.End(ctx, true)
			step = w.machine.Next(outcome(err))
		case commit.EndAbort:
			err = w.endAbort()
			o := outcome(err)
			if o == commit.OK && w.producer.Spent() {
				o = commit.Spent
			}
			step = w.machine.Next(o)
		case commit.Apply:
			if err := w.apply(); err != nil {
				return err
			}
			step = w.machine.Next(commit.OK)
			w.backoff.committed()
		case commit.Reinit:
			if err := w.reinit(); err != nil {
				if w.app.stopRequested() { // the next start finds out
					w.app.logger.Warn("stopping without an answer about the last transaction; the brokers end it after the transaction timeout", "worker", w.index, "err", err)
					return nil
				}
				return err
			}
			if err := w.rebuild(); err != nil {
				return err
			}
			step = w.machine.Next(commit.OK)
		case commit.Rebuild:
			if err := w.rebuild(); err != nil {
				return err
			}
			step = w.machine.Next(commit.OK)
		}
		if err != nil {
			w.app.logger.Debug("commit", "worker", w.index, "next", step.String(), "err", err)
			if w.cause == nil {
				w.cause = err
			}
		}
	}
	return nil
}

// member is under whose name offsets are committed.
func (w *worker) member() produce.Member {
	e := w.machine.Epoch()
	m := produce.Member{Group: w.app.cfg.ApplicationID, ID: e.Member, Generation: e.Generation}
	if w.app.cfg.InstanceID != "" {
		m.Instance = &w.app.cfg.InstanceID
	}
	return m
}

// outcome tells the machine what an error means.
func outcome(err error) commit.Outcome {
	switch {
	case err == nil:
		return commit.OK
	case errors.Is(err, produce.ErrUnknownOutcome):
		return commit.Unknown
	case errors.Is(err, produce.ErrFenced):
		return commit.Fenced
	case errors.Is(err, produce.ErrRebalance):
		return commit.Rebalancing
	case errors.Is(err, produce.ErrMember):
		return commit.Expelled
	}
	return commit.Failed
}

// flush brings caches and outputs to the brokers and collects the offsets.
// fatal is an error of a task that ends the application.
func (w *worker) flush(ctx context.Context) (err, fatal error) {
	now := w.now()
	w.pending = w.pending[:0]
	for _, s := range w.sorted() {
		if s.phase != phaseRunning {
			continue
		}
		if err := s.task.Flush(now); err != nil {
			if w.survives(err) {
				return err, nil
			}
			return nil, err
		}
		for _, o := range s.task.Offsets(nil) {
			w.pending = append(w.pending, produce.Offset(o))
			s.note(produce.Offset(o))
		}
		w.pending = s.unbegun(w.pending)
	}
	// A transaction without offsets would not be checked against the group;
	// repeating what is committed makes it so.
	if len(w.pending) == 0 {
		for _, s := range w.slots {
			if s.phase == phaseRunning {
				w.pending = append(w.pending, s.last...)
			}
		}
	}
	err = w.producer.Flush(ctx, w.wake)
	w.notify() // Flush may have taken a wake-up meant for the loop
	if err != nil && ctx.Err() == nil && !w.survives(err) {
		return nil, err
	}
	return err, nil
}

// endAbort aborts the transaction. With version 1 that leaves the producer its
// epoch: where it needs another, initializing it aborts as well, and fences what
// is still under way.
func (w *worker) endAbort() error {
	w.producer.Drop()
	if w.producer.Spent() && !w.app.v2 {
		return nil
	}
	ctx, cancel := w.untilStopped()
	defer cancel()
	ctx, cancelTimeout := context.WithTimeout(ctx, abortTimeout)
	defer cancelTimeout()
	return w.producer.End(ctx, false)
}

// reinit gets a new epoch for the producer, which ends what was open. It waits
// for the brokers as long as it takes, or until shortly after a stop.
func (w *worker) reinit() error {
	w.producer.Drop()
	ctx, cancel := w.untilStopped()
	defer cancel()
	return w.producer.Init(ctx)
}

// untilStopped is a context that ends stopTimeout after the application was told
// to stop.
func (w *worker) untilStopped() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(w.ctx)
	w.wg.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-w.app.stopped:
		}
		select {
		case <-ctx.Done():
		case <-time.After(stopTimeout):
			cancel()
		}
	})
	return ctx, cancel
}

// apply brings what the transaction committed into the local stores, the data and
// changelog positions of all tasks in one write: a snapshot shows whole
// transactions.
func (w *worker) apply() error {
	for _, s := range w.slots {
		if s.phase != phaseRunning {
			continue
		}
		for _, st := range s.logged {
			w.reached(s, st.Changelog, st.Logged, st.Partition)
		}
	}
	if w.txn != nil {
		if err := w.txn.Commit(); err != nil {
			return fmt.Errorf("runtime: worker %d: %w", w.index, err)
		}
	}
	for _, s := range w.slots {
		if s.phase == phaseRunning {
			for _, st := range s.logged {
				if st.Logged {
					w.app.purger.needless(st.Changelog, s.id.Partition, st.Partition.Position().Needed())
				}
			}
			s.task.Done()
		}
	}
	w.app.purger.note(w.pending)
	return nil
}

// reached notes how far a store now holds its changelog.
func (w *worker) reached(s *slot, changelog string, own bool, p *state.Partition) {
	pos := state.Position{TopicID: s.topicIDs[changelog], Offset: p.Position().Offset, LeaderEpoch: p.Position().LeaderEpoch}
	if own {
		next, ok := w.producer.Next(changelog, s.id.Partition)
		if !ok || next <= pos.Offset {
			return
		}
		pos.Offset = next
		pos.LeaderEpoch = w.app.leaderEpoch(changelog, s.id.Partition)
	} else {
		for _, o := range s.last {
			if o.Topic == changelog {
				pos.Offset, pos.LeaderEpoch = o.Offset, o.LeaderEpoch
			}
		}
	}
	p.SetPosition(pos)
}

// rebuild closes every task and opens those that are still this member's:
// nothing survives an abort but what the engine holds.
func (w *worker) rebuild() error {
	w.counts.aborts++
	w.tell(w.backoff.aborted(w.clock(), w.least))
	slots := w.sorted()
	if w.membership.Lost() || w.stopping {
		for _, s := range slots {
			if err := w.close(s); err != nil {
				w.app.logger.Debug("closing task after an abort", "task", name(s.id), "err", err)
			}
		}
		return nil
	}
	w.app.tasks.set(phasePreparing, w.runs()...)
	for _, s := range slots {
		if err := w.reopen(s); err != nil {
			return err
		}
	}
	return nil
}

// tell logs an abort.
func (w *worker) tell(wait time.Duration) {
	log, what := w.app.logger.Warn, "transaction aborted, processing again from the last commit"
	if w.backoff.n >= worrying {
		log, what = w.app.logger.Error, "transactions abort one after the other, nothing is committed until the cause is mended"
	}
	cause := w.cause
	if cause == nil {
		cause = errors.New("the tasks are not this process's any more")
	}
	log(what, "worker", w.index, "in_a_row", w.backoff.n, "after", wait, "err", cause)
}

// unbegun appends where the inputs begin of which nothing was ever committed nor
// processed. So where state is committed there is an offset, though it be that of
// a schedule before the first record; and what comes while nobody reads is not
// skipped by a reset to the latest.
func (s *slot) unbegun(offsets []produce.Offset) []produce.Offset {
	for _, in := range s.inputs {
		if in.begin < 0 || slices.ContainsFunc(s.last, func(l produce.Offset) bool { return l.Topic == in.topic }) {
			continue
		}
		o := produce.Offset{Topic: in.topic, Partition: s.id.Partition, Offset: in.begin, LeaderEpoch: -1, Metadata: task.Metadata{PartitionTime: -1}.Encode()}
		s.note(o)
		offsets = append(offsets, o)
	}
	return offsets
}

// note remembers what is being committed for an input.
func (s *slot) note(o produce.Offset) {
	i := slices.IndexFunc(s.last, func(l produce.Offset) bool { return l.Topic == o.Topic })
	if i < 0 {
		s.last = append(s.last, o)
	} else {
		s.last[i] = o
	}
}
