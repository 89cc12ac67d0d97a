package runtime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/fetch"
	"github.com/thalweg/thalweg/runtime/internal/produce"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// phase is how far a slot has come. It only goes forward; after an abort a slot
// begins anew.
type phase int8

const (
	phasePreparing phase = iota
	phaseRestoring
	phaseRunning
)

// slot is one task a worker runs, with its inputs. It belongs to the worker's
// goroutine; only the preparation and the restores run on others, which hand
// their results over by message.
type slot struct {
	id        assign.Task
	phase     phase
	ctx       context.Context // ends with the slot
	cancel    context.CancelFunc
	txn       *state.Txn // of its stores, until it runs
	task      *task.Task
	logged    []*task.Store // stores with a changelog
	topicIDs  map[string][16]byte
	restores  sync.WaitGroup // goroutines that restore stores
	restoring int            // stores that are not complete
	offsets   map[string]committedOffset
	unread    []string // as prepared
	inputs    []*input
	last      []produce.Offset // as committed last, one per input
	records   int64
}

// emitInterval is the least time between two searches for unmatched join records,
// as in Kafka Streams.
const emitInterval = time.Second

// name is the task's id for people, as Kafka Streams writes it.
func name(t assign.Task) string { return fmt.Sprintf("%d_%d", t.Sub, t.Partition) }

// open makes the task and begins to prepare it.
func (w *worker) open(id assign.Task) error {
	ctx, cancel := context.WithCancel(w.ctx)
	partitions := w.plan.partitions
	s := &slot{id: id, ctx: ctx, cancel: cancel, topicIDs: make(map[string][16]byte)}
	cfg := task.Config{
		Context: ctx, Topology: w.plan.topology, Subs: []int{int(id.Sub)}, Partition: id.Partition,
		ApplicationID: w.app.cfg.ApplicationID, ID: name(id), Cache: w.cache, Collector: w.collector,
		OnFailure: w.app.cfg.OnError, DeadLetters: w.app.cfg.DeadLetterTopic, MaxIdle: w.app.cfg.MaxTaskIdle,
		CaughtUp: s.caughtUp, EmitInterval: emitInterval, Global: w.app.global, Notify: w.notify,
		Reads: func(topic string) bool { return id.Partition < partitions[topic] },
	}
	if w.app.db != nil {
		s.txn = w.app.db.NewTxn()
		cfg.State = s.txn
	}
	t, err := task.New(cfg)
	if err != nil {
		cancel()
		return err
	}
	s.task = t
	w.slots[id] = s
	w.order = nil
	w.app.tasks.set(phasePreparing, id)

	var stores []localStore
	for _, st := range t.Stores() {
		if st.Changelog != "" {
			s.logged = append(s.logged, st)
			stores = append(stores, localStore{st.Changelog, st.Partition.Position()})
		}
	}
	var inputs []localInput
	for _, topic := range t.Topics() {
		in := localInput{topic: topic}
		if r := w.plan.subs[id.Sub].resets[topic]; r.Policy == topology.ResetByDuration {
			in.back = max(r.Back, time.Millisecond)
		}
		inputs = append(inputs, in)
	}
	w.wg.Go(func() {
		p := w.app.preparer.prepare(ctx, id.Partition, inputs, stores)
		w.post(preparedMsg{s, p})
	})
	return nil
}

// prepared takes in what the brokers said and begins to restore.
func (w *worker) prepared(s *slot, p prepared) error {
	if p.err != nil {
		return p.err
	}
	if wiped, err := w.wipe(s, p); err != nil {
		return err
	} else if wiped {
		return w.reopen(s)
	}
	s.offsets, s.unread = p.offsets, p.unread
	s.phase = phaseRestoring
	for i, ps := range p.stores {
		st := s.logged[i]
		s.topicIDs[st.Changelog] = ps.topicID
		end := ps.end
		if !st.Logged {
			// A source that is its own changelog holds records that are
			// still to be processed; they are not state yet.
			end = min(end, max(s.offsets[st.Changelog].offset, ps.start))
		}
		r := &restoring{
			shared: w.app.restorer, store: st, topicID: ps.topicID, logger: w.app.logger, wake: make(chan struct{}, 1),
			began: time.Now(), epoch: st.Partition.Position().LeaderEpoch,
		}
		r.progress = RestoreProgress{
			Store: st.Declared.Name, Partition: s.id.Partition, Changelog: st.Changelog,
			Start: ps.start, Position: ps.start, End: end,
		}
		r.add = func(offset int64, reset fetch.Reset) *fetch.Cursor {
			return w.app.fetcher.Add(st.Changelog, s.id.Partition, offset, reset, func() { wakeUp(r.wake) })
		}
		r.remove = w.app.fetcher.Remove
		if end > ps.start {
			w.app.logger.Info("restoring", "store", st.Declared.Name, "partition", s.id.Partition, "from", ps.start, "to", end)
		}
		s.restoring++
		s.restores.Go(func() { w.post(restoredMsg{s, r.run(s.ctx)}) })
	}
	return w.restored(s, 0)
}

// wipe drops the local state that is of no use.
func (w *worker) wipe(s *slot, p prepared) (wiped bool, err error) {
	for i, ps := range p.stores {
		if ps.wipe == "" {
			continue
		}
		st := s.logged[i]
		w.app.logger.Warn("local state dropped, restoring from the changelog", "store", st.Declared.Name, "partition", s.id.Partition, "reason", ps.wipe)
		if err := st.Partition.Wipe(); err != nil {
			return wiped, err
		}
		wiped = true
	}
	return wiped, nil
}

// restored takes in that n of the slot's stores are complete, and starts the
// task when all are.
func (w *worker) restored(s *slot, n int) error {
	if s.restoring -= n; s.restoring > 0 {
		return nil
	}
	return w.start(s)
}

// start initializes the task and begins to read its inputs.
func (w *worker) start(s *slot) error {
	if err := w.checkOffsets(s); err != nil {
		return err
	}
	if s.txn != nil {
		w.txn.Join(s.txn)
	}
	for topic, o := range s.offsets {
		if o.offset >= 0 {
			s.task.Resume(topic, o.offset, o.metadata)
			s.last = append(s.last, produce.Offset{
				Topic: topic, Partition: s.id.Partition, Offset: o.offset, LeaderEpoch: o.epoch, Metadata: o.metadata.Encode(),
			})
		}
	}
	if err := s.task.Init(w.now()); err != nil {
		return err
	}
	for _, topic := range s.task.Topics() {
		o := s.offsets[topic]
		at, reset, err := w.begin(s.id.Sub, topic, o.offset)
		if o.reset {
			at, reset = o.at, fetch.Earliest
			if w.app.cfg.RefuseLostRecords {
				reset = fetch.Refuse
			}
		}
		if err != nil {
			return err
		}
		s.inputs = append(s.inputs, &input{topic: topic, begin: -1, cursor: w.app.fetcher.Add(topic, s.id.Partition, at, reset, w.notify)})
	}
	s.phase = phaseRunning
	w.app.logger.Debug("task runs", "task", name(s.id), "worker", w.index)
	w.app.tasks.set(phaseRunning, s.id)
	return nil
}

// begin finds where to read a topic: at the committed offset if there is one,
// otherwise as its reset policy says. That of a duration was looked up with the
// committed offsets.
func (w *worker) begin(sub int32, topic string, committed int64) (at int64, reset fetch.Reset, err error) {
	policy := w.plan.subs[sub].resets[topic].Policy
	if policy == topology.ResetDefault {
		policy = w.app.cfg.Reset
	}
	switch policy {
	case topology.ResetLatest:
		at, reset = fetch.AtLatest, fetch.Latest
	case topology.ResetNone:
		if committed < 0 {
			return 0, 0, fmt.Errorf("runtime: topic %s has no committed offset and its reset policy is none: commit where to begin for group %s, or choose another policy", topic, w.app.cfg.ApplicationID)
		}
		reset = fetch.Refuse
	default:
		at, reset = fetch.AtEarliest, fetch.Earliest
	}
	if committed >= 0 {
		at = committed
	}
	if w.app.cfg.RefuseLostRecords {
		reset = fetch.Refuse
	}
	return at, reset, nil
}

// take hands what was fetched to the task and reports whether there was
// anything.
func (w *worker) take(s *slot, now int64) (bool, error) {
	any := false
	for _, in := range s.inputs {
		chunks, err := in.take(w.app.cfg.transactional())
		if errors.Is(err, fetch.ErrOutOfRange) {
			return any, fmt.Errorf("runtime: %w: set the offset of group %s where to go on, or let the application go on behind what is lost, by a reset policy other than none and without RefuseLostRecords", err, w.app.cfg.ApplicationID)
		}
		if err != nil {
			return any, fmt.Errorf("runtime: reading topic %s partition %d: %w", in.topic, s.id.Partition, err)
		}
		for _, c := range chunks {
			any = true
			if err := s.task.Enqueue(in.topic, in.reader.batch(in.cursor, c), now); err != nil {
				return any, err
			}
		}
		clear(in.chunks)
	}
	return any, nil
}

// caughtUp tells the task whether an input was read to its end.
func (s *slot) caughtUp(topic string, _ int32) bool {
	for _, in := range s.inputs {
		if in.topic == topic {
			return in.caughtUp
		}
	}
	return false
}

// reopen begins a slot anew: its stores may have kept what is not in the engine
// any more.
func (w *worker) reopen(s *slot) error {
	w.app.tasks.set(phasePreparing, s.id)
	if err := w.end(s); err != nil {
		w.app.logger.Debug("closing task", "task", name(s.id), "err", err)
	}
	return w.open(s.id)
}

// close ends a slot in any phase, of a task that is not opened again at once.
// Nothing is flushed.
func (w *worker) close(s *slot) error {
	w.app.tasks.closed(s.id) // first: its stores may be another's at once
	return w.end(s)
}

// end is close for a task that is not said to run any more.
func (w *worker) end(s *slot) error {
	s.cancel()
	s.restores.Wait()
	err := s.task.Close()
	for _, in := range s.inputs {
		w.app.fetcher.Remove(in.cursor)
		in.reader.decompressor.Close()
	}
	for reason, n := range s.task.Dropped() {
		w.dropped[reason] += n
	}
	delete(w.slots, s.id)
	w.order = nil
	return err
}

// retryable reports a failure after which the worker processes again from the
// last commit.
func retryable(err error) bool {
	return errors.As(err, new(*processor.RetryError))
}

// transient reports an error of the transaction, which an abort and another
// attempt mend.
func transient(err error) bool {
	return errors.Is(err, produce.ErrFenced) || errors.Is(err, produce.ErrAborted)
}
