package dsl

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// The bytes were made by Kafka Streams 4.3.1.
func TestChangeBytes(t *testing.T) {
	s := changeSerde[string]{serde.String}
	for text, ch := range map[string]Change[string]{
		"0461596158" + "02": {New: "aY", Old: "aX", HasNew: true, HasOld: true},
		"6159" + "01":       {New: "aY", HasNew: true},
		"6158" + "00":       {Old: "aX", HasOld: true},
	} {
		b, err := s.Append([]byte("before"), ch)
		require.NoError(t, err)
		require.Equal(t, "before", string(b[:6]))
		require.Equal(t, text, hex.EncodeToString(b[6:]))
		var got Change[string]
		require.NoError(t, s.Decode(b[6:], &got))
		require.Equal(t, ch, got)
	}
	_, err := s.Append(nil, Change[string]{})
	require.ErrorIs(t, err, errEmptyChange)
}

func TestSubscriptionBytes(t *testing.T) {
	b, err := subscriptionSerde{}.Append(nil, subscription{what: deleteAndReply, key: []byte("k")})
	require.NoError(t, err)
	require.Equal(t, "81016b00000000", hex.EncodeToString(b))
	b, err = responseSerde{}.Append(nil, response{})
	require.NoError(t, err)
	require.Equal(t, "80", hex.EncodeToString(b))
}

func TestBufferedBytes(t *testing.T) {
	v := bufferValue{rec: state.Record{Topic: "l", Timestamp: 1}, new: []byte("a")}
	require.Equal(t, "00000000000000010000000000000000000000016c0000000000000000ffffffffffffffff0000000161", hex.EncodeToString(v.append(nil)))
}

func TestBufferedValuesComeBack(t *testing.T) {
	part := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 5))
	rapid.Check(t, func(t *rapid.T) {
		v := bufferValue{
			rec: state.Record{
				Topic: rapid.String().Draw(t, "topic"), Partition: rapid.Int32().Draw(t, "partition"),
				Offset: rapid.Int64().Draw(t, "offset"), Timestamp: rapid.Int64().Draw(t, "ts"),
			},
			prior: part.Draw(t, "prior"), old: part.Draw(t, "old"), new: part.Draw(t, "new"),
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "headers") {
			v.rec.Headers = append(v.rec.Headers, processor.Header{Key: string(rune('a' + i)), Value: part.Draw(t, "header")})
		}
		var got bufferValue
		rest, err := got.decode(append(v.append(nil), 1, 2))
		if err != nil || !bytes.Equal(rest, []byte{1, 2}) {
			t.Fatal(rest, err)
		}
		if !bytes.Equal(got.append(nil), v.append(nil)) || (got.new == nil) != (v.new == nil) || (got.old == nil) != (v.old == nil) {
			t.Fatalf("got %+v, want %+v", got, v)
		}
	})
}

func FuzzInternalTopicValues(f *testing.F) {
	f.Add([]byte("\x04aYaX\x02"))
	f.Add([]byte("\x81\x01k\x00\x00\x00\x00"))
	f.Add([]byte("\x80"))
	v := bufferValue{rec: state.Record{Topic: "t"}, old: []byte("o"), new: []byte("n")}
	f.Add(v.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var ch Change[[]byte]
		cs := changeSerde[[]byte]{serde.Bytes}
		if cs.Decode(b, &ch) == nil {
			out, err := cs.Append(nil, ch)
			require.NoError(t, err)
			var again Change[[]byte]
			require.NoError(t, cs.Decode(out, &again))
			require.Equal(t, ch, again)
		}
		var s subscription
		if (subscriptionSerde{}).Decode(b, &s) == nil {
			_, err := subscriptionSerde{}.Append(nil, s)
			require.NoError(t, err)
		}
		var r response
		if (responseSerde{}).Decode(b, &r) == nil {
			out, err := responseSerde{}.Append(nil, r)
			require.NoError(t, err)
			require.Equal(t, b, out)
		}
		for _, h := range []processor.Headers{nil, {{Key: "v", Value: []byte{1}}}, {{Key: "v", Value: []byte{2}}}} {
			if v, at, err := decodeLogged(b, 0, h, nil); err == nil {
				e := bufferEntry{time: at, value: v}
				var again bufferValue
				back, err := again.decode3(e.row(nil))
				require.NoError(t, err)
				require.Equal(t, at, back)
			}
		}
		var bv bufferValue
		if _, err := bv.decode(b); err == nil {
			var again bufferValue
			_, err := again.decode(bv.append(nil))
			require.NoError(t, err)
		}
	})
}
