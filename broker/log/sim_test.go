package log

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/thalweg/thalweg/internal/batch"
	"github.com/thalweg/thalweg/internal/seeds"
)

// The simulation appends, moves offsets, rolls, truncates, fails, kills and
// crashes at random, and compares the log after each step with a model that
// only keeps a list of batches and derives everything else from it naively.
//
// A failing seed is printed; THALWEG_SEED=N repeats it.

func TestSimulation(t *testing.T) {
	n := 60
	if testing.Short() {
		n = 30
	}
	for seed := range seeds.Upto(n) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			s := newSim(t, seed)
			for range 120 {
				s.step()
			}
			require.NoError(t, s.log.Close())
		})
	}
}

type sim struct {
	t    *testing.T
	r    *rand.Rand
	fs   *vfs.Fault
	cfg  Config
	log  *Log
	last string // what the last steps did, for the failure message

	// The model.
	batches []batch.View // all ever appended and not truncated, from origin on
	origin  int64
	end     int64
	flushed int64
	hw      int64
	start   int64
	epoch   int32
	epochs  []EpochEntry
	now     int64
}

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{t: t, r: rand.New(rand.NewPCG(seed, 7)), fs: vfs.NewFault(), now: 1000}
	s.cfg = testConfig(s.fs)
	s.cfg.SegmentBytes = 700 + s.r.IntN(3000)
	s.cfg.IndexInterval = 1 + s.r.IntN(400)
	s.cfg.TailBytes = []int{-1, 512, 4 << 10}[s.r.IntN(3)]
	s.log = openTest(t, s.cfg)
	return s
}

func (s *sim) step() {
	s.now += int64(s.r.IntN(5))
	switch n := s.r.IntN(100); {
	case n < 55:
		s.note("append")
		s.append()
	case n < 65:
		s.note("high watermark")
		if hw := s.hw + int64(s.r.IntN(int(s.end-s.hw)+1)); hw > s.hw {
			require.True(s.t, s.log.SetHighWatermark(hw))
			s.hw = hw
		}
	case n < 71:
		s.note("flush")
		require.NoError(s.t, s.log.Flush())
		s.flushed = s.end
		require.Equal(s.t, s.end, s.log.Flushed())
	case n < 73:
		s.note("sync sealed")
		require.NoError(s.t, s.log.SyncSealed())
		s.flushed = max(s.flushed, s.log.Flushed())
		require.GreaterOrEqual(s.t, s.log.Flushed(), s.log.active().base)
	case n < 75:
		s.note("checkpoint")
		require.NoError(s.t, s.log.Checkpoint())
	case n < 78:
		s.note("delete records")
		to := s.start + int64(s.r.IntN(int(s.hw-s.start)+1))
		got, err := s.log.DeleteRecords(to)
		require.NoError(s.t, err)
		s.start = max(s.start, to)
		require.Equal(s.t, s.start, got)
		s.trimEpochs()
	case n < 81:
		s.note("truncate")
		to := s.hw + int64(s.r.IntN(int(s.end-s.hw)+1))
		for _, v := range s.batches {
			if v.BaseOffset() < s.start && v.LastOffset() >= to {
				return // cuts through the log start: TestReset
			}
		}
		require.NoError(s.t, s.log.TruncateTo(to))
		s.truncateModel(to)
	case n < 84:
		s.note("new leader")
		s.epoch += int32(1 + s.r.IntN(3))
		require.NoError(s.t, s.log.AssignEpoch(s.epoch, s.end))
		s.assignModel()
	case n < 88:
		s.note("disk full")
		s.diskFull()
	case n < 91:
		s.note("io error")
		s.ioError()
	case n < 94:
		s.note("close")
		require.NoError(s.t, s.log.Close())
		s.flushed = s.end
		s.reopen(false)
		require.Equal(s.t, s.hw, s.log.HighWatermark())
		require.Equal(s.t, s.start, s.log.LogStart())
	case n < 97:
		s.note("kill")
		s.reopen(false)
	default:
		s.note("crash")
		s.crash()
	}
	s.check()
}

func (s *sim) note(what string) {
	s.last = what
}

// append adds a random batch, legal or not, and checks the answer.
func (s *sim) append() {
	pid := int64(s.r.IntN(4))
	p := s.producers()[pid]
	data, origin := []byte(nil), Client
	switch n := s.r.IntN(10); {
	case n < 3:
		data = plain(s.now-int64(s.r.IntN(20)), 1+s.r.IntN(5))
	case p != nil && p.txn >= 0 && n < 6: // end it
		data, origin = batch.AppendMarker(nil, pid, p.epoch+int16(s.r.IntN(2)), s.r.IntN(2) == 0, 0, s.now), Coordinator
	case p != nil && p.lastSeq >= 0 && n == 6: // a retry of the last batch
		original := s.batches[p.lastBatch]
		retry := bytes.Clone(original)
		batch.View(retry).SetBaseOffset(0)
		info, err := s.log.Append(retry, AppendOptions{LeaderEpoch: s.epoch})
		if s.storageFailed(err) {
			return
		}
		require.NoError(s.t, err, s.last)
		require.True(s.t, info.Duplicate)
		require.Equal(s.t, original.BaseOffset(), info.FirstOffset)
		require.Equal(s.t, original.LastOffset(), info.LastOffset)
		return
	case p != nil && n == 7: // a gap
		o := batch.Options{ProducerID: pid, ProducerEpoch: p.epoch, BaseSequence: batch.AddSequence(p.lastSeq, 3), Transactional: p.txn >= 0}
		_, err := s.log.Append(records(o, s.now, 1), AppendOptions{LeaderEpoch: s.epoch})
		if !s.storageFailed(err) {
			require.ErrorIs(s.t, err, ErrOutOfOrderSequence)
		}
		return
	case p != nil && n == 8 && p.epoch > 0: // a zombie
		_, err := s.log.Append(idempotent(pid, p.epoch-1, 0, 1), AppendOptions{LeaderEpoch: s.epoch})
		if !s.storageFailed(err) {
			require.ErrorIs(s.t, err, ErrProducerFenced)
		}
		return
	default:
		o := batch.Options{ProducerID: pid, Transactional: pid%2 == 0}
		if p != nil {
			o.ProducerEpoch, o.BaseSequence = p.epoch, batch.AddSequence(p.lastSeq, 1)
			if p.txn < 0 && s.r.IntN(8) == 0 {
				o.ProducerEpoch, o.BaseSequence = p.epoch+1, 0
			}
		}
		data = records(o, s.now-int64(s.r.IntN(20)), 1+s.r.IntN(5))
	}
	info, err := s.log.Append(data, AppendOptions{Origin: origin, LeaderEpoch: s.epoch})
	if s.storageFailed(err) {
		return
	}
	require.NoError(s.t, err)
	require.Equal(s.t, s.end, info.FirstOffset)
	s.assignModel()
	v := batch.View(data)
	s.batches = append(s.batches, v)
	s.end = v.NextOffset()
	require.Equal(s.t, s.end, info.LastOffset+1)
}

func (s *sim) storageFailed(err error) bool {
	var se *StorageError
	if !errors.As(err, &se) {
		return false
	}
	s.epochs = s.log.Epochs() // a new one may have been noted already
	return true
}

// diskFull lets appends fail half-way; afterwards all goes on.
func (s *sim) diskFull() {
	room := s.r.IntN(400)
	s.fs.Inject(func(op vfs.Op) (int, error) {
		if op.Kind == "write" && s.r.IntN(2) == 0 {
			return min(op.Len, room), syscall.ENOSPC
		}
		return 0, nil
	})
	before := s.end
	for range 3 {
		s.append()
		require.GreaterOrEqual(s.t, s.log.LogEnd(), before)
	}
	s.fs.Inject(nil)
	require.NoError(s.t, s.log.usable())
}

// ioError breaks the log at a random operation; it is reopened.
func (s *sim) ioError() {
	left := s.r.IntN(12)
	s.fs.Inject(func(op vfs.Op) (int, error) {
		if left--; left < 0 && op.Kind != "open" && op.Kind != "size" && op.Kind != "read" {
			return s.r.IntN(50), syscall.EIO
		}
		return 0, nil
	})
	for range 4 {
		if s.r.IntN(3) == 0 {
			if s.log.Flush() == nil {
				s.flushed = s.end
			} else {
				require.Error(s.t, s.log.FlushTo(s.end), "a failed sync is never believed again")
				break
			}
		}
		s.append()
	}
	s.fs.Inject(nil)
	if s.r.IntN(2) == 0 {
		s.crash()
	} else {
		s.reopen(false)
	}
}

func (s *sim) crash() {
	s.fs.Crash(s.r)
	s.reopen(true)
}

// reopen opens the log again. After a crash a tail that was not flushed may be
// gone; the process's death alone loses nothing.
func (s *sim) reopen(crashed bool) {
	l, err := Open(s.log.dir, s.cfg)
	require.NoError(s.t, err, s.last)
	s.log = l
	end := l.LogEnd()
	if crashed {
		require.GreaterOrEqual(s.t, end, s.flushed, "flushed records were lost")
		require.LessOrEqual(s.t, end, s.end)
		s.truncateModel(end)
		if s.end < l.LogStart() || l.Size() == 0 && len(l.Producers()) == 0 { // what was left had been deleted
			s.batches, s.origin, s.end, s.hw = nil, end, end, end
		}
		require.Equal(s.t, s.end, end, "half a batch survived")
	} else {
		require.Equal(s.t, s.end, end, "a killed process lost records")
	}
	require.Equal(s.t, end, l.Flushed())
	s.flushed = end
	require.LessOrEqual(s.t, l.HighWatermark(), s.hw)
	require.LessOrEqual(s.t, l.LogStart(), max(s.start, 0))
	s.hw, s.start = l.HighWatermark(), l.LogStart()
	s.epochs, s.epoch = l.Epochs(), max(s.epoch, 0)
	s.checkEpochs()
}

func (s *sim) truncateModel(to int64) {
	n := len(s.batches)
	for n > 0 && s.batches[n-1].LastOffset() >= to {
		n--
	}
	s.batches = s.batches[:n]
	if to < s.end {
		s.end = s.origin
		if n > 0 {
			s.end = s.batches[n-1].NextOffset()
		}
	}
	s.flushed, s.hw = min(s.flushed, s.end), min(s.hw, s.end)
	for n := len(s.epochs); n > 0 && s.epochs[n-1].Start >= to; n-- {
		s.epochs = s.epochs[:n-1]
	}
}

func (s *sim) assignModel() {
	e := epochs(slices.Clone(s.epochs))
	e.assign(s.epoch, s.end)
	s.epochs = e
}

func (s *sim) trimEpochs() {
	e := epochs(slices.Clone(s.epochs))
	e.truncateStart(s.start)
	s.epochs = e
}

// checkEpochs holds the cache against the batches: each batch's epoch is the
// one the cache gives its offset.
func (s *sim) checkEpochs() {
	for _, v := range s.batches {
		if v.BaseOffset() >= s.start {
			require.Equal(s.t, v.LeaderEpoch(), s.log.EpochAt(v.BaseOffset()), "epoch at %d: %v", v.BaseOffset(), s.log.Epochs())
		}
	}
}

// modelProducer is what the batches say of a producer.
type modelProducer struct {
	epoch     int16
	lastSeq   int32
	lastBatch int // index into batches, of this epoch
	txn       int64
}

type modelTxn struct {
	pid, first, marker int64 // marker is MaxInt64 while open
	aborted            bool
}

func (s *sim) producers() map[int64]*modelProducer {
	out, _ := s.replay()
	return out
}

func (s *sim) replay() (map[int64]*modelProducer, []modelTxn) {
	out := map[int64]*modelProducer{}
	var txns []modelTxn
	for i, v := range s.batches {
		pid := v.ProducerID()
		if pid < 0 {
			continue
		}
		p := out[pid]
		if p == nil {
			p = &modelProducer{epoch: v.ProducerEpoch(), lastSeq: -1, txn: -1}
			out[pid] = p
		}
		if p.epoch != v.ProducerEpoch() {
			p.epoch, p.lastSeq = v.ProducerEpoch(), -1
		}
		if m, ok, _ := v.Marker(); ok {
			for j := range txns {
				if txns[j].pid == pid && txns[j].marker == math.MaxInt64 {
					txns[j].marker, txns[j].aborted = v.BaseOffset(), !m.Commit
				}
			}
			p.txn = -1
			continue
		}
		p.lastSeq, p.lastBatch = v.LastSequence(), i
		if v.IsTransactional() && p.txn < 0 {
			p.txn = v.BaseOffset()
			txns = append(txns, modelTxn{pid: pid, first: p.txn, marker: math.MaxInt64})
		}
	}
	return out, txns
}

func (s *sim) check() {
	t, l := s.t, s.log
	model, txns := s.replay()
	lso := s.hw
	for _, x := range txns {
		if x.marker >= s.hw {
			lso = min(lso, x.first)
		}
	}
	lso = max(lso, s.start)
	require.Equal(t, Offsets{s.start, lso, s.hw, s.end}, l.Offsets(), "after %s", s.last)
	require.Equal(t, append([]EpochEntry{}, s.epochs...), append([]EpochEntry{}, l.Epochs()...), "after %s", s.last)

	// Producer state equals what replay of the batches gives.
	real := map[int64]*modelProducer{}
	for _, p := range l.Producers() {
		real[p.ProducerID] = &modelProducer{p.Epoch, p.LastSequence, 0, p.TxnFirstOffset}
	}
	for _, p := range model {
		p.lastBatch = 0
	}
	require.Equal(t, slices.Sorted(maps.Keys(model)), slices.Sorted(maps.Keys(real)), "after %s", s.last)
	for pid := range model {
		require.Equal(t, model[pid], real[pid], "producer %d after %s", pid, s.last)
	}

	// Every byte, from a random offset, to each limit.
	from := s.start + int64(s.r.IntN(int(s.end-s.start)+1))
	for limit, end := range map[ReadLimit]int64{ToLogEnd: s.end, ToHighWatermark: s.hw, ToLastStable: lso} {
		var want []byte
		for _, v := range s.batches {
			if v.LastOffset() >= from && v.LastOffset() < end {
				want = append(want, v...)
			}
		}
		if from > end {
			want = nil
		}
		got, _ := readFrom(t, l, from, limit)
		require.True(t, bytes.Equal(want, got), "read from %d to %d after %s", from, end, s.last)
	}
	s.checkCommitted(from, lso, txns)
	s.checkTime(s.now - int64(s.r.IntN(100)))
}

// checkCommitted filters a read_committed read as a consumer does and compares
// with the batches of transactions that committed.
func (s *sim) checkCommitted(from, lso int64, txns []modelTxn) {
	if from >= lso {
		return
	}
	r, err := s.log.Read(nil, from, 100+s.r.IntN(2000), ToLastStable)
	require.NoError(s.t, err)
	aborted := slices.Clone(r.Aborted)
	skip := map[int64]bool{}
	for rest := r.Data; len(rest) > 0; {
		v, tail, err := batch.Parse(rest)
		require.NoError(s.t, err)
		rest = tail
		for len(aborted) > 0 && aborted[0].FirstOffset <= v.LastOffset() {
			skip[aborted[0].ProducerID] = true
			aborted = aborted[1:]
		}
		if v.IsControl() {
			if m, ok, _ := v.Marker(); ok && !m.Commit {
				delete(skip, v.ProducerID())
			}
			continue
		}
		if !v.IsTransactional() {
			continue
		}
		hidden := skip[v.ProducerID()]
		for _, x := range txns {
			if x.pid == v.ProducerID() && x.first <= v.BaseOffset() && v.BaseOffset() < x.marker {
				require.Less(s.t, x.marker, s.hw, "open transaction at %d", v.BaseOffset())
				require.Equal(s.t, x.aborted, hidden, "transaction of %d at %d after %s", x.pid, v.BaseOffset(), s.last)
			}
		}
	}
}

func (s *sim) checkTime(ts int64) {
	var want TimeOffset
	found := false
	for _, v := range s.batches {
		it, err := v.Records(nil)
		require.NoError(s.t, err)
		for r := (batch.Record{}); !found && it.Next(&r); {
			if r.Timestamp >= ts && r.Offset >= s.start {
				want, found = TimeOffset{r.Offset, r.Timestamp, v.LeaderEpoch()}, true
			}
		}
	}
	got, ok, err := s.log.OffsetForTimestamp(ts)
	require.NoError(s.t, err)
	require.Equal(s.t, found, ok, "time %d after %s", ts, s.last)
	require.Equal(s.t, want, got, "time %d after %s", ts, s.last)
}
