package membership

import (
	"fmt"
	"maps"
	"slices"

	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/commit"
)

// side is a worker's side of the membership: Worker, or one with a bug.
type side interface {
	Receive(Message, []assign.Task) bool
	Lost() bool
	Closed() Answer
	Change() (Message, bool)
	CarriedOut([]assign.Task) Answer
}

type assertingWorker struct{ *Worker }

func (w assertingWorker) Receive(m Message, runs []assign.Task) bool {
	if m.Lost {
		return w.Worker.Receive(m, runs)
	}
	w.change = &m
	w.commit.Confirm(m.Epoch, true)
	return true
}

func (w assertingWorker) CarriedOut([]assign.Task) Answer {
	m := *w.change
	w.change = nil
	w.commit.Confirm(m.Epoch, true)
	return m.Answer()
}

// output is one record of a transaction: the n-th input of a task.
type output struct {
	task assign.Task
	n    int
}

// transaction is the coordinator's side of one transactional id.
type transaction struct {
	epoch   int
	records []output
	offsets map[assign.Task]int // pending
}

func (t *transaction) abort() {
	t.epoch++
	t.records, t.offsets = nil, nil
}

// simWorker is the runtime's worker.
type simWorker struct {
	proc   *simProc
	index  int
	commit *commit.Machine
	side   side
	txn    *transaction
	pid    int // producer epoch
	inbox  []Message
	slots  map[assign.Task]int // next input, -1 while the offset is not known
	dirty  bool
	waits  int // turns spent in Await
}

func (w *simWorker) runs() []assign.Task {
	return slices.SortedFunc(maps.Keys(w.slots), assign.Task.Compare)
}

func (w *simWorker) String() string { return fmt.Sprintf("%v worker %d", w.proc, w.index) }

func (w *simWorker) answer(a Answer) { w.proc.inbox = append(w.proc.inbox, a) }

func (s *sim) receive(w *simWorker) {
	for _, m := range w.inbox {
		w.side.Receive(m, w.runs())
		if s.bug == hasty && m.Lost {
			w.answer(m.Answer())
		}
	}
	w.inbox = nil
}

// workerStep is a turn of the worker, or a step of a commit.
func (s *sim) workerStep(w *simWorker) {
	if w.commit.Step() != commit.Done {
		s.commitStep(w)
		return
	}
	s.receive(w)
	if w.side.Lost() {
		if len(w.slots) > 0 || w.commit.Poisoned() {
			w.commit.Abort()
			return
		}
		w.answer(w.side.Closed())
		return
	}
	if change, ok := w.side.Change(); ok {
		s.reassign(w, change)
		return
	}
	if w.dirty && s.rng.IntN(3) == 0 || w.commit.Poisoned() {
		w.commit.Commit()
		return
	}
	s.process(w)
}

// reassign is the worker's.
func (s *sim) reassign(w *simWorker, change Message) {
	closing := slices.DeleteFunc(w.runs(), func(t assign.Task) bool { return slices.Contains(change.Tasks, t) })
	if w.commit.Poisoned() || len(closing) > 0 && w.dirty {
		w.commit.Commit()
		return
	}
	for _, t := range closing {
		delete(w.slots, t)
	}
	for _, t := range change.Tasks {
		if _, ok := w.slots[t]; !ok {
			s.open(w, t)
		}
	}
	w.answer(w.side.CarriedOut(w.runs()))
}

func (s *sim) open(w *simWorker, t assign.Task) {
	for _, o := range w.proc.workers {
		if _, ok := o.slots[t]; ok && o != w {
			s.fail("%v opens task %v, which %v has not closed", w, t, o)
		}
	}
	w.slots[t] = -1
}

// process takes the next input of a random task.
func (s *sim) process(w *simWorker) {
	tasks := w.runs()
	if len(tasks) == 0 || !w.commit.Confirmed() {
		return
	}
	t := tasks[s.rng.IntN(len(tasks))]
	next := w.slots[t]
	switch {
	case next < 0:
		// OffsetFetch with RequireStable: not while a transaction holds
		// offsets of the partition.
		for _, ts := range s.txns {
			for _, txn := range ts {
				if _, held := txn.offsets[t]; held {
					return
				}
			}
		}
		w.slots[t] = s.committed[t]
	case w.pid != w.txn.epoch:
		w.commit.Abort() // the produce was refused: fenced
	default:
		w.txn.records = append(w.txn.records, output{t, next})
		w.slots[t] = next + 1
		w.dirty = true
	}
}

// rebuild closes all tasks and opens those that are still the worker's.
func (s *sim) rebuild(w *simWorker) {
	for t := range w.slots {
		if w.side.Lost() {
			delete(w.slots, t)
		} else {
			w.slots[t] = -1
		}
	}
	w.dirty = false
}

// commitStep carries out a step of the commit machine.
func (s *sim) commitStep(w *simWorker) {
	m, txn := w.commit, w.txn
	fenced := w.pid != txn.epoch
	switch m.Step() {
	case commit.Flush:
		if fenced {
			m.Flushed(commit.Fenced, true)
		} else {
			m.Flushed(commit.OK, len(txn.records) > 0)
		}
	case commit.SendOffsets:
		w.waits = 0
		switch err := s.group.accepts(m.Epoch().Member, m.Epoch().Generation); {
		case fenced:
			m.Next(commit.Fenced)
		case err == illegalGeneration:
			m.Next(commit.Rebalancing)
		case err != none:
			m.Next(commit.Expelled)
		default:
			s.accepted(w)
			if s.chance(12) {
				m.Next(commit.Failed)
			} else {
				m.Next(commit.OK)
			}
		}
	case commit.CommitOffsets:
		m.Next(commit.OK) // nothing was produced, so nothing moved
	case commit.Await:
		s.receive(w)
		if w.waits++; w.waits > 200 && m.Step() == commit.Await {
			m.Lost() // as long as a transaction may take
		}
	case commit.EndCommit:
		switch {
		case fenced:
			m.Next(commit.Fenced)
		case s.chance(24):
			m.Next(commit.Unknown) // it never arrived
		default:
			s.commitTxn(txn)
			if s.chance(24) {
				m.Next(commit.Unknown)
			} else {
				w.pid = txn.epoch
				m.Next(commit.OK)
			}
		}
	case commit.EndAbort:
		if fenced {
			m.Next(commit.Fenced)
			return
		}
		txn.abort()
		w.pid = txn.epoch
		m.Next(commit.OK)
	case commit.Apply:
		w.dirty = false
		m.Next(commit.OK)
	case commit.Rebuild:
		s.rebuild(w)
		m.Next(commit.OK)
	case commit.Reinit:
		txn.abort()
		w.pid = txn.epoch
		s.rebuild(w)
		m.Next(commit.OK)
	}
}

// accepted takes offsets into a transaction: none of them may be of a task that
// somebody else has in the same generation.
func (s *sim) accepted(w *simWorker) {
	w.txn.offsets = map[assign.Task]int{}
	for _, t := range w.runs() {
		if w.slots[t] < 0 {
			continue
		}
		w.txn.offsets[t] = w.slots[t]
		e := w.commit.Epoch()
		if o := s.group.other(e.Member, t); o != "" {
			s.fail("%v commits task %v as %s in generation %d, in which %s has it", w, t, e.Member, e.Generation, o)
		}
		for _, o := range w.proc.workers {
			if _, ok := o.slots[t]; ok && o != w {
				s.fail("%v commits task %v, which %v has open", w, t, o)
			}
		}
	}
	s.note("%v sends offsets %v under %v", w, w.txn.offsets, w.commit.Epoch())
}

// commitTxn makes a transaction visible: each input once, in order.
func (s *sim) commitTxn(txn *transaction) {
	for _, o := range txn.records {
		if o.n != s.logged[o.task] {
			s.fail("the output of input %d of task %v comes when that of %d is next", o.n, o.task, s.logged[o.task])
		}
		s.logged[o.task] = o.n + 1
		s.log = append(s.log, o)
	}
	for t, n := range txn.offsets {
		s.committed[t] = n
	}
	txn.abort()
}
