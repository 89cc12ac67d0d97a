package state

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/serde"
)

func FuzzPosition(f *testing.F) {
	p := Position{TopicID: [16]byte{1, 2}, Offset: 7, LeaderEpoch: 3, Observed: 99, Sequence: 4, Needs: Needs{-1, 5, 6, -1}}.append(nil)
	f.Add(p)
	f.Add(append([]byte{1}, p[1:positionSize1]...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePosition(b)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		again, err := parsePosition(p.append(nil))
		require.NoError(t, err)
		require.Equal(t, p, again)
		if b[0] == positionVersion {
			require.Equal(t, b, p.append(nil))
		} else {
			require.Zero(t, p.Needed())
		}
	})
}

// FuzzBatch reads arbitrary bytes as a batch: what can be read is written again
// as the same bytes, but for the length prefixes' forms.
func FuzzBatch(f *testing.F) {
	var b Batch
	b.Put([]byte("k"), []byte("v"))
	b.Delete([]byte("d"))
	b.DeleteRange([]byte("a"), []byte("z"))
	f.Add(b.Bytes()[batchHeader:])
	f.Fuzz(func(t *testing.T, records []byte) {
		in := Batch{data: append(make([]byte, batchHeader), records...)}
		var out Batch
		err := in.Each(func(op Op, key, value []byte) bool {
			out.write(op, nil, key, value)
			return true
		})
		if err != nil {
			return
		}
		var again Batch
		require.NoError(t, out.Each(func(op Op, key, value []byte) bool {
			again.write(op, nil, key, value)
			return true
		}))
		require.Equal(t, out.Bytes(), again.Bytes())
	})
}

// FuzzRow takes arbitrary bytes for rows and changelog keys of every layout.
func FuzzRow(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00key\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00"), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, layout uint8) {
		suffix := windowSuffix
		if layout&1 != 0 {
			suffix = sessionSuffix
		}
		s := newSegments(Spec{TimeOrdered: layout&2 != 0, InMemory: layout&4 != 0, Retention: time.Hour}, suffix)
		if at, ok := s.parse(b); ok {
			require.LessOrEqual(t, len(at.key), len(b))
		}
		at, err := s.parseLogKey(b)
		if err != nil {
			return
		}
		row := s.row(nil, at)
		back, ok := s.parse(row)
		require.True(t, ok)
		require.Equal(t, at, back)
		require.Equal(t, b, s.logKey(nil, row))
	})
}

func TestTopicConfig(t *testing.T) {
	config := func(d Declared) map[string]string { return d.Spec().TopicConfig() }
	require.Equal(t, map[string]string{"cleanup.policy": "compact"},
		config(KeyValue("s", serde.String, serde.String)))
	require.Equal(t, map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "-1", "retention.bytes": "-1"},
		config(Window("s", serde.String, serde.String, time.Hour, time.Minute)))
	require.Equal(t, map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
		config(Window("s", serde.String, serde.String, time.Hour, time.Minute, Duplicates())))
	require.Equal(t, map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"},
		config(Versioned("s", serde.String, serde.String, time.Hour)))
	require.Equal(t, map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "5", "retention.bytes": "-1"},
		config(Session("s", serde.String, serde.String, time.Hour, LogConfig(map[string]string{"retention.ms": "5"}))))
}

func TestOptions(t *testing.T) {
	h := Window("s", serde.String, serde.Int64, time.Hour, time.Minute, Cached(), Duplicates())
	require.False(t, h.Spec().Cached, "duplicates are never cached")
	require.True(t, h.Spec().Logged)
	require.False(t, h.With(Unlogged()).Spec().Logged)
	require.True(t, h.Spec().Logged, "With leaves the handle alone")
	require.Equal(t, "int64", h.Spec().ValueType)
	require.False(t, Versioned("v", serde.String, serde.String, time.Hour, Cached()).Spec().Cached)
}

func TestHoldingOfValues(t *testing.T) {
	type plain struct {
		A int
		B string
		C [2]float64
		D time.Time
	}
	require.True(t, holdingOf[plain]().typed)
	require.True(t, holdingOf[string]().typed)
	require.False(t, holdingOf[[]byte]().typed)
	require.False(t, holdingOf[*int]().typed)
	require.False(t, holdingOf[struct{ M map[string]int }]().typed)
	require.False(t, holdingOf[any]().typed)
	size := holdingOf[plain]().size
	require.EqualValues(t, 5, size(&plain{B: "hello"}))
}
