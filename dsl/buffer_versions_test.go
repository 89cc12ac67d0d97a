package dsl

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
)

// What is read from each layout of a buffer's changelog.
func TestBufferVersions(t *testing.T) {
	const (
		time    = "0000000000000005"
		context = "0000000000000007" + "0000000000000009" + "00000001" + "6c" + "00000002" + // 7, offset 9, topic l, partition 2
			"00000001" + "00000001" + "68" + "00000001" + "78" // h = x
		old, new   = "00000002" + "6f31", "00000002" + "6e31"
		prior      = "00000002" + "7030"
		none       = "ffffffff"
		changeSize = "0000000c"
	)
	h := processor.Headers{{Key: "h", Value: []byte("x")}}
	rec := state.Record{Topic: "l", Partition: 2, Offset: 9, Timestamp: 7, Headers: h}
	version := func(v byte) processor.Headers { return processor.Headers{{Key: "v", Value: []byte{v}}} }
	valueHeaders := []byte{10, 2, 2, 'h', 2, 'y', 0, 0, 0, 0, 0, 0, 0, 4} // five bytes of headers, 4 is the time
	before := &bufferEntry{value: bufferValue{prior: []byte("p0")}}
	value := func(rec state.Record, prior, old, new string) bufferValue {
		part := func(s string) []byte {
			if s == "" {
				return nil
			}
			return []byte(s)
		}
		return bufferValue{rec: rec, prior: part(prior), old: part(old), new: part(new)}
	}
	logged := state.Record{Partition: -1, Offset: -1, Timestamp: 3, Headers: h}
	for name, c := range map[string]struct {
		headers processor.Headers
		hex     string
		before  *bufferEntry
		want    bufferValue
	}{
		"0":               {h, time + old + new, nil, value(logged, "o1", "o1", "n1")},
		"0 again":         {h, time + old + new, before, value(logged, "p0", "o1", "n1")},
		"0 deleted":       {h, time + old + none, nil, value(logged, "o1", "o1", "")},
		"1":               {version(1), time + context + changeSize + old + new, nil, value(rec, "o1", "o1", "n1")},
		"1 again":         {version(1), time + context + changeSize + old + new, before, value(rec, "p0", "o1", "n1")},
		"2":               {version(2), context + changeSize + old + new + prior + time, before, value(rec, "p0", "o1", "n1")},
		"2 without":       {version(2), context + "0000000a" + none + new + none + time, nil, value(rec, "", "", "n1")},
		"3 called 2":      {version(2), context + prior + old + new + time, nil, value(rec, "p0", "o1", "n1")},
		"3 called 2 bare": {version(2), context + none + none + new + time, nil, value(rec, "", "", "n1")},
		"3":               {version(3), context + prior + old + new + time, nil, value(rec, "p0", "o1", "n1")},
		// Kafka Streams 4.4 puts the headers of the old and of the prior value beside
		// the version, with their times: none of them are the record's.
		"3 with headers of old and prior": {append(version(3), processor.Header{Key: "vh.old", Value: valueHeaders}, processor.Header{Key: "vh.prior", Value: valueHeaders}),
			context + prior + old + new + time, before, value(rec, "p0", "o1", "n1")},
		"3 with headers before the version": {append(processor.Headers{{Key: "vh.prior", Value: valueHeaders}}, version(3)...),
			context + prior + "fffffffe" + new + time, nil, value(rec, "p0", "p0", "n1")},
		"3 same": {version(3), context + prior + "fffffffe" + new + time, nil, value(rec, "p0", "p0", "n1")},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := hex.DecodeString(c.hex)
			require.NoError(t, err)
			got, at, err := decodeLogged(b, 3, c.headers, c.before)
			require.NoError(t, err)
			require.Equal(t, int64(5), at)
			require.Equal(t, c.want, got)
			for n := range b {
				_, _, err := decodeLogged(b[:n], 3, c.headers, c.before)
				require.ErrorIs(t, err, serde.ErrMalformed)
			}
			_, _, err = decodeLogged(append(b, 0), 3, c.headers, c.before)
			require.ErrorIs(t, err, serde.ErrMalformed)
		})
	}
	_, _, err := decodeLogged(nil, 3, version(4), nil)
	require.ErrorContains(t, err, "version [4]")
}

// A buffer restored from an old changelog has rows of the current layout.
func TestBufferRestoredFromOldVersions(t *testing.T) {
	db, err := state.Open(mem.New(), state.Options{})
	require.NoError(t, err)
	defer db.Close()
	txn := db.NewTxn()
	p, err := txn.Open("b", 0)
	require.NoError(t, err)
	open := func() *buffer {
		s, err := newBufferHandle("b", nil).Open(state.Env{Partition: p})
		require.NoError(t, err)
		return s.(*buffer)
	}
	b := open()
	for _, row := range []string{"k", "l"} {
		old, err := hex.DecodeString("0000000000000005" + "ffffffff" + "00000001" + "6e")
		require.NoError(t, err)
		require.NoError(t, b.Restore([]byte(row), old, 3, nil))
	}
	require.NoError(t, b.Restore([]byte("l"), nil, 4, nil))
	require.NoError(t, txn.Commit())
	again := open()
	require.Len(t, again.byKey, 1)
	require.Equal(t, b.byKey["k"].value.new, again.byKey["k"].value.new)
	require.Equal(t, int64(5), again.byKey["k"].time)
	require.True(t, strings.HasPrefix(string(again.byKey["k"].value.new), "n"))
}
