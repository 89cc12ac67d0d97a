package log

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/thalweg/thalweg/internal/batch"
)

// Producer state: what makes an idempotent producer's retries harmless and a
// transaction's end known (KIP-98, KIP-360, KIP-890).
//
// Invariants:
//   - the state is a function of the log's batches in order: live appends,
//     replay after a crash and a follower's copy go through [producers.apply];
//   - but for when a producer was heard of, which is by this broker's clock and
//     in no batch. Batches carry event times, and a producer that replays
//     history would be forgotten at once by them, its retries with it. Snapshots
//     keep the time; producers found only in batches behind the snapshot count
//     as heard of when the log was opened, so none is forgotten too early;
//   - checks look, they never change anything: a refused or failed append
//     leaves no trace;
//   - a transaction is in open from its first batch to its marker, and in
//     ended from its marker until the high watermark passes that marker.

// window is how many batches of a producer can be recognised as duplicates:
// clients keep at most five in flight.
const window = 5

// seqRange is one remembered batch of a producer.
type seqRange struct {
	lastSeq     int32
	offsetDelta int32
	lastOffset  int64
	timestamp   int64
}

func (r seqRange) firstSeq() int32 {
	return int32((int64(r.lastSeq) - int64(r.offsetDelta)) & math.MaxInt32)
}

// producer is the state of one producer id.
type producer struct {
	id               int64
	epoch            int16
	n                uint8            // used entries of batches
	batches          [window]seqRange // oldest first
	coordinatorEpoch int32
	heard            int64 // ms; when the last batch or marker arrived
	txnFirst         int64 // first offset of the open transaction, or -1
	markerEnd        int64 // offset after the last marker seen; not in snapshots
}

func (p *producer) lastSeq() int32 {
	if p.n == 0 {
		return batch.NoSequence
	}
	return p.batches[p.n-1].lastSeq
}

func (p *producer) setEpoch(epoch int16) {
	if epoch != p.epoch {
		p.epoch, p.n = epoch, 0
	}
}

func (p *producer) addBatch(r seqRange) {
	if p.n == window {
		copy(p.batches[:], p.batches[1:])
		p.n--
	}
	p.batches[p.n] = r
	p.n++
}

// openTxn is a transaction without a marker.
type openTxn struct{ first, pid int64 }

// endedTxn is a transaction with one, at offset last.
type endedTxn struct {
	first, last, pid int64
	aborted          bool
	lastStable       int64 // when this transaction no longer counts
}

// producers is the state of all producers of a partition. Log.mu guards it.
type producers struct {
	byID  map[int64]*producer
	open  []openTxn  // by first offset
	ended []endedTxn // by marker offset
}

func newProducers() *producers { return &producers{byID: map[int64]*producer{}} }

// duplicate returns the remembered batch that v repeats.
func (s *producers) duplicate(v batch.View) (seqRange, bool) {
	p := s.byID[v.ProducerID()]
	if p == nil || p.epoch != v.ProducerEpoch() {
		return seqRange{}, false
	}
	first, last := v.BaseSequence(), v.LastSequence()
	for _, r := range p.batches[:p.n] {
		if r.lastSeq == last && r.firstSeq() == first {
			return r, true
		}
	}
	return seqRange{}, false
}

// checkData decides whether a data batch may follow what its producer wrote.
// sequences is false for coordinators, whose batches carry none.
func (s *producers) checkData(v batch.View, sequences bool) error {
	p := s.byID[v.ProducerID()]
	if p == nil {
		return nil // new, or expired: any sequence may start
	}
	epoch := v.ProducerEpoch()
	if epoch < p.epoch {
		return fmt.Errorf("%w: producer %d writes with epoch %d after %d", ErrProducerFenced, p.id, epoch, p.epoch)
	}
	if p.txnFirst >= 0 && (!v.IsTransactional() || epoch > p.epoch) {
		return fmt.Errorf("%w: producer %d has one open since offset %d", ErrInvalidTxnState, p.id, p.txnFirst)
	}
	if !sequences {
		return nil
	}
	want := int32(0)
	if epoch == p.epoch && p.n > 0 {
		want = batch.AddSequence(p.lastSeq(), 1)
	}
	if got := v.BaseSequence(); got != want {
		return fmt.Errorf("%w: producer %d epoch %d sends %d, expected %d", ErrOutOfOrderSequence, p.id, epoch, got, want)
	}
	return nil
}

// checkGuard refuses data of a transaction that was ended after the log ended at
// end, which is when its producer was found to have one open.
func (s *producers) checkGuard(pid, end int64) error {
	if p := s.byID[pid]; p != nil && p.markerEnd > end {
		return fmt.Errorf("%w: the one of producer %d was ended while the batch was verified", ErrInvalidTxnState, pid)
	}
	return nil
}

// checkMarker decides whether a transaction marker is from the current
// coordinator and for the current epoch. Since transactions version 2 a marker
// bumps the epoch; an equal one is a retry when nothing is open.
func (s *producers) checkMarker(v batch.View, m batch.Marker, txnVersion int16) error {
	p := s.byID[v.ProducerID()]
	if p == nil {
		return nil
	}
	epoch := v.ProducerEpoch()
	if epoch < p.epoch || (txnVersion >= 2 && epoch == p.epoch && p.txnFirst >= 0) {
		return fmt.Errorf("%w: marker for producer %d has epoch %d, stored is %d", ErrProducerFenced, p.id, epoch, p.epoch)
	}
	if m.CoordinatorEpoch < p.coordinatorEpoch {
		return fmt.Errorf("%w: marker for producer %d has coordinator epoch %d, stored is %d",
			ErrCoordinatorFenced, p.id, m.CoordinatorEpoch, p.coordinatorEpoch)
	}
	return nil
}

// apply takes a batch that arrived at a time, in ms, into the state. When it is
// the marker of an open transaction, that is returned; it has been noted in
// ended.
func (s *producers) apply(v batch.View, at int64) (end endedTxn, ok bool, err error) {
	pid := v.ProducerID()
	if pid < 0 {
		return endedTxn{}, false, nil
	}
	var m batch.Marker
	marker := false
	if v.IsControl() {
		if m, marker, err = v.Marker(); err != nil || !marker {
			return endedTxn{}, false, err
		}
	}
	p := s.byID[pid]
	if p == nil {
		p = &producer{id: pid, epoch: v.ProducerEpoch(), coordinatorEpoch: -1, txnFirst: -1}
		s.byID[pid] = p
	}
	p.setEpoch(v.ProducerEpoch())
	p.heard = at
	if marker {
		p.coordinatorEpoch, p.markerEnd = m.CoordinatorEpoch, v.NextOffset()
		if p.txnFirst < 0 {
			return endedTxn{}, false, nil
		}
		end = endedTxn{first: p.txnFirst, last: v.BaseOffset(), pid: pid, aborted: !m.Commit}
		s.dropOpen(p.txnFirst)
		p.txnFirst = -1
		end.lastStable = end.last + 1
		if len(s.open) > 0 {
			end.lastStable = s.open[0].first
		}
		s.ended = append(s.ended, end)
		return end, true, nil
	}
	p.addBatch(seqRange{
		lastSeq: v.LastSequence(), offsetDelta: v.LastOffsetDelta(), lastOffset: v.LastOffset(), timestamp: v.MaxTimestamp(),
	})
	if v.IsTransactional() && p.txnFirst < 0 {
		p.txnFirst = v.BaseOffset()
		s.open = append(s.open, openTxn{p.txnFirst, pid})
	}
	return endedTxn{}, false, nil
}

func (s *producers) dropOpen(first int64) {
	i, ok := slices.BinarySearchFunc(s.open, first, func(o openTxn, f int64) int { return cmp.Compare(o.first, f) })
	if ok {
		s.open = slices.Delete(s.open, i, i+1)
	}
}

// replicated forgets the ended transactions whose markers lie below hw.
func (s *producers) replicated(hw int64) {
	n := 0
	for n < len(s.ended) && s.ended[n].last < hw {
		n++
	}
	if n > 0 {
		s.ended = slices.Delete(s.ended, 0, n)
	}
}

// firstUnstable is the lowest first offset of a transaction that is open, or
// whose marker is not replicated yet; MaxInt64 when there is none.
func (s *producers) firstUnstable() int64 {
	first := int64(math.MaxInt64)
	if len(s.open) > 0 {
		first = s.open[0].first
	}
	for i := range s.ended {
		first = min(first, s.ended[i].first)
	}
	return first
}

// expire forgets producers that were not heard of since before, in ms, except
// those with an open transaction.
func (s *producers) expire(before int64) {
	for id, p := range s.byID {
		if p.txnFirst < 0 && p.heard < before {
			delete(s.byID, id)
		}
	}
}

// shrink makes room when more than limit producers are kept, by forgetting an
// eighth of them, the longest idle first.
func (s *producers) shrink(limit int) {
	if len(s.byID) <= limit {
		return
	}
	idle := make([]*producer, 0, len(s.byID))
	for _, p := range s.byID {
		if p.txnFirst < 0 {
			idle = append(idle, p)
		}
	}
	slices.SortFunc(idle, func(a, b *producer) int { return cmp.Compare(a.heard, b.heard) })
	for _, p := range idle[:min(len(idle), limit/8+1)] {
		delete(s.byID, p.id)
	}
}

// ProducerState describes a producer of the partition (DescribeProducers).
type ProducerState struct {
	ProducerID       int64
	Epoch            int16
	LastSequence     int32 // -1 when nothing was written in this epoch
	LastTimestamp    int64 // ms; when its last batch or marker arrived
	CoordinatorEpoch int32 // -1 before the first marker
	TxnFirstOffset   int64 // -1 without an open transaction
}

// Producers lists the producers whose state is kept, by id.
func (l *Log) Producers() []ProducerState {
	l.mu.RLock()
	out := make([]ProducerState, 0, len(l.prod.byID))
	for _, p := range l.prod.byID {
		out = append(out, ProducerState{p.id, p.epoch, p.lastSeq(), p.heard, p.coordinatorEpoch, p.txnFirst})
	}
	l.mu.RUnlock()
	slices.SortFunc(out, func(a, b ProducerState) int { return cmp.Compare(a.ProducerID, b.ProducerID) })
	return out
}

// HasOpenTxn reports whether the producer has a transaction without a marker
// in this partition.
func (l *Log) HasOpenTxn(producerID int64) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	p := l.prod.byID[producerID]
	return p != nil && p.txnFirst >= 0
}

// ExpireProducers forgets producers that have been idle for longer than the
// configured time. Call it every few minutes.
func (l *Log) ExpireProducers() {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	before := l.cfg.Now().Add(-l.cfg.ProducerExpiry)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prod.expire(before.UnixMilli())
}
