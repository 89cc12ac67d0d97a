package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/thalweg/thalweg/internal/batch"
)

// kept is what a record must look like wherever it survives.
type kept struct {
	key, value string
	null       bool
	ts         int64
}

// compactSim writes keyed records, in and out of transactions, and knows for
// every offset what was written and whether it is committed.
type compactSim struct {
	t    *testing.T
	r    *rand.Rand
	fs   *vfs.Fault
	cfg  Config
	log  *Log
	now  int64
	all  map[int64]kept    // every data record ever written
	dead map[int64]bool    // of aborted transactions
	txn  map[int64][]int64 // open transactions' offsets, by producer
	seq  map[int64]int32
}

func newCompactSim(t *testing.T, seed uint64) *compactSim {
	s := &compactSim{
		t: t, r: rand.New(rand.NewPCG(seed, 11)), fs: vfs.NewFault(), now: 10_000,
		all: map[int64]kept{}, dead: map[int64]bool{}, txn: map[int64][]int64{}, seq: map[int64]int32{},
	}
	s.cfg = testConfig(s.fs)
	s.cfg.Now = func() time.Time { return time.UnixMilli(s.now) }
	s.cfg.SegmentBytes = 600 + s.r.IntN(1500)
	s.log = openTest(t, s.cfg)
	return s
}

func (s *compactSim) write() {
	pid := int64(s.r.IntN(3)) - 1 // -1: without a producer
	opts := batch.Plain()
	if pid >= 0 {
		opts = batch.Options{ProducerID: pid, BaseSequence: s.seq[pid], Transactional: true}
	}
	if pid >= 0 && len(s.txn[pid]) > 0 && s.r.IntN(3) == 0 {
		commit := s.r.IntN(3) > 0
		mustMark(s.t, s.log, marker(pid, 0, commit))
		for _, off := range s.txn[pid] {
			s.dead[off] = !commit
		}
		delete(s.txn, pid)
		return
	}
	var b batch.Builder
	b.Reset(opts)
	codec := []batch.Codec{batch.None, batch.LZ4, batch.Zstd}[s.r.IntN(3)]
	var recs []kept
	for range 1 + s.r.IntN(4) {
		s.now += int64(s.r.IntN(10))
		k := kept{key: fmt.Sprintf("key-%d", s.r.IntN(12)), ts: s.now}
		value := []byte(fmt.Sprintf("value-%d", s.now))
		if k.null = s.r.IntN(5) == 0; k.null {
			value = nil
		}
		k.value = string(value)
		b.Append([]byte(k.key), value, k.ts, batch.Header{Key: "h", Value: []byte("x")})
		recs = append(recs, k)
	}
	v, err := b.Finish(codec)
	require.NoError(s.t, err)
	info := mustAppend(s.t, s.log, bytes.Clone(v))
	for i, k := range recs {
		s.all[info.FirstOffset+int64(i)] = k
		if pid >= 0 {
			s.txn[pid] = append(s.txn[pid], info.FirstOffset+int64(i))
		}
	}
	if pid >= 0 {
		s.seq[pid] += int32(len(recs))
	}
}

// table is the latest committed value of each key below the last stable
// offset.
func (s *compactSim) table() map[string]string {
	out := map[string]string{}
	for off := int64(0); off < s.log.LastStable(); off++ {
		if k, ok := s.all[off]; ok && !s.dead[off] {
			if out[k.key] = k.value; k.null {
				delete(out, k.key)
			}
		}
	}
	return out
}

// consume reads as a read_committed consumer from the start and checks each
// record against what was written.
func (s *compactSim) consume() (table map[string]string, tombstones int) {
	table = map[string]string{}
	var d batch.Decompressor
	defer d.Close()
	skip := map[int64]bool{}
	for next := s.log.LogStart(); next < s.log.LastStable(); {
		r, err := s.log.Read(nil, next, 400, ToLastStable)
		require.NoError(s.t, err)
		if len(r.Data) == 0 {
			break
		}
		aborted := r.Aborted
		for rest := r.Data; len(rest) > 0; {
			v, tail, err := batch.Parse(rest)
			require.NoError(s.t, err)
			require.NoError(s.t, v.Validate())
			rest = tail
			next = v.NextOffset()
			for len(aborted) > 0 && aborted[0].FirstOffset <= v.LastOffset() {
				skip[aborted[0].ProducerID] = true
				aborted = aborted[1:]
			}
			if v.IsControl() {
				if m, ok, err := v.Marker(); ok && !m.Commit {
					require.NoError(s.t, err)
					delete(skip, v.ProducerID())
				}
				continue
			}
			it, err := v.Records(&d)
			require.NoError(s.t, err)
			for rec := (batch.Record{}); it.Next(&rec); {
				want, ok := s.all[rec.Offset]
				require.True(s.t, ok)
				require.Equal(s.t, want, kept{string(rec.Key), string(rec.Value), rec.Value == nil, rec.Timestamp})
				require.Equal(s.t, 1, rec.Headers.Len())
				hidden := v.IsTransactional() && skip[v.ProducerID()]
				require.Equal(s.t, s.dead[rec.Offset], hidden, "offset %d", rec.Offset)
				if hidden {
					continue
				}
				if table[want.key] = want.value; want.null {
					delete(table, want.key)
					tombstones++
				}
			}
			require.NoError(s.t, it.Err())
		}
	}
	return table, tombstones
}

func (s *compactSim) check(when string) {
	got, _ := s.consume()
	require.Equal(s.t, s.table(), got, when)
	producers := s.log.Producers()
	clean := newProducers() // from the batches alone, without snapshots
	require.NoError(s.t, s.log.replay(s.log.segments, clean, 0, s.log.LogEnd(), 0))
	require.Equal(s.t, len(producers), len(clean.byID), when)
	for _, p := range producers {
		q := clean.byID[p.ProducerID]
		require.Equal(s.t, p.LastSequence, q.lastSeq(), "%s: producer %d", when, p.ProducerID)
		require.Equal(s.t, p.TxnFirstOffset, q.txnFirst, "%s: producer %d", when, p.ProducerID)
	}
}

// loseIndexes makes the next opening derive all indexes from the batches, and
// producer state as well.
func (s *compactSim) loseIndexes() {
	names, err := s.fs.List(s.log.dir)
	require.NoError(s.t, err)
	for _, name := range names {
		if _, suffix, ok := parseFileName(name); ok && suffix != logSuffix {
			require.NoError(s.t, s.fs.Remove(s.log.path(name)))
		}
	}
}

func (s *compactSim) compact() error {
	// The map is full after a batch, after several, in whatever segment, or never.
	keys := []int{1, 2, 5, 20, 0}[s.r.IntN(5)]
	_, err := s.log.Compact(context.Background(), CompactOptions{DeleteRetention: 200 * time.Millisecond, MaxKeys: keys})
	return err
}

// Whatever is compacted, and whenever that is cut short: the committed table
// stays the same, surviving records are untouched, no aborted one shows.
func TestCompactSimulation(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 15
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			s := newCompactSim(t, uint64(seed))
			for range 12 {
				for range 5 + s.r.IntN(40) {
					s.write()
				}
				s.log.SetHighWatermark(s.log.LogEnd())
				require.NoError(t, s.log.Flush())
				if s.r.IntN(2) == 0 {
					require.NoError(t, s.log.Checkpoint())
				}
				end := s.log.LogEnd()
				s.check("before")
				switch s.r.IntN(4) {
				case 0, 1:
					require.NoError(t, s.compact())
				default: // cut short
					left := s.r.IntN(60)
					s.fs.Inject(func(op vfs.Op) (int, error) {
						if op.Kind != "read" && op.Kind != "size" && op.Kind != "open" {
							left--
						}
						if left < 0 {
							return 10, syscall.EIO
						}
						return 0, nil
					})
					_ = s.compact()
					s.fs.Inject(nil)
					if s.r.IntN(2) == 0 {
						s.fs.Crash(s.r)
					}
					s.log = openTest(t, s.cfg)
				}
				require.Equal(t, end, s.log.LogEnd())
				s.log.SetHighWatermark(end)
				s.check("after")
				if s.r.IntN(3) == 0 {
					require.NoError(t, s.log.Close())
					s.loseIndexes()
					s.log = openTest(t, s.cfg)
					s.check("reopened")
				}
			}
			require.NoError(t, s.log.Close())
		})
	}
}

// The log shrinks to about one record for each key; tombstones stay for their
// time and then go.
func TestCompactShrinks(t *testing.T) {
	s := newCompactSim(t, 99)
	s.cfg.SegmentBytes = 4 << 10
	o := CompactOptions{DeleteRetention: 200 * time.Millisecond}
	s.writeCommitted(600)
	before := s.log.Size()
	dirty, total := s.dirtiness(o)
	require.Equal(t, total, dirty)
	require.NotZero(t, total)
	s.compactWith(o)
	dirty, _ = s.dirtiness(o)
	require.Zero(t, dirty)
	require.Less(t, s.log.Size(), before/4)
	want := s.table()
	got, tombstones := s.consume()
	require.Equal(t, want, got)
	require.NotZero(t, tombstones)

	s.now += 1000
	s.compactWith(o)
	got, fewer := s.consume()
	require.Equal(t, want, got)
	require.Less(t, fewer, tombstones)
	require.NoError(t, s.log.Close())
}

func (s *compactSim) writeCommitted(n int) {
	for range n {
		s.write()
	}
	s.log.SetHighWatermark(s.log.LogEnd())
	require.NoError(s.t, s.log.Flush())
}

func (s *compactSim) compactWith(o CompactOptions) CompactStats {
	stats, err := s.log.Compact(context.Background(), o)
	require.NoError(s.t, err)
	return stats
}

func (s *compactSim) dirtiness(o CompactOptions) (dirty, total int64) {
	dirty, total, err := s.log.Dirtiness(o)
	require.NoError(s.t, err)
	return dirty, total
}

// However few keys fit into memory, each cleaning gets on, inside a segment
// where it must, and in the end the log is as clean as after one.
func TestCompactInParts(t *testing.T) {
	for _, keys := range []int{1, 3, 8} {
		t.Run(fmt.Sprint("keys=", keys), func(t *testing.T) {
			s := newCompactSim(t, 5)
			s.writeCommitted(300)
			o := CompactOptions{DeleteRetention: time.Millisecond, MaxKeys: keys}
			segments, parts := s.log.Segments(), 0
			for {
				dirty, _ := s.dirtiness(o)
				if dirty == 0 {
					break
				}
				before := s.log.cleaned.Load()
				s.compactWith(o)
				require.Greater(t, s.log.cleaned.Load(), before)
				s.check("in parts")
				s.now += 10 // tombstones that were met are over
				parts++
			}
			if keys == 1 {
				require.Greater(t, parts, segments, "it has stopped inside of segments")
			}
			seen := map[string]int{}
			require.NoError(t, s.eachRecord(s.log.cleaned.Load(), func(r *batch.Record) { seen[string(r.Key)]++ }))
			require.NotEmpty(t, seen)
			for key, n := range seen {
				require.Equal(t, 1, n, key)
			}
			require.NoError(t, s.log.Close())
		})
	}
}

// eachRecord calls fn for all data records below an offset, as they lie there.
func (s *compactSim) eachRecord(below int64, fn func(*batch.Record)) error {
	var d batch.Decompressor
	defer d.Close()
	for _, seg := range s.log.segments {
		var failed error
		err := seg.each(func(v batch.View) {
			if v.IsControl() || v.Count() == 0 || v.LastOffset() >= below || failed != nil {
				return
			}
			it, err := v.Records(&d)
			if failed = err; err != nil {
				return
			}
			for r := (batch.Record{}); it.Next(&r); {
				fn(&r)
			}
		})
		if err := errors.Join(err, failed); err != nil {
			return err
		}
	}
	return nil
}

// What a cleaning may not touch yet, being younger than the lag, does not count
// as dirty, or what is clean would be written again and again.
func TestDirtinessIsWhatACleaningWouldClean(t *testing.T) {
	s := newCompactSim(t, 99)
	o := CompactOptions{DeleteRetention: time.Hour, MinLag: time.Hour}
	s.writeCommitted(300)
	dirty, total := s.dirtiness(o)
	require.Zero(t, dirty, "everything is younger than the lag")
	require.Zero(t, total)
	require.Zero(t, s.compactWith(o).Segments)

	s.now += 2 * time.Hour.Milliseconds()
	dirty, _ = s.dirtiness(o)
	require.NotZero(t, dirty)
	s.compactWith(o)
	dirty, total = s.dirtiness(o)
	require.Zero(t, dirty)
	require.NotZero(t, total)

	s.writeCommitted(300)
	dirty, _ = s.dirtiness(o)
	require.Zero(t, dirty, "the rest is younger than the lag")
	require.NoError(t, s.log.Close())
}

func TestCompactIsCancelled(t *testing.T) {
	s := newCompactSim(t, 5)
	s.writeCommitted(200)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.log.Compact(ctx, CompactOptions{})
	require.ErrorIs(t, err, context.Canceled)
	s.check("untouched")
	require.NoError(t, s.log.Close())
}

// Appends, reads, deletions and flushes go on while the log is compacted; run
// with -race.
func TestCompactConcurrently(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	l := openTest(t, cfg)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() {
		for ctx.Err() == nil {
			if _, err := l.Compact(ctx, CompactOptions{}); err != nil && ctx.Err() == nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	go func() {
		next, buf := int64(0), make([]byte, 2<<10)
		for ctx.Err() == nil {
			next = max(next, l.LogStart())
			r, err := l.Read(buf, next, 1<<10, ToLastStable)
			if errors.Is(err, ErrOffsetOutOfRange) {
				continue // deleted meanwhile
			}
			for rest := r.Data; err == nil && len(rest) > 0; {
				var v batch.View
				if v, rest, err = batch.Parse(rest); err == nil {
					err = v.Validate()
					next = v.NextOffset()
				}
			}
			if err != nil {
				done <- err
				return
			}
			if next >= l.LogEnd() {
				next = 0
			}
		}
		done <- nil
	}()
	for i := range 1500 {
		mustAppend(t, l, plain(int64(i), 3))
		l.SetHighWatermark(l.LogEnd())
		switch {
		case i%50 == 0:
			require.NoError(t, l.Flush())
		case i%333 == 0:
			_, err := l.DeleteRecords(l.LogStart() + 40)
			require.NoError(t, err)
		case i%500 == 499:
			require.NoError(t, l.TruncateTo(l.LogEnd()-2))
		}
	}
	stop()
	for range cap(done) {
		require.NoError(t, <-done)
	}
	end := l.LogEnd()
	require.NoError(t, l.Close())
	l = openTest(t, cfg)
	require.Equal(t, end, l.LogEnd())
	require.NoError(t, l.Close())
}
