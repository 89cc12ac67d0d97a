package log

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/thalweg/thalweg/internal/batch"
)

// testConfig rolls and indexes often.
func testConfig(fsys vfs.FS) Config {
	return Config{
		FS: fsys, SegmentBytes: 2 << 10, IndexInterval: 128, TailBytes: 1 << 10,
		Now:    func() time.Time { return time.UnixMilli(1_000_000) },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func openTest(t require.TestingT, cfg Config) *Log {
	l, err := Open("/data/t-0", cfg)
	require.NoError(t, err)
	return l
}

// records builds a batch of n records; opts says whose.
func records(opts batch.Options, ts int64, n int) []byte {
	var b batch.Builder
	b.Reset(opts)
	for i := range n {
		b.Append(fmt.Appendf(nil, "key-%d", i), bytes.Repeat([]byte{'v'}, 20), ts+int64(i))
	}
	v, err := b.Finish(batch.None)
	if err != nil {
		panic(err)
	}
	return v
}

func plain(ts int64, n int) []byte { return records(batch.Plain(), ts, n) }

func idempotent(pid int64, epoch int16, seq int32, n int) []byte {
	return records(batch.Options{ProducerID: pid, ProducerEpoch: epoch, BaseSequence: seq}, 1000, n)
}

func transactional(pid int64, epoch int16, seq int32, n int) []byte {
	return records(batch.Options{ProducerID: pid, ProducerEpoch: epoch, BaseSequence: seq, Transactional: true}, 1000, n)
}

func marker(pid int64, epoch int16, commit bool) []byte {
	return batch.AppendMarker(nil, pid, epoch, commit, 0, 1000)
}

func mustAppend(t require.TestingT, l *Log, data []byte) AppendInfo {
	info, err := l.Append(data, AppendOptions{})
	require.NoError(t, err)
	return info
}

func mustMark(t require.TestingT, l *Log, data []byte) AppendInfo {
	info, err := l.Append(data, AppendOptions{Origin: Coordinator})
	require.NoError(t, err)
	return info
}

// readFrom reads everything from offset to the limit, in small reads.
func readFrom(t require.TestingT, l *Log, offset int64, limit ReadLimit) (all []byte, next int64) {
	next = offset
	for {
		r, err := l.Read(nil, next, 300, limit)
		require.NoError(t, err)
		if len(r.Data) == 0 {
			return all, next
		}
		for rest := r.Data; len(rest) > 0; {
			v, tail, err := batch.Parse(rest)
			require.NoError(t, err)
			require.NoError(t, v.Validate())
			require.GreaterOrEqual(t, v.LastOffset(), next)
			next, rest = v.NextOffset(), tail
		}
		all = append(all, r.Data...)
	}
}

func TestAppendReadReopen(t *testing.T) {
	filesystems := map[string]func(t *testing.T) (vfs.FS, string){
		"os":  func(t *testing.T) (vfs.FS, string) { return vfs.OS(), t.TempDir() + "/t-0" },
		"mem": func(t *testing.T) (vfs.FS, string) { return vfs.NewMem(), "/data/t-0" },
	}
	for name, make := range filesystems {
		t.Run(name, func(t *testing.T) {
			fsys, dir := make(t)
			cfg := testConfig(fsys)
			l, err := Open(dir, cfg)
			require.NoError(t, err)
			var want []byte
			for i := range 200 {
				b := plain(int64(i), 1+i%7)
				info := mustAppend(t, l, b)
				require.Equal(t, l.LogEnd(), info.LastOffset+1)
				want = append(want, b...) // offsets were patched in place
			}
			require.Greater(t, l.Segments(), 3)
			require.Zero(t, l.HighWatermark())
			got, _ := readFrom(t, l, 0, ToHighWatermark)
			require.Empty(t, got)
			got, end := readFrom(t, l, 0, ToLogEnd)
			require.Equal(t, want, got)
			require.Equal(t, l.LogEnd(), end)
			require.True(t, l.SetHighWatermark(end+5))
			require.Equal(t, end, l.HighWatermark())
			for off := range end {
				r, err := l.Read(nil, off, 1, ToHighWatermark)
				require.NoError(t, err)
				v, rest, err := batch.Parse(r.Data)
				require.NoError(t, err)
				require.Empty(t, rest)
				require.LessOrEqual(t, v.BaseOffset(), off)
				require.GreaterOrEqual(t, v.LastOffset(), off)
			}
			require.NoError(t, l.Close())

			l, err = Open(dir, cfg)
			require.NoError(t, err)
			require.Equal(t, end, l.LogEnd())
			require.Equal(t, end, l.HighWatermark())
			got, _ = readFrom(t, l, 0, ToHighWatermark)
			require.Equal(t, want, got)
			mustAppend(t, l, plain(1, 1))
			require.NoError(t, l.Destroy())
			names, err := fsys.List(dir)
			require.Empty(t, names)
			_ = err
		})
	}
}

func TestReadOutOfRange(t *testing.T) {
	l := openTest(t, testConfig(vfs.NewMem()))
	defer l.Close()
	mustAppend(t, l, plain(0, 3))
	_, err := l.Read(nil, 4, 100, ToLogEnd)
	require.ErrorIs(t, err, ErrOffsetOutOfRange)
	_, err = l.Read(nil, -1, 100, ToLogEnd)
	require.ErrorIs(t, err, ErrOffsetOutOfRange)
	r, err := l.Read(nil, 3, 100, ToLogEnd)
	require.NoError(t, err)
	require.Empty(t, r.Data)
}
