package coord

import "time"

// A Machine is the pure state of one shard: no I/O, no clock, no goroutines.
// All its methods run on the shard's goroutine.
type Machine interface {
	// Replay applies one record of the journal. Records of unknown types are
	// skipped; an error means the journal is damaged.
	Replay(r Record) error
	// Loaded ends a replay: it rebuilds what records do not carry, such as
	// timers.
	Loaded(s *Step)
	// Tick does what is due at s.Now.
	Tick(s *Step)
	// Next is the time Tick wants to be called at; ok is false for never.
	Next() (at time.Time, ok bool)
}

// Kind says what a record is.
type Kind uint8

const (
	// Plain is an ordinary record.
	Plain Kind = iota
	// Transactional belongs to the open transaction of its producer.
	Transactional
	// CommitMarker ends the producer's transaction: its records count.
	CommitMarker
	// AbortMarker ends the producer's transaction: its records are void.
	AbortMarker
)

// Record is one entry of the journal.
type Record struct {
	Kind Kind
	// ProducerID and ProducerEpoch are set unless Kind is Plain.
	ProducerID    int64
	ProducerEpoch int16
	// CoordinatorEpoch is set for markers.
	CoordinatorEpoch int32
	// Key and Value are nil for markers. A nil Value is a tombstone.
	Key, Value []byte
	// Time is when the record was appended; a replay fills it in.
	Time time.Time
}

// An Effect acts on the world outside the machine. It is committed when the
// records its step could have seen are, and dropped when they are lost.
type Effect interface{ Commit() }

// A Step is one input to a machine: its time, and the records and effects the
// machine answers with. A machine applies each record to its own state when it
// appends it here.
type Step struct {
	Now     time.Time
	records []Record
	effects []Effect
}

// Append adds a record.
func (s *Step) Append(r Record) { s.records = append(s.records, r) }

// After adds an effect.
func (s *Step) After(e Effect) { s.effects = append(s.effects, e) }

// Reply answers a promise with v once the step is committed.
func (s *Step) Reply[T any](p *Promise[T], v T) {
	p.value = v
	s.effects = append(s.effects, p)
}

// Take returns what has gathered and empties the step.
func (s *Step) Take() ([]Record, []Effect) {
	r, e := s.records, s.effects
	s.records, s.effects = nil, nil
	return r, e
}

// A Promise is the place for one answer. A machine may keep it over many steps
// (a join waits for the other members) and answers it once.
type Promise[T any] struct {
	value T
	done  chan struct{}
}

// NewPromise returns a promise without an answer.
func NewPromise[T any]() *Promise[T] { return &Promise[T]{done: make(chan struct{})} }

// Commit releases the answer. It implements [Effect].
func (p *Promise[T]) Commit() { close(p.done) }

// Done is closed when the answer is there.
func (p *Promise[T]) Done() <-chan struct{} { return p.done }

// Value returns the answer; ok is false while there is none.
func (p *Promise[T]) Value() (v T, ok bool) {
	select {
	case <-p.done:
		return p.value, true
	default:
		return v, false
	}
}
