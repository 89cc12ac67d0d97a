package log

import (
	"bytes"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/thalweg/thalweg/internal/batch"
)

// Every file of a log may hold anything. Decoders accept only what they could
// have written, which shows in that it encodes to the same bytes.

func FuzzOffsetIndex(f *testing.F) {
	f.Add((&index{offsets: []offsetEntry{{3, 100}, {9, 5000}}}).encodeOffsets())
	f.Fuzz(func(t *testing.T, in []byte) {
		if entries, err := decodeOffsets(in, 1<<20); err == nil {
			x := &index{offsets: entries}
			require.Equal(t, append([]byte{}, in...), x.encodeOffsets())
			for _, e := range entries {
				require.EqualValues(t, e.pos, x.floor(int64(e.rel)))
			}
		}
	})
}

func FuzzTimeIndex(f *testing.F) {
	f.Add((&index{times: []timeEntry{{1000, 3}, {2000, 8}}}).encodeTimes())
	f.Fuzz(func(t *testing.T, in []byte) {
		if entries, err := decodeTimes(in); err == nil {
			x := &index{times: entries}
			require.Equal(t, append([]byte{}, in...), x.encodeTimes())
			for _, e := range entries {
				require.EqualValues(t, e.rel, x.timeFloor(e.ts))
			}
		}
	})
}

func FuzzTxnIndex(f *testing.F) {
	f.Add(encodeAborted([]abortedEntry{{AbortedTxn{1, 5}, 9, 7}, {AbortedTxn{2, 7}, 12, 13}}))
	f.Fuzz(func(t *testing.T, in []byte) {
		if entries, err := decodeAborted(in); err == nil {
			require.Equal(t, append([]byte{}, in...), encodeAborted(entries))
		}
	})
}

func FuzzEpochCheckpoint(f *testing.F) {
	f.Add(epochs{{0, 0}, {3, 17}}.encode())
	f.Add([]byte("0\n1\n 5 5\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if e, err := decodeEpochs(in); err == nil {
			again, err := decodeEpochs(e.encode())
			require.NoError(t, err)
			require.Equal(t, e, again)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	f.Add((&checkpoint{recovery: 5, logStart: 1, highWatermark: 4, incarnation: "x"}).encode())
	f.Add((&checkpoint{clean: true, activeBase: 7, activeSize: 100}).encode())
	f.Fuzz(func(t *testing.T, in []byte) {
		if c, err := decodeCheckpoint(in); err == nil {
			again, err := decodeCheckpoint(c.encode())
			require.NoError(t, err)
			require.Equal(t, c, again)
		}
	})
}

// Any bytes in a .log file: Open either refuses or yields a log whose batches
// are intact, that can be appended to, and that opens again the same.
func FuzzSegment(f *testing.F) {
	one := plain(0, 3)
	two := transactional(1, 0, 0, 2)
	batch.View(two).SetBaseOffset(3)
	three := marker(1, 0, false)
	batch.View(three).SetBaseOffset(5)
	whole := append(append(append([]byte{}, one...), two...), three...)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(append(whole, make([]byte, 100)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		fsys := vfs.NewMem()
		file, err := fsys.Open("/data/t-0/"+fileName(0, logSuffix), os.O_CREATE)
		require.NoError(t, err)
		_, err = file.WriteAt(in, 0)
		require.NoError(t, err)
		l, err := Open("/data/t-0", testConfig(fsys))
		if err != nil {
			return
		}
		data, _ := readFrom(t, l, 0, ToLogEnd)
		l.SetHighWatermark(l.LogEnd())
		_, err = l.Read(nil, 0, 1<<20, ToLastStable)
		require.NoError(t, err)
		info, err := l.Append(plain(0, 1), AppendOptions{LeaderEpoch: max(l.LatestEpoch(), 0)}) // the file may be of any epoch
		require.NoError(t, err)
		before := l.Producers()
		l = openTest(t, testConfig(fsys))
		require.Equal(t, info.LastOffset+1, l.LogEnd())
		require.Equal(t, before, l.Producers())
		again, _ := readFrom(t, l, 0, ToLogEnd)
		require.True(t, bytes.Equal(data, again[:len(data)]))
	})
}

func TestEpochs(t *testing.T) {
	var e epochs
	require.True(t, e.assign(0, 0))
	require.True(t, e.assign(2, 10))
	require.True(t, e.assign(5, 20))
	require.False(t, e.assign(5, 30))
	require.False(t, e.assign(4, 30))
	tests := []struct {
		ask, epoch int32
		end        int64
	}{{-1, -1, -1}, {0, 0, 10}, {1, 0, 10}, {2, 2, 20}, {4, 2, 20}, {5, 5, 33}, {6, -1, -1}}
	for _, tt := range tests {
		epoch, end := e.endOffsetFor(tt.ask, 33)
		require.Equal(t, tt.epoch, epoch, "epoch %d", tt.ask)
		require.Equal(t, tt.end, end, "epoch %d", tt.ask)
	}
	require.True(t, e.assign(7, 20), "an epoch without records is replaced")
	require.Equal(t, epochs{{0, 0}, {2, 10}, {7, 20}}, e)
	require.True(t, e.truncateStart(15))
	require.Equal(t, epochs{{2, 15}, {7, 20}}, e)
	epoch, end := e.endOffsetFor(1, 33)
	require.EqualValues(t, 1, epoch)
	require.EqualValues(t, 15, end)
	require.True(t, e.truncateEnd(20))
	require.Equal(t, epochs{{2, 15}}, e)
	require.EqualValues(t, -1, e.at(14))
	require.EqualValues(t, 2, e.at(15))
}

// The tail holds the newest bytes whatever the sizes written.
func TestTail(t *testing.T) {
	budget := NewTailBudget(40 << 10)
	tl := tail{max: 32 << 10, budget: budget}
	var all []byte
	for i := range 2000 {
		p := make([]byte, 1+i*7%900)
		for j := range p {
			p[j] = byte(i + j)
		}
		tl.write(p, int64(len(all)))
		all = append(all, p...)
		from := max(tl.start, int64(len(all)-1-i*13%3000))
		got := make([]byte, int64(len(all))-from)
		require.True(t, tl.read(got, from))
		require.Equal(t, all[from:], got)
	}
	require.EqualValues(t, 32<<10, budget.Used())
	require.False(t, tl.read(make([]byte, 1), tl.start-1))
	require.False(t, tl.read(make([]byte, 1), tl.end))
	other := tail{max: 32 << 10, budget: budget}
	tl.mu.RLock() // being read
	other.write(make([]byte, 20<<10), 0)
	tl.mu.RUnlock()
	require.False(t, other.read(make([]byte, 1), 0), "the budget is used up")
	other.write(make([]byte, 20<<10), 20<<10)
	require.True(t, other.read(make([]byte, 20<<10), 20<<10))
	require.False(t, tl.read(make([]byte, 1), int64(len(all)-1)), "the idle one gave way")
	require.EqualValues(t, 32<<10, budget.Used())
	tl.drop()
	other.drop()
	require.Zero(t, budget.Used())
	big := make([]byte, 100<<10)
	big[len(big)-1] = 9
	tl.write(big, 0)
	last := make([]byte, 1)
	require.True(t, tl.read(last, int64(len(big)-1)))
	require.EqualValues(t, 9, last[0])
}

// Followers, consumers and the writer at once; run with -race.
func TestConcurrentReaders(t *testing.T) {
	cfg := testConfig(vfs.NewMem())
	l := openTest(t, cfg)
	const total = 400
	done := make(chan error, 4)
	for range cap(done) {
		go func() {
			next, buf := int64(0), make([]byte, 4<<10)
			for next < total {
				r, err := l.Read(buf, next, 1<<10, ToLastStable)
				if err != nil {
					done <- err
					return
				}
				for rest := r.Data; len(rest) > 0; {
					v, tail, err := batch.Parse(rest)
					if err == nil {
						err = v.Validate()
					}
					if err == nil && (v.BaseOffset() > next || v.LastOffset() >= r.LastStable) {
						err = io.ErrUnexpectedEOF
					}
					if err != nil {
						done <- err
						return
					}
					next, rest = v.NextOffset(), tail
				}
			}
			done <- nil
		}()
	}
	for l.LogEnd() < total {
		mustAppend(t, l, plain(l.LogEnd(), 1+int(l.LogEnd()%2)))
		l.SetHighWatermark(l.LogEnd())
		if l.LogEnd()%50 == 0 {
			require.NoError(t, l.Flush())
		}
	}
	for range cap(done) {
		require.NoError(t, <-done)
	}
	require.NoError(t, l.Close())
}
