package log

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/thalweg/thalweg/internal/batch"
)

func benchLog(b *testing.B, cfg Config) *Log {
	cfg.FS = vfs.OS()
	cfg.SegmentBytes = 256 << 20
	cfg.RetentionBytes = 256 << 20
	cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	l, err := Open(b.TempDir()+"/t-0", cfg)
	require.NoError(b, err)
	b.Cleanup(func() { _ = l.Destroy() })
	return l
}

func benchBatch(size int) []byte {
	var b batch.Builder
	b.Reset(batch.Plain())
	value := bytes.Repeat([]byte("v"), 100)
	for b.Len() < size {
		b.Append([]byte("some-key"), value, 1000)
	}
	v, err := b.Finish(batch.None)
	if err != nil {
		panic(err)
	}
	return v
}

// BenchmarkAppend: one write and no allocation for each batch, checksum
// verified.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{200, 16 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			l := benchLog(b, Config{})
			data := benchBatch(size)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				batch.View(data).SetBaseOffset(0)
				if _, err := l.Append(data, AppendOptions{}); err != nil {
					b.Fatal(err)
				}
				if l.SetHighWatermark(l.LogEnd()); l.Size() > 1<<30 {
					b.StopTimer()
					if _, err := l.EnforceRetention(); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			}
		})
	}
}

// BenchmarkRead: sequential readers behind the tail, and at it without system
// calls.
func BenchmarkRead(b *testing.B) {
	for _, where := range []string{"file", "tail"} {
		b.Run(where, func(b *testing.B) {
			cfg := Config{TailBytes: -1}
			if where == "tail" {
				cfg.TailBytes = 16 << 20
			}
			l := benchLog(b, cfg)
			data := benchBatch(16 << 10)
			for range 512 {
				batch.View(data).SetBaseOffset(0)
				mustAppend(b, l, data)
			}
			l.SetHighWatermark(l.LogEnd())
			buf := make([]byte, 1<<20)
			var off int64
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				r, err := l.Read(buf, off, len(buf), ToHighWatermark)
				if err != nil {
					b.Fatal(err)
				}
				if len(r.Data) == 0 || off >= l.LogEnd()-10_000 {
					off = 0
					continue
				}
				off += int64(len(r.Data)/len(data)) * int64(batch.View(data).Count())
			}
		})
	}
}

func BenchmarkReopenAfterKill(b *testing.B) {
	l := benchLog(b, Config{})
	data := benchBatch(16 << 10)
	for range 4096 { // 64 MiB
		batch.View(data).SetBaseOffset(0)
		mustAppend(b, l, data)
	}
	b.SetBytes(l.Size())
	for b.Loop() {
		again, err := Open(l.dir, l.cfg)
		require.NoError(b, err)
		again.Abandon()
	}
}

func TestAppendAndReadDoNotAllocate(t *testing.T) {
	cfg := testConfig(vfs.OS())
	cfg.SegmentBytes, cfg.IndexInterval = 64<<20, 4<<10
	l, err := Open(t.TempDir()+"/t-0", cfg)
	require.NoError(t, err)
	defer l.Close()
	data := benchBatch(4 << 10)
	buf := make([]byte, 1<<20)
	next := int64(0)
	allocs := testing.AllocsPerRun(500, func() {
		batch.View(data).SetBaseOffset(0)
		info, err := l.Append(data, AppendOptions{})
		if err != nil {
			t.Fatal(err)
		}
		l.SetHighWatermark(info.LastOffset + 1)
		r, err := l.Read(buf, next, 1<<20, ToHighWatermark)
		if err != nil || len(r.Data) != len(data) {
			t.Fatal(err, len(r.Data))
		}
		next = info.LastOffset + 1
	})
	require.Less(t, allocs, 1.0, "index growth amortises, nothing else allocates")
}
