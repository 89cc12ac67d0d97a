package batch

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRewrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		recs := rapid.SliceOfN(genRecord(), 1, 20).Draw(t, "records")
		codec := rapid.SampledFrom([]Codec{None, Gzip, Snappy, LZ4, Zstd}).Draw(t, "codec")
		opts := Options{BaseOffset: 100, LeaderEpoch: 3, ProducerID: 7, ProducerEpoch: 1, BaseSequence: 40, Transactional: true}
		v := build(t, opts, codec, recs...)
		drop := rapid.SliceOfN(rapid.Bool(), len(recs), len(recs)).Draw(t, "drop")
		horizon := rapid.SampledFrom([]int64{-1, 5000, 1 << 45}).Draw(t, "horizon")
		var want []testRecord
		for i, r := range recs {
			if !drop[i] {
				want = append(want, r)
			}
		}
		var b Builder
		var d Decompressor
		defer d.Close()
		out, err := b.Rewrite(v, &d, horizon, func(r *Record) bool { return !drop[r.Offset-100] })
		require.NoError(t, err)
		out = bytes.Clone(out)
		parsed, rest, err := Parse(out)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.NoError(t, parsed.Validate())
		require.Equal(t, want, readAll(t, parsed))
		require.EqualValues(t, len(want), parsed.Count())
		require.Equal(t, v.BaseOffset(), parsed.BaseOffset())
		require.Equal(t, v.LastOffset(), parsed.LastOffset())
		require.Equal(t, v.LastSequence(), parsed.LastSequence())
		require.Equal(t, v.ProducerID(), parsed.ProducerID())
		require.Equal(t, v.LeaderEpoch(), parsed.LeaderEpoch())
		require.True(t, parsed.IsTransactional())
		if got, ok := parsed.DeleteHorizon(); len(want) > 0 && horizon >= 0 {
			require.True(t, ok)
			require.Equal(t, horizon, got)
		} else {
			require.False(t, ok)
		}
	})
}
