package log

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/thalweg/thalweg/internal/batch"
)

// filled returns a log of several segments, flushed and abandoned as by kill.
func filled(t *testing.T, fsys vfs.FS) (l *Log, data []byte) {
	l = openTest(t, testConfig(fsys))
	for i := range 60 {
		b := idempotent(1, 0, int32(3*i), 3)
		mustAppend(t, l, b)
		data = append(data, b...)
	}
	require.Greater(t, l.Segments(), 3)
	l.SetHighWatermark(l.LogEnd())
	require.NoError(t, l.Flush())
	return l, data
}

// What nobody waits for is made durable as segments fill up: the flushed offset
// moves, and after a crash only the last segment is read.
func TestSyncSealed(t *testing.T) {
	for _, power := range []bool{false, true} {
		t.Run(fmt.Sprint("power lost=", power), func(t *testing.T) {
			fsys := vfs.NewFault()
			l := openTest(t, testConfig(fsys))
			for i := range 60 {
				mustAppend(t, l, plain(int64(i), 3))
				l.SetHighWatermark(l.LogEnd())
				require.NoError(t, l.SyncSealed())
				require.GreaterOrEqual(t, l.Flushed(), l.active().base)
			}
			sealed := l.active().base
			require.Greater(t, l.Segments(), 3)
			if power {
				fsys.Crash(rand.New(rand.NewPCG(1, 1)))
			}
			last := l.active().name
			fsys.Inject(func(op vfs.Op) (int, error) {
				if op.Kind == "read" && strings.HasSuffix(op.Name, logSuffix) {
					require.Equal(t, last, op.Name)
				}
				return 0, nil
			})
			l = openTest(t, testConfig(fsys))
			fsys.Inject(nil)
			require.GreaterOrEqual(t, l.LogEnd(), sealed)
			require.NoError(t, l.Close())
		})
	}
}

// slowSync is a file system on which the syncs of segments wait.
type slowSync struct {
	vfs.FS
	reached, release chan struct{}
}

type slowFile struct {
	vfs.File
	fs slowSync
}

func (s slowSync) Open(name string, flag int) (vfs.File, error) {
	f, err := s.FS.Open(name, flag)
	if err != nil || !strings.HasSuffix(name, logSuffix) {
		return f, err
	}
	return slowFile{f, s}, nil
}

func (f slowFile) Sync() error {
	select {
	case f.fs.reached <- struct{}{}:
	default:
	}
	<-f.fs.release
	return f.File.Sync()
}

// A sync of what nobody waits for takes as long as the disk has to write back:
// appends and reads go on.
func TestAppendsDoNotWaitForSyncs(t *testing.T) {
	slow := slowSync{vfs.NewMem(), make(chan struct{}, 1), make(chan struct{})}
	l := openTest(t, testConfig(slow))
	for i := range 60 {
		mustAppend(t, l, plain(int64(i), 3))
	}
	synced, appended := make(chan error, 1), make(chan error, 1)
	go func() { synced <- l.SyncSealed() }()
	<-slow.reached
	go func() {
		_, err := l.Append(plain(60, 3), AppendOptions{})
		appended <- err
	}()
	select {
	case err := <-appended:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Error("the append waits for the sync")
	}
	close(slow.release)
	require.NoError(t, <-synced)
	require.NoError(t, l.Close())
}

// Nothing is synced, nor written, where no segment was sealed.
func TestSyncSealedCostsNothing(t *testing.T) {
	fsys := vfs.NewFault()
	l := openTest(t, testConfig(fsys))
	mustAppend(t, l, plain(0, 3))
	fsys.Inject(func(op vfs.Op) (int, error) { return 0, syscall.EIO })
	require.NoError(t, l.SyncSealed())
	fsys.Inject(nil)
	require.NoError(t, l.Close())
}

func edit(t *testing.T, fsys vfs.FS, name string, change func(vfs.File, int64)) {
	f, err := fsys.Open(name, os.O_CREATE)
	require.NoError(t, err)
	size, err := f.Size()
	require.NoError(t, err)
	change(f, size)
	require.NoError(t, f.Close())
}

func flip(t *testing.T, fsys vfs.FS, name string, at int64) {
	edit(t, fsys, name, func(f vfs.File, _ int64) {
		var b [1]byte
		_, err := f.ReadAt(b[:], at)
		require.NoError(t, err)
		b[0] ^= 0x55
		_, err = f.WriteAt(b[:], at)
		require.NoError(t, err)
	})
}

// What a crash can leave behind the last flushed batch is cut off.
func TestTornTail(t *testing.T) {
	next := idempotent(1, 0, 180, 3)
	batch.View(next).SetBaseOffset(180)
	tails := map[string][]byte{
		"half a header":      next[:20],
		"half a batch":       next[:len(next)-1],
		"preallocated zeros": make([]byte, 4096),
		"garbage":            bytes.Repeat([]byte{0xa5}, 700),
		"wrong checksum":     append(bytes.Clone(next[:len(next)-1]), next[len(next)-1]^1),
		"old offset":         records(batch.Plain(), 0, 1),
	}
	for name, tail := range tails {
		t.Run(name, func(t *testing.T) {
			fsys := vfs.NewMem()
			l, want := filled(t, fsys)
			end := l.LogEnd()
			edit(t, fsys, l.active().name, func(f vfs.File, size int64) {
				_, err := f.WriteAt(tail, size)
				require.NoError(t, err)
			})
			l = openTest(t, testConfig(fsys))
			defer l.Close()
			require.Equal(t, end, l.LogEnd())
			got, _ := readFrom(t, l, 0, ToLogEnd)
			require.Equal(t, want, got)
			mustAppend(t, l, idempotent(1, 0, 180, 3))
		})
	}
}

// Damage to what had been synced, or before intact batches, is refused.
func TestCorruptionIsRefused(t *testing.T) {
	t.Run("below the recovery point", func(t *testing.T) {
		fsys := vfs.NewFault()
		l, _ := filled(t, fsys)
		require.NoError(t, l.Checkpoint())
		flip(t, fsys, l.active().name, l.active().size-1)
		edit(t, fsys, l.active().name, func(f vfs.File, _ int64) { require.NoError(t, f.Sync()) })
		name, position := l.active().name, int64(0)
		fsys.Crash(rand.New(rand.NewPCG(1, 1)))
		_, err := Open(l.dir, l.cfg)
		var damage *CorruptionError
		require.ErrorAs(t, err, &damage)
		require.Equal(t, name, damage.File)
		require.Greater(t, damage.Position, position)
		var bad *batch.CorruptError
		require.ErrorAs(t, err, &bad)
	})
	t.Run("intact batches follow", func(t *testing.T) {
		fsys := vfs.NewMem()
		l, _ := filled(t, fsys)
		flip(t, fsys, l.active().name, 70)
		_, err := Open(l.dir, l.cfg)
		var damage *CorruptionError
		require.ErrorAs(t, err, &damage)
		require.Zero(t, damage.Position)
	})
	t.Run("cut below the recovery point", func(t *testing.T) {
		fsys := vfs.NewMem()
		l, _ := filled(t, fsys)
		require.NoError(t, l.Checkpoint())
		edit(t, fsys, l.active().name, func(f vfs.File, _ int64) { require.NoError(t, f.Truncate(0)) })
		_, err := Open(l.dir, l.cfg)
		var damage *CorruptionError
		require.ErrorAs(t, err, &damage)
	})
	t.Run("found by a read", func(t *testing.T) {
		fsys := vfs.NewMem()
		l, _ := filled(t, fsys)
		require.NoError(t, l.Close())
		first := l.path(fileName(0, logSuffix))
		edit(t, fsys, first, func(f vfs.File, _ int64) {
			_, err := f.WriteAt([]byte{0xff, 0xff}, 8) // the length of the first batch
			require.NoError(t, err)
		})
		l = openTest(t, l.cfg)
		defer l.Close()
		_, err := l.Read(nil, 0, 100, ToLogEnd)
		var damage *CorruptionError
		require.ErrorAs(t, err, &damage)
		require.Equal(t, first, damage.File)
	})
}

// Indexes, snapshots and the epoch cache can all be derived from the batches.
func TestDerivedFilesAreRebuilt(t *testing.T) {
	damage := map[string]func(t *testing.T, fsys vfs.FS, name string){
		"missing": func(t *testing.T, fsys vfs.FS, name string) { require.NoError(t, fsys.Remove(name)) },
		"garbage": func(t *testing.T, fsys vfs.FS, name string) {
			edit(t, fsys, name, func(f vfs.File, size int64) {
				_, err := f.WriteAt(bytes.Repeat([]byte{0xee}, int(size)+1), 0)
				require.NoError(t, err)
			})
		},
	}
	for how, spoil := range damage {
		for _, suffix := range []string{indexSuffix, timeSuffix, snapshotSuffix, epochFile, checkpointFile} {
			t.Run(how+" "+suffix, func(t *testing.T) {
				fsys := vfs.NewMem()
				l, want := filled(t, fsys)
				mustAppend(t, l, transactional(7, 0, 0, 1))
				mustMark(t, l, marker(7, 0, false))
				l.SetHighWatermark(l.LogEnd())
				producers, eps := l.Producers(), l.Epochs()
				require.NoError(t, l.Close())
				names, err := fsys.List(l.dir)
				require.NoError(t, err)
				spoiled := 0
				for _, name := range names {
					if strings.HasSuffix(name, suffix) {
						spoil(t, fsys, l.path(name))
						spoiled++
					}
				}
				require.NotZero(t, spoiled)
				l = openTest(t, testConfig(fsys))
				defer l.Close()
				got, _ := readFrom(t, l, 0, ToLogEnd)
				require.Equal(t, want, got[:len(want)])
				for off := range l.LogEnd() {
					_, err := l.Read(nil, off, 1, ToLogEnd)
					require.NoError(t, err)
				}
				require.Equal(t, producers, l.Producers())
				require.Equal(t, eps, l.Epochs())
				at, ok, err := l.OffsetForTimestamp(1002)
				require.NoError(t, err)
				require.True(t, ok)
				require.EqualValues(t, 2, at.Offset)
				l.SetHighWatermark(l.LogEnd())
				r, err := l.Read(nil, 180, 1<<10, ToLastStable)
				require.NoError(t, err)
				require.Equal(t, []AbortedTxn{{7, 180}}, r.Aborted)
			})
		}
	}
}

func TestDiskFullIsTypedAndTemporary(t *testing.T) {
	fsys := vfs.NewFault()
	l, want := filled(t, fsys)
	fsys.Inject(func(op vfs.Op) (int, error) {
		if op.Kind == "write" {
			return op.Len / 2, syscall.ENOSPC
		}
		return 0, nil
	})
	_, err := l.Append(plain(0, 3), AppendOptions{})
	var se *StorageError
	require.ErrorAs(t, err, &se)
	require.True(t, se.Full())
	got, _ := readFrom(t, l, 0, ToLogEnd)
	require.Equal(t, want, got)
	fsys.Inject(nil)
	mustAppend(t, l, plain(0, 3))
	require.NoError(t, l.Close())
}

func TestFailedSyncIsFinal(t *testing.T) {
	fsys := vfs.NewFault()
	l, _ := filled(t, fsys)
	mustAppend(t, l, plain(0, 1))
	fsys.Inject(func(op vfs.Op) (int, error) {
		if op.Kind == "sync" {
			return 0, syscall.EIO
		}
		return 0, nil
	})
	var se *StorageError
	require.ErrorAs(t, l.Flush(), &se)
	require.False(t, se.Full())
	fsys.Inject(nil)
	require.ErrorAs(t, l.Flush(), &se, "the kernel may have dropped the pages")
	require.Less(t, l.Flushed(), l.LogEnd())
	_, err := l.Append(plain(0, 1), AppendOptions{})
	require.ErrorAs(t, err, &se)
}

// Waiters share syncs, and none returns before its offset is durable.
func TestGroupCommit(t *testing.T) {
	fsys := vfs.NewFault()
	l := openTest(t, testConfig(fsys))
	var mu sync.Mutex
	syncs := 0
	fsys.Inject(func(op vfs.Op) (int, error) {
		if op.Kind == "sync" && strings.HasSuffix(op.Name, logSuffix) {
			mu.Lock()
			syncs++
			mu.Unlock()
		}
		return 0, nil
	})
	const writers, each = 8, 20
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				info, err := l.Append(plain(0, 1), AppendOptions{})
				if err == nil {
					err = l.FlushTo(info.LastOffset + 1)
				}
				if err != nil || l.Flushed() <= info.LastOffset {
					t.Errorf("offset %d: %v", info.LastOffset, err)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, writers*each, l.Flushed())
	require.ErrorIs(t, l.FlushTo(l.LogEnd()+1), ErrOffsetOutOfRange)
	fsys.Crash(rand.New(rand.NewPCG(3, 3)))
	l = openTest(t, l.cfg)
	require.EqualValues(t, writers*each, l.LogEnd())
}

// A follower keeps offsets and epochs, gaps included, and refuses what its
// fetch cannot have asked for (KAFKA-18723).
func TestReplica(t *testing.T) {
	leader := openTest(t, testConfig(vfs.NewMem()))
	follower, err := Open("/data/f-0", testConfig(vfs.NewMem()))
	require.NoError(t, err)
	for i := range 40 {
		_, err := leader.Append(transactional(int64(i%3), 0, int32(i/3), 1), AppendOptions{LeaderEpoch: int32(i / 10)})
		require.NoError(t, err)
	}
	_, err = leader.Append(marker(1, 0, false), AppendOptions{Origin: Coordinator, LeaderEpoch: 5})
	require.NoError(t, err)
	all, _ := readFrom(t, leader, 0, ToLogEnd)
	_, err = follower.Append(bytes.Clone(all), AppendOptions{Origin: Replica, LeaderEpoch: 3})
	require.ErrorIs(t, err, ErrStaleEpoch)
	for off := int64(0); off < leader.LogEnd(); off = follower.LogEnd() {
		r, err := leader.Read(nil, off, 500, ToLogEnd)
		require.NoError(t, err)
		_, err = follower.Append(bytes.Clone(r.Data), AppendOptions{Origin: Replica, LeaderEpoch: 5})
		require.NoError(t, err)
	}
	copied, _ := readFrom(t, follower, 0, ToLogEnd)
	require.Equal(t, all, copied)
	require.Equal(t, leader.Epochs(), follower.Epochs())
	require.Equal(t, leader.Producers(), follower.Producers())
	_, err = follower.Append(bytes.Clone(all[:100]), AppendOptions{Origin: Replica, LeaderEpoch: 5})
	require.Error(t, err)

	gap := plain(0, 1)
	batch.View(gap).SetBaseOffset(1000)
	batch.View(gap).SetLeaderEpoch(5)
	_, err = follower.Append(gap, AppendOptions{Origin: Replica, LeaderEpoch: 5})
	require.NoError(t, err)
	require.EqualValues(t, 1001, follower.LogEnd())
	r, err := follower.Read(nil, 500, 100, ToLogEnd)
	require.NoError(t, err)
	require.Equal(t, gap, r.Data)
	require.NoError(t, errors.Join(leader.Close(), follower.Close()))
}

func TestReset(t *testing.T) {
	fsys := vfs.NewMem()
	l, _ := filled(t, fsys)
	require.NoError(t, l.Reset(5000))
	require.Equal(t, Offsets{5000, 5000, 5000, 5000}, l.Offsets())
	require.Empty(t, l.Producers())
	mustAppend(t, l, plain(0, 2))
	l = openTest(t, l.cfg) // killed
	require.Equal(t, Offsets{5000, 5000, 5000, 5002}, l.Offsets())
	_, err := l.DeleteRecords(5001)
	require.ErrorIs(t, err, ErrOffsetOutOfRange, "above the high watermark")
	l.SetHighWatermark(5002)
	_, err = l.DeleteRecords(5001)
	require.NoError(t, err)
	require.NoError(t, l.TruncateTo(5001)) // takes the batch around the log start
	require.Equal(t, Offsets{5001, 5001, 5001, 5001}, l.Offsets())
	require.NoError(t, l.Close())
}

func TestTopicID(t *testing.T) {
	fsys := vfs.NewMem()
	cfg := testConfig(fsys)
	cfg.TopicID = [16]byte{1, 2, 3}
	require.NoError(t, openTest(t, cfg).Close())
	require.NoError(t, openTest(t, cfg).Close())
	cfg.TopicID[0] = 9
	_, err := Open("/data/t-0", cfg)
	require.ErrorIs(t, err, ErrTopicID)
}

func TestRetention(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	now := time.UnixMilli(0)
	cfg.Now = func() time.Time { return now }
	l := openTest(t, cfg)
	for i := range 100 {
		mustAppend(t, l, plain(int64(i*1000), 3))
	}
	n, err := l.EnforceRetention()
	require.NoError(t, err)
	require.Zero(t, n, "retention is off")

	cfg.RetentionBytes = 5000
	l.Configure(cfg)
	n, err = l.EnforceRetention()
	require.NoError(t, err)
	require.Zero(t, n, "nothing is below the high watermark")
	l.SetHighWatermark(l.LogEnd())
	n, err = l.EnforceRetention()
	require.NoError(t, err)
	require.NotZero(t, n)
	require.GreaterOrEqual(t, l.Size(), int64(5000))
	require.Less(t, l.Size(), int64(5000+cfg.SegmentBytes))
	require.Equal(t, l.segments[0].base, l.LogStart())

	cfg.RetentionBytes, cfg.RetentionTime = 0, time.Minute
	l.Configure(cfg)
	now = time.UnixMilli(100_000)
	_, err = l.EnforceRetention()
	require.NoError(t, err)
	at, ok, err := l.OffsetForTimestamp(0)
	require.NoError(t, err)
	require.True(t, ok)
	require.Greater(t, at.Timestamp, int64(40_000-30_000))

	now = time.UnixMilli(1_000_000) // all expired: the active segment too
	end := l.LogEnd()
	_, err = l.EnforceRetention()
	require.NoError(t, err)
	require.Equal(t, Offsets{end, end, end, end}, l.Offsets())
	require.Zero(t, l.Size())
	require.NoError(t, l.Close())
	l = openTest(t, cfg)
	require.Equal(t, Offsets{end, end, end, end}, l.Offsets())
	mustAppend(t, l, plain(0, 1))
	require.NoError(t, l.Close())
}

func TestTimestampsCompressed(t *testing.T) {
	for _, codec := range []batch.Codec{batch.Gzip, batch.Snappy, batch.LZ4, batch.Zstd} {
		l := openTest(t, testConfig(vfs.NewMem()))
		var b batch.Builder
		for i := range 50 {
			b.Reset(batch.Plain())
			for j := range 10 {
				b.Append(nil, []byte("value"), int64(i*100+j*10))
			}
			v, err := b.Finish(codec)
			require.NoError(t, err)
			mustAppend(t, l, v)
		}
		for ts := int64(0); ts <= 4990; ts += 35 {
			at, ok, err := l.OffsetForTimestamp(ts)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, (ts+9)/10, at.Offset, "%v at %d", codec, ts)
		}
		_, ok, err := l.OffsetForTimestamp(4991)
		require.NoError(t, err)
		require.False(t, ok)
		at, ok, err := l.MaxTimestamp()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, TimeOffset{499, 4990, 0}, at)
		require.NoError(t, l.Close())
	}
}

// Deleted records count neither for a time nor for the largest.
func TestTimestampsBehindDeletedRecords(t *testing.T) {
	l := openTest(t, testConfig(vfs.NewMem()))
	defer l.Close()
	mustAppend(t, l, plain(9000, 2)) // 0, 1
	mustAppend(t, l, plain(5000, 3)) // 2, 3, 4
	mustAppend(t, l, plain(100, 2))  // 5, 6
	l.SetHighWatermark(l.LogEnd())
	newest := []TimeOffset{{1, 9001, 0}, {1, 9001, 0}, {4, 5002, 0}, {4, 5002, 0}, {4, 5002, 0}, {6, 101, 0}, {6, 101, 0}}
	for start, want := range newest {
		_, err := l.DeleteRecords(int64(start))
		require.NoError(t, err)
		at, ok, err := l.MaxTimestamp()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, want, at, "log start %d", start)
	}
	_, err := l.DeleteRecords(7)
	require.NoError(t, err)
	_, ok, err := l.MaxTimestamp()
	require.NoError(t, err)
	require.False(t, ok)
}

func TestLogAppendTime(t *testing.T) {
	l := openTest(t, testConfig(vfs.NewMem()))
	defer l.Close()
	info, err := l.Append(plain(5, 2), AppendOptions{LogAppendTime: true})
	require.NoError(t, err)
	require.EqualValues(t, 1_000_000, info.LogAppendTime)
	data, _ := readFrom(t, l, 0, ToLogEnd)
	require.True(t, batch.View(data).IsLogAppendTime())
	require.EqualValues(t, 1_000_000, batch.View(data).MaxTimestamp())
}
