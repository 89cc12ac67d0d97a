package state

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSorter(t *testing.T) {
	var s sorter
	rapid.Check(t, func(t *rapid.T) {
		// Few letters, zero among them: equal keys, and keys that begin another.
		keys := rapid.SliceOf(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a'}), 0, 12)).Draw(t, "keys")
		last := map[string]byte{}
		for i, k := range keys {
			s.add(OpPut, k, []byte{byte(i)})
			last[string(k)] = byte(i)
		}
		var before []byte
		n := 0
		s.drain(func(_ Op, key, value []byte) {
			if n > 0 {
				require.Negative(t, bytes.Compare(before, key), "in order, each key once")
			}
			require.Equal(t, last[string(key)], value[0], "the last write of the key")
			before = key
			n++
		})
		require.Len(t, last, n)
	})
}
