package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestInputs checks that the data are the same each time, and that each topic of
// a program gets some.
func TestInputs(t *testing.T) {
	base := time.UnixMilli(1_700_000_040_000)
	for name, in := range inputs {
		t.Run(name, func(t *testing.T) {
			collect := func() (rs []kgo.Record) {
				in.records(1000, base, func(r *kgo.Record) { rs = append(rs, *r) })
				return rs
			}
			first := collect()
			require.Equal(t, first, collect())
			topics := map[string]bool{}
			for _, r := range first {
				topics[r.Topic] = true
				require.False(t, r.Timestamp.Before(base))
			}
			for _, topic := range in.in {
				require.True(t, topics[topic], topic)
			}
			require.Len(t, topics, len(in.in))
		})
	}
}

func TestCanonical(t *testing.T) {
	require.Equal(t, canonical([]byte(`{"a":1,"b":2.50}`)), canonical([]byte(`{"b":2.5,"a":1}`)))
	require.NotEqual(t, canonical([]byte(`{"a":1}`)), canonical([]byte(`{"a":2}`)))
	require.Equal(t, "00000000000000ff", canonical([]byte{0, 0, 0, 0, 0, 0, 0, 0xff}), "not JSON: its bytes")
}
