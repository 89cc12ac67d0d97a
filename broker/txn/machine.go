// Package txn is the transaction coordinator (KIP-98, KIP-360, KIP-890).
//
// Two protocols run side by side. In the first (TV1) the client adds each
// partition to its transaction by AddPartitionsToTxn and AddOffsetsToTxn. In
// the second (TV2) the broker that gets the data adds it, and every EndTxn
// raises the producer's epoch, so that nothing sent late can fall into the
// next transaction.
//
// Invariants:
//
//  1. A transactional id's state is one record of its journal; it changes only
//     by put, whose apply is also what replays the journal.
//  2. Markers are sent only after the Prepare record is committed, for exactly
//     the partitions it names, with its producer id and epoch; Complete is
//     written only when all of them are answered. A transaction therefore ends
//     the same way in all partitions, whatever crashes in between.
//  3. At most one (producer id, epoch) of a transactional id is valid at a
//     time; it is the one metadata.identity returns.
//  4. The epoch grows exactly once for each end of a transaction: by the
//     client under TV2, or by the coordinator on timeout and fencing
//     (KAFKA-19367). At MaxEpoch the producer id changes instead, on all of
//     these ways (KAFKA-20090).
//
// Transitions need no lock and no "pending" state: a step sees the state of
// the steps before it, and its answer is held until all that is committed.
package txn

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
)

// IDs hands out producer ids. TryNext does not block; it reports false when
// none is at hand.
type IDs interface{ TryNext() (int64, bool) }

// Machine is the state of one partition of __transaction_state. It implements
// [coord.Machine].
type Machine struct {
	cfg    *Config
	ids    IDs
	epoch  int32 // coordinator epoch of markers
	send   func(*Job)
	txns   map[string]*txn
	timers coord.Timers[timer]
}

// NewMachine returns an empty machine. send gets a job for each transaction
// that is prepared and committed to the journal; its outcome comes back by
// [Machine.Written].
func NewMachine(cfg Config, ids IDs, coordinatorEpoch int32, send func(*Job)) *Machine {
	return newMachine(cfg.withDefaults(), ids, coordinatorEpoch, send)
}

func newMachine(cfg *Config, ids IDs, coordinatorEpoch int32, send func(*Job)) *Machine {
	return &Machine{cfg: cfg, ids: ids, epoch: coordinatorEpoch, send: send, txns: make(map[string]*txn)}
}

// txn is one transactional id. The metadata is durable, the rest is soft.
type txn struct {
	id string
	metadata
	// lastEpoch is the epoch before the last InitProducerId of the same
	// producer: a retry of that call comes with it.
	lastEpoch int16
	unmarked  []coord.TopicPartition // partitions whose marker is not written
	attempt   int
	waiters   []waiter
}

// waiter is a request of the next transaction.
type waiter struct {
	until time.Time
	run   func(*coord.Step)
}

type timer struct {
	kind timerKind
	id   string
}

type timerKind uint8

const (
	timerExpiry  timerKind = iota // look for ids to forget
	timerTimeout                  // abort the transaction
	timerMarkers                  // send markers again
	timerWait                     // the longest-waiting request gives up
)

// Replay implements [coord.Machine].
func (m *Machine) Replay(r coord.Record) error {
	id, x, ok, err := parse(r)
	if ok && err == nil {
		m.apply(id, x)
	}
	return err
}

func (m *Machine) apply(id string, x *metadata) {
	if x == nil {
		delete(m.txns, id)
		return
	}
	t := m.txns[id]
	if t == nil {
		t = &txn{id: id, lastEpoch: noProducerEpoch}
		m.txns[id] = t
	}
	t.metadata = *x
}

// put changes the durable state of a transactional id.
func (m *Machine) put(s *coord.Step, id string, x *metadata) {
	if x != nil {
		x.updated = s.Now.UnixMilli()
	}
	s.Append(record(id, x))
	m.apply(id, x)
}

// Loaded implements [coord.Machine].
func (m *Machine) Loaded(s *coord.Step) {
	m.timers.Set(timer{kind: timerExpiry}, s.Now.Add(m.cfg.ExpiryCheck))
	for _, id := range m.sorted() {
		switch t := m.txns[id]; {
		case t.state == Ongoing:
			m.armTimeout(t)
		case t.state.preparing():
			m.mark(s, t)
		}
	}
}

// Next implements [coord.Machine].
func (m *Machine) Next() (time.Time, bool) { return m.timers.Next() }

// Tick implements [coord.Machine].
func (m *Machine) Tick(s *coord.Step) {
	for {
		k, ok := m.timers.Pop(s.Now)
		if !ok {
			return
		}
		if k.kind == timerExpiry {
			m.expire(s)
			m.timers.Set(k, s.Now.Add(m.cfg.ExpiryCheck))
			continue
		}
		t := m.txns[k.id]
		if t == nil {
			continue
		}
		switch k.kind {
		case timerTimeout:
			if t.state == Ongoing && m.prepare(s, t, false, true) != nil {
				m.timers.Set(k, s.Now.Add(noIDBackoff))
			}
		case timerMarkers:
			m.sendMarkers(s, t)
		case timerWait:
			m.giveUpWaiting(s, t)
		}
	}
}

func (m *Machine) sorted() []string { return slices.Sorted(maps.Keys(m.txns)) }

// expire forgets ids that have been idle for long. A producer that comes back
// gets INVALID_PRODUCER_ID_MAPPING.
func (m *Machine) expire(s *coord.Step) {
	limit := s.Now.Add(-m.cfg.Expiry).UnixMilli()
	for _, id := range m.sorted() {
		if t := m.txns[id]; t.state.idle() && t.updated <= limit && len(t.waiters) == 0 {
			m.put(s, id, nil)
		}
	}
}

func (m *Machine) armTimeout(t *txn) {
	m.timers.Set(timer{timerTimeout, t.id}, time.UnixMilli(t.started).Add(t.timeout))
}

// prepare decides the open transaction (or, for the epoch's sake, an empty
// one). With bump its markers carry a higher epoch, which is the producer's
// from now on; when epochs are used up the producer changes its id instead.
func (m *Machine) prepare(s *coord.Step, t *txn, commit, bump bool) *kerr.Error {
	x := t.metadata
	x.state = PrepareAbort
	if commit {
		x.state = PrepareCommit
	}
	if !bump {
		// The client keeps its epoch, whatever it did before: markers must
		// not claim an epoch of their own.
		x.version = min(x.version, 1)
	}
	if bump {
		if x.epoch >= m.cfg.MaxEpoch {
			id, ok := m.ids.TryNext()
			if !ok {
				return kerr.CoordinatorLoadInProgress
			}
			x.nextID = id
		}
		if x.epoch < math.MaxInt16 {
			x.epoch++
		}
	}
	t.lastEpoch = noProducerEpoch
	m.timers.Stop(timer{timerTimeout, t.id})
	m.put(s, t.id, &x)
	m.mark(s, t)
	return nil
}

// complete ends a prepared transaction whose markers are all written.
func (m *Machine) complete(s *coord.Step, t *txn) {
	x := t.metadata
	x.state = CompleteAbort
	if t.state == PrepareCommit {
		x.state = CompleteCommit
	}
	x.partitions, x.started = nil, -1
	if x.nextID != noProducerID {
		x.previousID, x.producerID, x.epoch, x.nextID = x.producerID, x.nextID, 0, noProducerID
	}
	m.timers.Stop(timer{timerMarkers, t.id})
	m.put(s, t.id, &x)
	waiters := t.waiters
	t.waiters = nil
	m.timers.Stop(timer{timerWait, t.id})
	for _, w := range waiters {
		w.run(s)
	}
}

// wait runs a request again when the transaction is complete, or at the
// latest at until; it has to refuse then.
func (m *Machine) wait(t *txn, until time.Time, run func(*coord.Step)) {
	t.waiters = append(t.waiters, waiter{until, run})
	m.armWait(t)
}

func (m *Machine) armWait(t *txn) {
	k := timer{timerWait, t.id}
	if len(t.waiters) == 0 {
		m.timers.Stop(k)
		return
	}
	first := t.waiters[0].until
	for _, w := range t.waiters {
		if w.until.Before(first) {
			first = w.until
		}
	}
	m.timers.Set(k, first)
}

func (m *Machine) giveUpWaiting(s *coord.Step, t *txn) {
	var due []waiter
	t.waiters = slices.DeleteFunc(t.waiters, func(w waiter) bool {
		if w.until.After(s.Now) {
			return false
		}
		due = append(due, w)
		return true
	})
	m.armWait(t)
	for _, w := range due {
		w.run(s)
	}
}
