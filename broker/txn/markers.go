package txn

import (
	"time"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Job asks for a prepared transaction's markers to be written. It is an effect
// of the step that prepared the transaction.
type Job struct {
	ID         string // transactional id
	Marker     coord.Marker
	Partitions []coord.TopicPartition
	send       func(*Job)
}

// Commit sends the job. It implements [coord.Effect].
func (j *Job) Commit() { j.send(j) }

// mark starts to write the markers of a transaction that was just prepared or
// found prepared in the journal.
func (m *Machine) mark(s *coord.Step, t *txn) {
	t.unmarked, t.attempt = t.partitions, 0
	if len(t.unmarked) == 0 {
		m.complete(s, t)
		return
	}
	m.sendMarkers(s, t)
}

func (m *Machine) sendMarkers(s *coord.Step, t *txn) {
	if !t.state.preparing() {
		return
	}
	s.After(&Job{
		ID: t.id,
		Marker: coord.Marker{
			ProducerID: t.producerID, ProducerEpoch: t.epoch, Commit: t.state == PrepareCommit,
			CoordinatorEpoch: m.epoch, Version: int8(t.version),
		},
		Partitions: t.unmarked,
		send:       m.send,
	})
}

// Written takes the outcome of a job: one Kafka error code for each of its
// partitions. Partitions that failed in a way that may pass are tried again
// with backoff; a partition that is gone must be reported as written.
func (m *Machine) Written(s *coord.Step, j *Job, codes []int16) {
	t := m.txns[j.ID]
	if t == nil || !t.state.preparing() || t.producerID != j.Marker.ProducerID || t.epoch != j.Marker.ProducerEpoch {
		return // answered before, by an earlier attempt
	}
	var left []coord.TopicPartition
	for i, tp := range j.Partitions {
		if i >= len(codes) {
			left = append(left, tp)
			continue
		}
		switch codes[i] {
		case 0, kerr.InvalidProducerEpoch.Code, kerr.InvalidTxnState.Code,
			kerr.InvalidProducerIDMapping.Code, kerr.UnsupportedForMessageFormat.Code:
			// Written, or the partition has no transaction that it could end:
			// a later epoch of the producer has been there.
		case kerr.TransactionCoordinatorFenced.Code:
			return // another broker leads this journal now and finishes the job
		default:
			left = append(left, tp)
		}
	}
	if t.unmarked = left; len(left) == 0 {
		m.complete(s, t)
		return
	}
	backoff := maxMarkerBackoff
	if t.attempt < 6 {
		backoff = min(minMarkerBackoff<<t.attempt, maxMarkerBackoff)
	}
	t.attempt++
	m.timers.Set(timer{timerMarkers, t.id}, s.Now.Add(backoff))
}

// deadline is until when a request of now may wait for a transaction to
// complete.
func (m *Machine) deadline(now time.Time) time.Time { return now.Add(m.cfg.CompletionWait) }
