package log

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/thalweg/thalweg/internal/batch"
)

// KIP-98: what a producer's next batch may be.
func TestSequenceRules(t *testing.T) {
	tests := []struct {
		name string
		next []byte
		want error
	}{
		{"next in order", idempotent(1, 0, 5, 1), nil},
		{"gap", idempotent(1, 0, 6, 1), ErrOutOfOrderSequence},
		{"older than the window", idempotent(1, 0, 1, 1), ErrOutOfOrderSequence},
		{"overlap", idempotent(1, 0, 4, 2), ErrOutOfOrderSequence},
		{"new epoch from 0", idempotent(1, 3, 0, 1), nil},
		{"new epoch not from 0", idempotent(1, 3, 5, 1), ErrOutOfOrderSequence},
		{"unknown producer, any sequence", idempotent(9, 7, 1234, 1), nil},
		{"no producer", plain(0, 1), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := openTest(t, testConfig(vfs.NewMem()))
			defer l.Close()
			mustAppend(t, l, idempotent(1, 0, 0, 5))
			before := l.Producers()
			_, err := l.Append(tt.next, AppendOptions{})
			require.ErrorIs(t, err, tt.want)
			if tt.want != nil {
				require.Equal(t, before, l.Producers(), "a refused batch leaves no trace")
				require.EqualValues(t, 5, l.LogEnd())
			}
		})
	}
}

func TestDuplicateWindow(t *testing.T) {
	l := openTest(t, testConfig(vfs.NewMem()))
	defer l.Close()
	for seq := range int32(8) {
		mustAppend(t, l, idempotent(1, 0, seq, 1))
	}
	for seq := range int32(8) {
		info, err := l.Append(idempotent(1, 0, seq, 1), AppendOptions{})
		if seq < 3 {
			require.ErrorIs(t, err, ErrOutOfOrderSequence, "batch %d has left the window of five", seq)
			continue
		}
		require.NoError(t, err)
		require.True(t, info.Duplicate)
		require.EqualValues(t, seq, info.FirstOffset)
	}
	require.EqualValues(t, 8, l.LogEnd())
}

func TestSequenceWrapsInLog(t *testing.T) {
	l := openTest(t, testConfig(vfs.NewMem()))
	defer l.Close()
	mustAppend(t, l, idempotent(1, 0, math.MaxInt32-1, 2)) // MaxInt32−1, MaxInt32
	mustAppend(t, l, idempotent(1, 0, 0, 3))
	mustAppend(t, l, idempotent(2, 0, math.MaxInt32, 3)) // wraps inside the batch
	info := mustAppend(t, l, idempotent(2, 0, math.MaxInt32, 3))
	require.True(t, info.Duplicate)
	mustAppend(t, l, idempotent(2, 0, 2, 1))
}

// The window's last batch survives a restart.
func TestDuplicateAfterReopen(t *testing.T) {
	fsys := vfs.NewMem()
	l := openTest(t, testConfig(fsys))
	mustAppend(t, l, idempotent(1, 0, 0, 3))
	require.NoError(t, l.Close())
	l = openTest(t, testConfig(fsys))
	defer l.Close()
	info := mustAppend(t, l, idempotent(1, 0, 0, 3))
	require.True(t, info.Duplicate)
	require.Zero(t, info.FirstOffset)
	require.EqualValues(t, 2, info.LastOffset)
}

// A marker that comes between the verification of a batch and its append voids
// the verification.
func TestTransactionGuard(t *testing.T) {
	l := openTest(t, testConfig(vfs.NewMem()))
	defer l.Close()
	guarded := func(pid int64, seq int32, verifiedAt int64) error {
		_, err := l.Append(transactional(pid, 4, seq, 1), AppendOptions{TxnGuard: verifiedAt + 1})
		return err
	}
	require.NoError(t, guarded(1, 0, l.LogEnd()))
	require.NoError(t, guarded(1, 1, 0), "no marker since")
	before := l.LogEnd()
	mustMark(t, l, marker(1, 4, true))
	require.ErrorIs(t, guarded(1, 2, before), ErrInvalidTxnState)
	require.NoError(t, guarded(2, 0, before), "another producer's marker")
	require.NoError(t, guarded(1, 2, l.LogEnd()))
}

func TestTransactionRules(t *testing.T) {
	l := openTest(t, testConfig(vfs.NewMem()))
	defer l.Close()
	mustAppend(t, l, transactional(1, 4, 0, 1))
	_, err := l.Append(idempotent(1, 4, 1, 1), AppendOptions{})
	require.ErrorIs(t, err, ErrInvalidTxnState, "a plain batch inside a transaction")

	coordinator := AppendOptions{Origin: Coordinator}
	_, err = l.Append(marker(1, 3, true), coordinator)
	require.ErrorIs(t, err, ErrProducerFenced)
	v2 := AppendOptions{Origin: Coordinator, TxnVersion: 2}
	_, err = l.Append(marker(1, 4, true), v2)
	require.ErrorIs(t, err, ErrProducerFenced, "a version 2 marker bumps the epoch")
	_, err = l.Append(batch.AppendMarker(nil, 1, 5, true, 8, 0), v2)
	require.NoError(t, err)
	_, err = l.Append(batch.AppendMarker(nil, 1, 5, true, 8, 0), v2)
	require.NoError(t, err, "a retry with nothing open is tolerated")
	_, err = l.Append(batch.AppendMarker(nil, 1, 5, true, 7, 0), v2)
	require.ErrorIs(t, err, ErrCoordinatorFenced)

	_, err = l.Append(transactional(1, 4, 1, 1), AppendOptions{})
	require.ErrorIs(t, err, ErrProducerFenced, "a write of the transaction that has ended")
	mustAppend(t, l, transactional(1, 5, 0, 1))
	require.True(t, l.HasOpenTxn(1))
}

// A marker above the high watermark releases nothing: were it lost with the
// leader, the transaction would be open again.
func TestMarkerAboveHighWatermark(t *testing.T) {
	fsys := vfs.NewMem()
	l := openTest(t, testConfig(fsys))
	mustAppend(t, l, plain(0, 1))               // 0
	mustAppend(t, l, transactional(1, 0, 0, 1)) // 1
	mustAppend(t, l, transactional(2, 0, 0, 1)) // 2
	mustMark(t, l, marker(1, 0, true))          // 3
	mustMark(t, l, marker(2, 0, false))         // 4
	mustAppend(t, l, plain(0, 1))               // 5
	steps := []struct{ hw, lso int64 }{{1, 1}, {2, 1}, {3, 1}, {4, 2}, {5, 5}, {6, 6}}
	for _, s := range steps[:3] {
		l.SetHighWatermark(s.hw)
		require.Equal(t, s.lso, l.LastStable(), "high watermark %d", s.hw)
	}
	require.NoError(t, l.Close())
	l = openTest(t, testConfig(fsys)) // a restart does not forget it
	defer l.Close()
	require.EqualValues(t, 1, l.LastStable())
	for _, s := range steps[3:] {
		l.SetHighWatermark(s.hw)
		require.Equal(t, s.lso, l.LastStable(), "high watermark %d", s.hw)
	}
	r, err := l.Read(nil, 0, 1<<20, ToLastStable)
	require.NoError(t, err)
	require.Equal(t, []AbortedTxn{{ProducerID: 2, FirstOffset: 2}}, r.Aborted)
}

// Interleaved transactions whose markers lie segments behind their records.
func TestAbortedAcrossSegments(t *testing.T) {
	fsys := vfs.NewMem()
	l := openTest(t, testConfig(fsys))
	mustAppend(t, l, transactional(1, 0, 0, 2))
	mustAppend(t, l, transactional(2, 0, 0, 2))
	for l.Segments() < 4 {
		mustAppend(t, l, plain(0, 5))
	}
	mustMark(t, l, marker(2, 0, false))
	mustMark(t, l, marker(1, 0, false))
	for range 2 {
		l.SetHighWatermark(l.LogEnd())
		r, err := l.Read(nil, 0, 400, ToLastStable)
		require.NoError(t, err)
		require.Equal(t, []AbortedTxn{{1, 0}, {2, 2}}, r.Aborted)
		require.NoError(t, l.Close())
		l = openTest(t, testConfig(fsys))
	}
	require.NoError(t, l.Close())
}

func TestProducersExpireButNotInTransactions(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	cfg := testConfig(vfs.NewMem())
	cfg.Now = func() time.Time { return now }
	cfg.ProducerExpiry = time.Second
	cfg.MaxProducers = 16
	l := openTest(t, cfg)
	defer l.Close()
	mustAppend(t, l, transactional(1, 0, 0, 1))
	mustAppend(t, l, idempotent(2, 0, 0, 1))
	now = now.Add(2 * time.Second)
	l.ExpireProducers()
	require.Len(t, l.Producers(), 1)
	require.True(t, l.HasOpenTxn(1))
	for pid := range int64(100) {
		mustAppend(t, l, idempotent(100+pid, 0, 0, 1))
		require.LessOrEqual(t, len(l.Producers()), 16)
	}
	require.True(t, l.HasOpenTxn(1))
}

// How old a producer is, and whether its retry is known, has nothing to do with
// the times its records carry, before and after a restart.
func TestProducersExpireByArrival(t *testing.T) {
	const expiry = time.Hour
	start := time.UnixMilli(1_700_000_000_000)
	times := map[string]time.Time{"history": time.UnixMilli(600_000_000_000), "now": start, "future": start.Add(3 * expiry)}
	restarts := map[string]func(*Log) error{
		"running": nil,
		"closed":  (*Log).Close,
		"killed":  func(*Log) error { return nil },
	}
	for name, event := range times {
		for how, restart := range restarts {
			t.Run(name+" "+how, func(t *testing.T) {
				now := start
				cfg := testConfig(vfs.NewMem())
				cfg.Now = func() time.Time { return now }
				cfg.ProducerExpiry = expiry
				l := openTest(t, cfg)
				defer func() { require.NoError(t, l.Close()) }()
				write := func() bool {
					b := batch.Plain()
					b.ProducerID, b.ProducerEpoch, b.BaseSequence = 7, 0, 0
					return mustAppend(t, l, records(b, event.UnixMilli(), 1)).Duplicate
				}
				require.False(t, write())
				l.SetHighWatermark(l.LogEnd())
				now = now.Add(expiry / 2)
				if restart != nil {
					require.NoError(t, restart(l))
					l = openTest(t, cfg)
				}
				l.ExpireProducers()
				require.True(t, write(), "a retry half an hour later")

				now = now.Add(expiry/2 + time.Millisecond)
				l.ExpireProducers()
				if how == "killed" { // it counts from when the log was opened
					require.True(t, write())
					now = now.Add(expiry / 2)
					l.ExpireProducers()
				}
				require.Empty(t, l.Producers())
			})
		}
	}
}

// A snapshot may hold times of a clock that ran ahead, or event times where
// another broker wrote it.
func TestProducersFromTheFutureExpire(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	cfg := testConfig(vfs.NewMem())
	cfg.Now = func() time.Time { return now.Add(time.Hour) }
	cfg.ProducerExpiry = time.Minute
	l := openTest(t, cfg)
	mustAppend(t, l, idempotent(7, 0, 0, 1))
	require.NoError(t, l.Close())
	cfg.Now = func() time.Time { return now }
	l = openTest(t, cfg)
	defer l.Close()
	now = now.Add(time.Minute + time.Millisecond)
	l.ExpireProducers()
	require.Empty(t, l.Producers())
}

func FuzzSnapshot(f *testing.F) {
	s := newProducers()
	f.Add(s.encode())
	for _, b := range [][]byte{idempotent(1, 2, 3, 4), transactional(5, 0, 0, 2), marker(1, 3, true)} {
		_, _, _ = s.apply(b, 9)
	}
	f.Add(s.encode())
	f.Fuzz(func(t *testing.T, in []byte) {
		if s, err := decodeProducers(in); err == nil {
			again, err := decodeProducers(s.encode())
			require.NoError(t, err)
			require.Equal(t, s.byID, again.byID)
			require.Equal(t, len(s.open), len(again.open))
		}
		// Past the checksum.
		if len(in) > 6 {
			fixed := append([]byte(nil), in...)
			sum := castagnoli(fixed[6:])
			fixed[2], fixed[3], fixed[4], fixed[5] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
			_, _ = decodeProducers(fixed)
		}
	})
}
