package fetch

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/thalweg/thalweg/internal/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logOf builds a partition's bytes.
type logOf struct {
	raw  []byte
	next int64
}

func (l *logOf) data(pid int64, values ...string) *logOf {
	var b batch.Builder
	b.Reset(batch.Options{BaseOffset: l.next, ProducerID: pid, Transactional: pid >= 0})
	for _, v := range values {
		b.Append(nil, []byte(v), 1)
	}
	v, err := b.Finish(batch.None)
	if err != nil {
		panic(err)
	}
	l.raw = append(l.raw, v...)
	l.next += int64(len(values))
	return l
}

func (l *logOf) end(pid int64, commit bool) *logOf {
	at := len(l.raw)
	l.raw = batch.AppendMarker(l.raw, pid, 0, commit, 0, 1)
	batch.View(l.raw[at:]).SetBaseOffset(l.next)
	l.next++
	return l
}

func valuesOf(t require.TestingT, views []batch.View, from int64) (values []string) {
	for _, v := range views {
		it, err := v.Records(nil)
		require.NoError(t, err)
		var r batch.Record
		for it.Next(&r) {
			if r.Offset >= from {
				values = append(values, string(r.Value))
			}
		}
		require.NoError(t, it.Err())
	}
	return values
}

func aborted(pid, first int64) kmsg.FetchResponseTopicPartitionAbortedTransaction {
	return kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: pid, FirstOffset: first}
}

func TestCut(t *testing.T) {
	// offsets: a 0, b 1-2 (aborted), c 3, abort of 7 at 4, d 5, commit of 7 at 6
	l := new(logOf).data(-1, "a").data(7, "b1", "b2").data(8, "c").end(7, false).data(7, "d").end(7, true)
	list := []kmsg.FetchResponseTopicPartitionAbortedTransaction{aborted(7, 1)}

	views, next, err := cut(l.raw, 0, true, list)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "c", "d"}, valuesOf(t, views, 0))
	require.Equal(t, int64(7), next, "the position passes the last marker")

	views, _, err = cut(l.raw, 0, false, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b1", "b2", "c", "d"}, valuesOf(t, views, 0))

	// A fetch from the middle of a batch gets the whole batch.
	views, next, err = cut(l.raw, 2, false, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"b2", "c", "d"}, valuesOf(t, views, 2))
	require.Equal(t, int64(7), next)

	// The last batch may be cut off.
	views, next, err = cut(l.raw[:len(l.raw)-3], 0, true, list)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "c", "d"}, valuesOf(t, views, 0))
	require.Equal(t, int64(6), next)

	// But not the only one.
	_, _, err = cut(l.raw[:65], 0, true, nil)
	require.ErrorContains(t, err, "raise the fetch size")

	// Aborted only: nothing to hand on, but the position moves.
	l = new(logOf).data(7, "x").end(7, false)
	views, next, err = cut(l.raw, 0, true, []kmsg.FetchResponseTopicPartitionAbortedTransaction{aborted(7, 0)})
	require.NoError(t, err)
	require.Empty(t, views)
	require.Equal(t, int64(2), next)
}

func TestCutRefusesCorruption(t *testing.T) {
	l := new(logOf).data(-1, "a", "b")
	l.raw[len(l.raw)-1] ^= 1
	_, _, err := cut(l.raw, 0, false, nil)
	require.Error(t, err)
}

// TestCutAgainstModel: random interleaved transactions, read in random pieces,
// show exactly the committed records in order.
func TestCutAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type txn struct {
			first  int64
			values []int
		}
		l := new(logOf)
		open := map[int64]*txn{}
		var list []kmsg.FetchResponseTopicPartitionAbortedTransaction
		good := map[int]bool{}
		var order []string
		index := map[string]int{}
		n := 0
		end := func(pid int64) {
			commit := rapid.Bool().Draw(t, "commit")
			for _, v := range open[pid].values {
				good[v] = commit
			}
			if !commit {
				list = append(list, aborted(pid, open[pid].first))
			}
			l.end(pid, commit)
			delete(open, pid)
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			pid := rapid.Int64Range(1, 3).Draw(t, "pid")
			if open[pid] != nil && rapid.Bool().Draw(t, "end") {
				end(pid)
				continue
			}
			if open[pid] == nil {
				open[pid] = &txn{first: l.next}
			}
			v := string(rune('a'+n%26)) + string(rune('0'+n/26))
			index[v] = n
			open[pid].values = append(open[pid].values, n)
			order = append(order, v)
			l.data(pid, v)
			n++
		}
		for pid := range int64(4) {
			if open[pid] != nil {
				end(pid)
			}
		}
		var want, got []string
		for _, v := range order {
			if good[index[v]] {
				want = append(want, v)
			}
		}
		views, next, err := cut(l.raw, 0, true, list)
		require.NoError(t, err)
		got = valuesOf(t, views, 0)
		require.Equal(t, want, got)
		require.Equal(t, l.next, next)
	})
}

func FuzzCut(f *testing.F) {
	f.Add(new(logOf).data(-1, "a").data(7, "b").end(7, false).raw, int64(0), int64(7), int64(1))
	f.Fuzz(func(t *testing.T, raw []byte, from, pid, first int64) {
		views, next, err := cut(raw, from, true, []kmsg.FetchResponseTopicPartitionAbortedTransaction{aborted(pid, first)})
		if err != nil {
			return
		}
		if next < from {
			t.Fatalf("the position went back from %d to %d", from, next)
		}
		var d batch.Decompressor
		d.Limit = 1 << 20
		defer d.Close()
		for _, v := range views {
			if it, err := v.Records(&d); err == nil {
				var r batch.Record
				for it.Next(&r) {
				}
			}
		}
	})
}
