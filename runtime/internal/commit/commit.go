// Package commit decides, step by step, how a worker ends its transaction. It
// is a pure state machine: the worker does what the Step says and tells the
// outcome; a simulator does the same against a model.
//
// Exactly-once rests on these invariants:
//
//   - offsets are sent only under an epoch (member and generation) in which
//     every task of the worker is confirmed: that is what makes the group
//     coordinator refuse a process that lost tasks while it slept;
//   - Lost poisons the open transaction: it can only be aborted, whatever epoch
//     the process is in by then;
//   - a generation that ended under the worker is no loss: it waits for the
//     next epoch, and if all its tasks are confirmed there, goes on;
//   - what is processed again after an abort is sent under sequence numbers that
//     the brokers have not seen, or they would drop it as sent twice;
//   - local state is applied only after the coordinator said "committed"; when
//     it did not say, the log decides, and local state is rebuilt from it;
//   - nothing produced means no transaction: offsets are then committed by the
//     member itself, because an end without a beginning is no end.
package commit

// Epoch is under whose name offsets are sent.
type Epoch struct {
	Member     string
	Generation int32
}

// Step is what the worker has to do next.
type Step int8

const (
	// Done: nothing is left to do.
	Done Step = iota
	// Flush: flush the tasks and wait until all records are acknowledged.
	Flush
	// SendOffsets: add the offsets to the transaction, under Machine.Epoch.
	SendOffsets
	// CommitOffsets: commit the offsets without transaction, under
	// Machine.Epoch.
	CommitOffsets
	// Await: take in messages until Confirm or Lost changed the step.
	Await
	// EndCommit: commit the transaction.
	EndCommit
	// EndAbort: give up what is not acknowledged, and abort the transaction if
	// there is one.
	EndAbort
	// Apply: bring the overlay into the local store.
	Apply
	// Rebuild: close all tasks, drop overlay and caches, start again from
	// committed state.
	Rebuild
	// Reinit: initialize the producer, then Rebuild.
	Reinit
)

var stepNames = [...]string{"done", "flush", "send offsets", "commit offsets", "await", "end commit", "end abort", "apply", "rebuild", "reinit"}

func (s Step) String() string { return stepNames[s] }

// Outcome is how a step went.
type Outcome int8

const (
	// OK: it was done.
	OK Outcome = iota
	// Failed: it was refused or could not be done; the transaction cannot be
	// committed any more.
	Failed
	// Rebalancing: the generation is over, the next may accept.
	Rebalancing
	// Expelled: the group does not know the member any more.
	Expelled
	// Fenced: the producer's epoch is over.
	Fenced
	// Spent: it was done, and the producer needs a new id or epoch: batches were
	// given up that may be in the log, and their sequence numbers with them.
	Spent
	// Unknown: it may or may not have been done.
	Unknown
)

// Machine is one worker's. The zero value is not usable: see New.
type Machine struct {
	transactional bool
	produced      bool
	epoch         Epoch
	refused       int32 // the generation under which offsets were refused
	poisoned      bool
	confirmed     bool // by epoch, for all tasks of the worker
	step          Step
}

// New makes a Machine; transactional is exactly-once.
func New(transactional bool) *Machine {
	return &Machine{transactional: transactional, refused: -1}
}

// Epoch is the epoch to send offsets under.
func (m *Machine) Epoch() Epoch { return m.epoch }

// Step is the step the machine is at.
func (m *Machine) Step() Step { return m.step }

// Poisoned reports that the open transaction cannot be committed.
func (m *Machine) Poisoned() bool { return m.poisoned }

// Confirmed reports whether what the worker does now can be committed, as far as
// is known. Otherwise it waits for the next epoch.
func (m *Machine) Confirmed() bool { return m.confirmed && !m.poisoned }

// Confirm takes in a new epoch. agreed reports whether the tasks that the worker
// runs are those that the membership takes it to run, all of which are the
// member's in the epoch, or were until this very epoch, which asks to give them
// up: nobody else has those before the member joins again. A worker for which
// they differ must not commit what it did.
func (m *Machine) Confirm(e Epoch, agreed bool) Step {
	m.epoch, m.confirmed = e, agreed
	if !agreed {
		m.poison()
	} else if m.step == Await && e.Generation != m.refused {
		m.step = m.offsets()
	}
	return m.step
}

// Lost takes in that the group goes on without the member.
func (m *Machine) Lost() Step {
	m.confirmed = false
	m.poison()
	return m.step
}

// poison makes the open transaction one that can only be aborted. Offsets that
// were to be sent next are not: several messages may come at once, a loss behind
// the epoch that the machine has waited for, and before another.
func (m *Machine) poison() {
	m.poisoned = true
	switch m.step {
	case Await, SendOffsets, CommitOffsets:
		m.step = m.abort()
	}
}

// Commit begins to commit.
func (m *Machine) Commit() Step {
	if m.poisoned || !m.confirmed {
		m.step = m.abort()
	} else {
		m.step = Flush
	}
	return m.step
}

// Abort begins to abort, as after a failure of a task.
func (m *Machine) Abort() Step {
	m.step = m.abort()
	return m.step
}

// Flushed ends the Flush step. produced reports whether the transaction holds
// any record.
func (m *Machine) Flushed(o Outcome, produced bool) Step {
	m.produced = produced
	switch {
	case o == Fenced:
		m.step = Reinit
	case o != OK || m.poisoned:
		m.step = m.abort()
	default:
		m.step = m.offsets()
	}
	return m.step
}

// Next ends any other step.
func (m *Machine) Next(o Outcome) Step {
	switch m.step {
	case SendOffsets, CommitOffsets:
		switch o {
		case OK:
			if m.step == SendOffsets {
				m.step = EndCommit
			} else {
				m.step = Apply
			}
		case Rebalancing:
			m.refused = m.epoch.Generation
			m.step = Await
		case Fenced:
			m.step = Reinit
		case Expelled:
			m.poisoned = true
			m.step = m.abort()
		case Unknown:
			// A plain commit without answer: if it was done, the log holds
			// everything up to it; if not, the records are read again. An
			// aborted transaction takes its offsets along.
			m.step = m.abort()
		default:
			m.step = m.abort()
		}
	case EndCommit:
		switch o {
		case OK:
			m.step = Apply
		default:
			// Committed or not, by now only the log knows.
			m.step = Reinit
		}
	case EndAbort:
		if o == OK {
			m.step = Rebuild
		} else {
			m.step = Reinit // also when it is Spent
		}
	case Apply, Rebuild, Reinit:
		m.step = Done
		m.poisoned, m.produced = false, false
	}
	return m.step
}

func (m *Machine) offsets() Step {
	if m.transactional && m.produced {
		return SendOffsets
	}
	return CommitOffsets
}

// abort is how to get rid of what was done since the last commit. A worker
// whose producer holds no transaction has only to give up what it has not sent.
func (m *Machine) abort() Step { return EndAbort }
