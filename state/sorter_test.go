package state

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSorter(t *testing.T) {
	var s sorter
	rapid.Check(t, func(t *rapid.T) {
		// Few letters, zero among them: equal keys, and keys that begin another.
		key := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a'}), 0, 12)
		if rapid.Bool().Draw(t, "long") { // equal over more than one head
			tail, begin := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'b'}), 8, 24), rapid.SampledFrom([]string{"", "begin", "beginning"})
			key = rapid.Custom(func(t *rapid.T) []byte { return append([]byte(begin.Draw(t, "begin")), tail.Draw(t, "tail")...) })
		}
		keys := rapid.SliceOfN(key, 0, 3*fewPlaces).Draw(t, "keys")
		last := map[string]uint32{}
		for i, k := range keys {
			s.add(uint32(i), len(k))
			last[string(k)] = uint32(i)
		}
		var before []byte
		n := 0
		s.drain(func(i uint32) []byte { return keys[i] }, func(i uint32) {
			key := keys[i]
			if n > 0 {
				require.Negative(t, bytes.Compare(before, key), "in order, each key once")
			}
			require.Equal(t, last[string(key)], i, "the last write of the key")
			before = key
			n++
		})
		require.Len(t, last, n)
	})
}

func BenchmarkSortByKey(b *testing.B) {
	const n = 100_000
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "st-%09d", uint32(i)*2654435761%(n/4))
	}
	var s sorter
	for b.Loop() {
		for i := range uint32(n) {
			s.add(i, len(keys[i]))
		}
		s.drain(func(i uint32) []byte { return keys[i] }, func(uint32) {})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}
