package log

import (
	"fmt"
	"math"

	"github.com/thalweg/thalweg/internal/batch"
)

// Origin says who appends, and with it which rules hold.
type Origin int8

const (
	// Client: one batch of a producer. Offsets are assigned, sequences and
	// transaction state checked, duplicates recognised.
	Client Origin = iota
	// Coordinator: batches a coordinator on this broker makes, transaction
	// markers among them. Offsets are assigned, epochs checked.
	Coordinator
	// Replica: batches as the leader stored them. Offsets and epochs are
	// kept.
	Replica
)

// AppendOptions tell how to append.
type AppendOptions struct {
	Origin Origin
	// LeaderEpoch is written into the batches; for Replica it is the highest
	// one they may carry. It must not be below the newest epoch of the log.
	LeaderEpoch int32
	// LogAppendTime stamps the batches with the broker's clock
	// (message.timestamp.type).
	LogAppendTime bool
	// Verified says that the caller has run batch.View.CheckProduced, or
	// Validate where that does not apply, outside the lock.
	Verified bool
	// TxnVersion is the transaction.version of the coordinator that wrote a
	// marker; from 2 on a marker must carry a higher epoch than the data.
	TxnVersion int16
	// TxnGuard, unless 0, is one more than the end of the log was when a
	// client's transactional batch was verified. The append fails with
	// ErrInvalidTxnState if a marker of the producer came since: the batch
	// would open a transaction that nobody ends (KIP-890).
	TxnGuard int64
}

// AppendInfo is the result of an append.
type AppendInfo struct {
	FirstOffset    int64
	LastOffset     int64
	LogAppendTime  int64 // -1 unless the batches were stamped
	LogStartOffset int64
	// Duplicate: the batch is in the log already, at FirstOffset; nothing was
	// written. With acks=all the answer still waits for LastOffset to be
	// below the high watermark.
	Duplicate bool
}

// Append adds record batches to the end of the log with one write and assigns
// offsets and leader epoch in place: data belongs to the log until Append
// returns, and its bytes change. All batches are appended or none.
//
// It fails with [*batch.CorruptError] or [*batch.InvalidError] for bad
// batches, with one of the sentinels for bad producers, and with a
// [*StorageError] when the file system fails.
func (l *Log) Append(data []byte, o AppendOptions) (AppendInfo, error) {
	l.writeMu.Lock()
	info, err := l.append(data, o)
	l.writeMu.Unlock()
	if err == nil && !info.Duplicate {
		l.notify()
	}
	return info, err
}

func (l *Log) append(data []byte, o AppendOptions) (AppendInfo, error) {
	if err := l.usable(); err != nil {
		return AppendInfo{}, err
	}
	if err := l.parse(data, &o); err != nil {
		return AppendInfo{}, err
	}
	info := AppendInfo{FirstOffset: l.logEnd.Load(), LogAppendTime: -1, LogStartOffset: l.logStart.Load()}
	if dup, ok, err := l.checkProducers(&o); err != nil {
		return AppendInfo{}, err
	} else if ok {
		info.FirstOffset, info.LastOffset = dup.lastOffset-int64(dup.offsetDelta), dup.lastOffset
		info.Duplicate = true
		if o.LogAppendTime {
			info.LogAppendTime = dup.timestamp
		}
		return info, nil
	}
	now := l.cfg.Now().UnixMilli()
	if o.LogAppendTime && o.Origin != Replica {
		info.LogAppendTime = now
	}
	if err := l.assign(&o, info.LogAppendTime); err != nil {
		return AppendInfo{}, err
	}
	info.FirstOffset = l.views[0].BaseOffset()
	info.LastOffset = l.views[len(l.views)-1].LastOffset()
	if err := l.maybeRoll(int64(len(data)), l.views[0], info.LastOffset); err != nil {
		return AppendInfo{}, err
	}
	if err := l.write(data); err != nil {
		return AppendInfo{}, err
	}
	if err := l.publish(data, info.LastOffset+1, now); err != nil {
		return AppendInfo{}, err
	}
	return info, nil
}

// parse cuts data into l.views and validates each batch.
func (l *Log) parse(data []byte, o *AppendOptions) error {
	l.views = l.views[:0]
	for len(data) > 0 {
		v, rest, err := batch.Parse(data)
		if err != nil {
			return err
		}
		if !o.Verified {
			if o.Origin == Client {
				err = v.CheckProduced()
			} else {
				err = v.Validate()
			}
			if err != nil {
				return err
			}
		}
		if _, _, err := v.Marker(); err != nil {
			return err
		}
		l.views = append(l.views, v)
		data = rest
	}
	if len(l.views) == 0 {
		return &batch.InvalidError{Reason: "no batch to append", Index: -1}
	}
	if o.Origin == Client && len(l.views) != 1 {
		return &batch.InvalidError{Reason: "a produce request carries one batch for a partition", Index: -1}
	}
	return nil
}

// checkProducers applies the rules of idempotence and transactions.
func (l *Log) checkProducers(o *AppendOptions) (dup seqRange, ok bool, err error) {
	if o.Origin == Replica {
		return seqRange{}, false, nil
	}
	for _, v := range l.views {
		if v.ProducerID() < 0 {
			continue
		}
		m, marker, err := v.Marker()
		if err != nil {
			return seqRange{}, false, err
		}
		switch {
		case marker:
			err = l.prod.checkMarker(v, m, o.TxnVersion)
		case o.Origin == Client:
			if dup, ok := l.prod.duplicate(v); ok {
				return dup, true, nil
			}
			err = l.prod.checkData(v, true)
			if err == nil && o.TxnGuard > 0 {
				err = l.prod.checkGuard(v.ProducerID(), o.TxnGuard-1)
			}
		default:
			err = l.prod.checkData(v, false)
		}
		if err != nil {
			return seqRange{}, false, err
		}
	}
	return seqRange{}, false, nil
}

// assign gives offsets, leader epoch and append time to the batches, or checks
// those a replica brings. New epochs are durable before anything is written.
func (l *Log) assign(o *AppendOptions, appendTime int64) error {
	next := l.logEnd.Load()
	if o.Origin != Replica {
		if o.LeaderEpoch != l.epochs.latest() {
			if err := l.assignEpoch(o.LeaderEpoch, next); err != nil {
				return err
			}
		}
		for _, v := range l.views {
			if next > math.MaxInt64-1-int64(v.LastOffsetDelta()) {
				return fmt.Errorf("log: offsets are used up at %d", next)
			}
			v.SetBaseOffset(next)
			v.SetLeaderEpoch(o.LeaderEpoch)
			if appendTime >= 0 && !v.IsControl() {
				v.SetLogAppendTime(appendTime)
			}
			next = v.NextOffset()
		}
		return nil
	}
	for _, v := range l.views {
		if v.BaseOffset() < next {
			return fmt.Errorf("%w: batch at %d, log end is %d", ErrOffsetOutOfRange, v.BaseOffset(), next)
		}
		if e := v.LeaderEpoch(); e > o.LeaderEpoch {
			return fmt.Errorf("%w: batch of epoch %d in a fetch at epoch %d", ErrStaleEpoch, e, o.LeaderEpoch)
		}
		next = v.NextOffset()
	}
	for _, v := range l.views {
		if e := v.LeaderEpoch(); e > l.epochs.latest() {
			if err := l.assignEpoch(e, v.BaseOffset()); err != nil {
				return err
			}
		}
	}
	return nil
}

// maybeRoll starts a new segment when the batches do not fit the active one.
func (l *Log) maybeRoll(size int64, first batch.View, last int64) error {
	if size > int64(l.cfg.SegmentBytes) {
		return fmt.Errorf("%w: %d bytes, segment.bytes is %d", ErrTooLarge, size, l.cfg.SegmentBytes)
	}
	s := l.active()
	if s.size == 0 && last-s.base <= math.MaxInt32 {
		return nil
	}
	age := l.cfg.SegmentAge.Milliseconds()
	old := false
	if ts := first.MaxTimestamp(); s.firstTS >= 0 && ts >= 0 {
		old = ts-s.firstTS > age
	} else {
		old = l.cfg.Now().UnixMilli()-s.created > age
	}
	if s.size+size > int64(l.cfg.SegmentBytes) || old ||
		last-s.base > math.MaxInt32 || s.idx.Load().full(l.cfg.IndexBytes) {
		// A replica's first batch may lie behind the log end, where the
		// leader has compacted; the segment begins at the log end all the
		// same, so that recovery can tell a hole from a gap.
		base := s.end
		if last-base > math.MaxInt32 {
			base = first.BaseOffset()
		}
		return l.roll(base)
	}
	return nil
}

// roll seals the active segment and starts one at base. When it fails the
// active segment stays and the next append tries again.
func (l *Log) roll(base int64) error {
	old := l.active()
	if err := l.markDirty(); err != nil {
		return err
	}
	l.mu.Lock()
	old.idx.Load().addTime()
	l.mu.Unlock()
	if err := old.writeIndex(); err != nil {
		return err
	}
	snapshot := l.prod.encode()
	if err := writeWhole(l.cfg.FS, l.path(fileName(base, snapshotSuffix)), snapshot); err != nil {
		return err
	}
	if old.size == 0 && old.base == base {
		return nil
	}
	s, err := createSegment(l.cfg.FS, l.dir, base)
	if err != nil {
		return err
	}
	s.origin = old.origin + old.size
	s.created = l.cfg.Now().UnixMilli()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments = append(l.segments[:len(l.segments):len(l.segments)], s)
	l.unsynced = append(l.unsynced, old)
	l.newNames = true
	return nil
}

// write puts data behind the active segment's batches with one system call.
// Half a write is taken back; if even that fails the log is given up.
func (l *Log) write(data []byte) error {
	s := l.active()
	f, err := s.open()
	if err != nil {
		return l.fail(err)
	}
	if _, err := f.WriteAt(data, s.size); err != nil {
		werr := &StorageError{Op: "append to " + s.name, Err: err}
		if terr := f.Truncate(s.size); terr != nil || !werr.Full() {
			return l.fail(werr)
		}
		return werr
	}
	return nil
}

// publish makes the written batches, which arrived now, visible.
func (l *Log) publish(data []byte, end, now int64) error {
	s := l.active()
	l.tail.write(data, s.origin+s.size)
	l.mu.Lock()
	defer l.mu.Unlock()
	x := s.idx.Load()
	for _, v := range l.views {
		if err := l.applyBatch(s, x, v, now); err != nil {
			return l.fail(err)
		}
	}
	l.prod.shrink(l.cfg.MaxProducers)
	l.logEnd.Store(end)
	l.updateStable()
	return nil
}

// applyBatch takes the batch at the segment's end into indexes and producer
// state. Appending and recovery share it.
func (l *Log) applyBatch(s *segment, x *index, v batch.View, at int64) error {
	if err := x.apply(l.prod, v, at, s.base, s.size, l.cfg.IndexInterval); err != nil {
		return err
	}
	if s.size == 0 {
		s.firstTS = v.MaxTimestamp()
	}
	s.size += int64(len(v))
	s.end = v.NextOffset()
	return nil
}
