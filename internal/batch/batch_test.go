package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

type testRecord struct {
	key, value []byte
	ts         int64
	headers    []Header
}

func build(t require.TestingT, opts Options, codec Codec, recs ...testRecord) View {
	var b Builder
	b.Reset(opts)
	for _, r := range recs {
		b.Append(r.key, r.value, r.ts, r.headers...)
	}
	v, err := b.Finish(codec)
	require.NoError(t, err)
	return bytes.Clone(v)
}

func readAll(t require.TestingT, v View) []testRecord {
	var d Decompressor
	defer d.Close()
	it, err := v.Records(&d)
	require.NoError(t, err)
	var out []testRecord
	var r Record
	for it.Next(&r) {
		rec := testRecord{key: bytes.Clone(r.Key), value: bytes.Clone(r.Value), ts: r.Timestamp}
		for k, val, ok := r.Headers.Next(); ok; k, val, ok = r.Headers.Next() {
			rec.headers = append(rec.headers, Header{Key: string(k), Value: bytes.Clone(val)})
		}
		out = append(out, rec)
	}
	require.NoError(t, it.Err())
	return out
}

func genRecord() *rapid.Generator[testRecord] {
	bs := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 200))
	return rapid.Custom(func(t *rapid.T) testRecord {
		r := testRecord{key: bs.Draw(t, "key"), value: bs.Draw(t, "value"), ts: rapid.Int64Range(0, 1<<50).Draw(t, "ts")}
		for range rapid.IntRange(0, 3).Draw(t, "headers") {
			r.headers = append(r.headers, Header{Key: rapid.String().Draw(t, "hkey"), Value: bs.Draw(t, "hval")})
		}
		return r
	})
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		recs := rapid.SliceOfN(genRecord(), 1, 40).Draw(t, "records")
		codec := rapid.SampledFrom([]Codec{None, Gzip, Snappy, LZ4, Zstd}).Draw(t, "codec")
		v := build(t, Plain(), codec, recs...)
		parsed, rest, err := Parse(append(bytes.Clone(v), 1, 2, 3))
		require.NoError(t, err)
		require.Equal(t, []byte{1, 2, 3}, rest)
		require.NoError(t, parsed.CheckProduced())
		require.Equal(t, codec, parsed.Codec())
		require.EqualValues(t, len(recs), parsed.Count())
		require.Equal(t, recs, readAll(t, parsed))
		var d Decompressor
		defer d.Close()
		maxTS, err := parsed.CheckRecords(&d, RecordRules{})
		require.NoError(t, err)
		require.Equal(t, parsed.MaxTimestamp(), maxTS)
	})
}

// The header must mean the same to an independent implementation.
func TestHeaderAgainstKmsg(t *testing.T) {
	opts := Options{BaseOffset: 77, LeaderEpoch: 5, ProducerID: 9, ProducerEpoch: 3, BaseSequence: 12, Transactional: true}
	v := build(t, opts, None, testRecord{key: []byte("a"), value: []byte("b"), ts: 1000},
		testRecord{ts: 990, headers: []Header{{"h", []byte("x")}}})
	var k kmsg.RecordBatch
	require.NoError(t, k.ReadFrom(v))
	require.EqualValues(t, 77, k.FirstOffset)
	require.EqualValues(t, len(v)-PrefixLen, k.Length)
	require.EqualValues(t, 5, k.PartitionLeaderEpoch)
	require.EqualValues(t, v.CRC(), uint32(k.CRC))
	require.EqualValues(t, attrTransactional, k.Attributes)
	require.EqualValues(t, 1, k.LastOffsetDelta)
	require.EqualValues(t, 1000, k.FirstTimestamp)
	require.EqualValues(t, 1000, k.MaxTimestamp)
	require.EqualValues(t, 9, k.ProducerID)
	require.EqualValues(t, 3, k.ProducerEpoch)
	require.EqualValues(t, 12, k.FirstSequence)
	require.EqualValues(t, 2, k.NumRecords)
	var r kmsg.Record
	length, n := binary.Varint(k.Records)
	require.NoError(t, r.ReadFrom(k.Records[:n+int(length)]))
	require.Equal(t, []byte("a"), r.Key)
	require.Equal(t, []byte("b"), r.Value)
}

func TestPatchKeepsChecksum(t *testing.T) {
	v := build(t, Plain(), None, testRecord{value: []byte("x"), ts: 5})
	v.SetBaseOffset(1 << 40)
	v.SetLeaderEpoch(9)
	require.NoError(t, v.Validate())
	require.EqualValues(t, 1<<40, v.LastOffset())
	v.SetLogAppendTime(99)
	require.NoError(t, v.Validate())
	require.EqualValues(t, 99, readAll(t, v)[0].ts)
	v.SetMaxTimestamp(100)
	require.NoError(t, v.Validate())
}

func TestMarker(t *testing.T) {
	for _, commit := range []bool{true, false} {
		b := AppendMarker([]byte("prefix"), 42, 7, commit, 3, 1234)[6:]
		require.Len(t, b, markerLen)
		v, rest, err := Parse(b)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.NoError(t, v.Validate())
		m, ok, err := v.Marker()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, Marker{Commit: commit, CoordinatorEpoch: 3}, m)
		require.EqualValues(t, 42, v.ProducerID())
		require.EqualValues(t, 7, v.ProducerEpoch())
		require.True(t, v.IsTransactional())
		require.EqualValues(t, 1234, v.MaxTimestamp())
		var r kmsg.Record
		require.NoError(t, r.ReadFrom(v.Body()))
		require.Error(t, v.CheckProduced(), "a client may not write markers")
	}
	_, ok, err := build(t, Plain(), None, testRecord{}).Marker()
	require.NoError(t, err)
	require.False(t, ok)
}

func TestSequenceWraps(t *testing.T) {
	require.EqualValues(t, 0, AddSequence(math.MaxInt32, 1))
	opts := Plain()
	opts.ProducerID, opts.ProducerEpoch, opts.BaseSequence = 1, 0, math.MaxInt32
	v := build(t, opts, None, testRecord{}, testRecord{})
	require.EqualValues(t, 0, v.LastSequence())
}

func TestCheckProduced(t *testing.T) {
	good := func() View { return build(t, Plain(), None, testRecord{value: []byte("x")}, testRecord{}) }
	tests := []struct {
		name  string
		spoil func(View)
		want  any
	}{
		{"base offset", func(v View) { v.SetBaseOffset(1) }, &InvalidError{}},
		{"checksum", func(v View) { v[len(v)-1] ^= 1 }, &CorruptError{}},
		{"count", func(v View) { v[posCount+3] = 1; v.updateCRC() }, &InvalidError{}},
		{"count above offsets", func(v View) { v[posCount+3] = 9; v.updateCRC() }, &CorruptError{}},
		{"negative last delta", func(v View) { v[posLastDelta] = 0xff; v.updateCRC() }, &CorruptError{}},
		{"control", func(v View) { v[posAttributes+1] = attrControl; v.updateCRC() }, &InvalidError{}},
		{"horizon", func(v View) { v[posAttributes+1] = attrDeleteHorizon; v.updateCRC() }, &InvalidError{}},
		{"append time", func(v View) { v.SetLogAppendTime(3) }, &InvalidError{}},
		{"codec", func(v View) { v[posAttributes+1] = 7; v.updateCRC() }, &CorruptError{}},
		{"producer without sequence", func(v View) { binary.BigEndian.PutUint64(v[posProducerID:], 4); v.updateCRC() }, &InvalidError{}},
		{"transactional without producer", func(v View) { v[posAttributes+1] = attrTransactional; v.updateCRC() }, &InvalidError{}},
	}
	require.NoError(t, good().CheckProduced())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := good()
			tt.spoil(v)
			require.IsType(t, tt.want, v.CheckProduced())
		})
	}
}

func TestCheckRecords(t *testing.T) {
	var d Decompressor
	v := build(t, Plain(), None, testRecord{key: []byte("k"), ts: 10}, testRecord{ts: 20})
	_, err := v.CheckRecords(&d, RecordRules{RequireKey: true})
	var inv *InvalidError
	require.ErrorAs(t, err, &inv)
	require.Equal(t, 1, inv.Index)
	_, err = v.CheckRecords(&d, RecordRules{BoundTime: true, MinTimestamp: 15, MaxTimestamp: 30})
	require.ErrorAs(t, err, &inv)
	require.Equal(t, 0, inv.Index)
	require.True(t, inv.Timestamp)
}

func TestParseRefuses(t *testing.T) {
	good := build(t, Plain(), None, testRecord{value: []byte("x")})
	for n := range len(good) {
		_, _, err := Parse(good[:n])
		require.ErrorIs(t, err, ErrTruncated, "prefix of %d bytes", n)
	}
	var ce *CorruptError
	_, _, err := Parse(make([]byte, 100))
	require.ErrorAs(t, err, &ce)
	old := bytes.Clone(good)
	old[posMagic] = 1
	_, _, err = Parse(old)
	require.ErrorAs(t, err, &ce)
}

func TestDecodeLimit(t *testing.T) {
	big := testRecord{value: bytes.Repeat([]byte("0"), 4<<20)}
	for _, codec := range []Codec{Gzip, Snappy, LZ4, Zstd} {
		t.Run(codec.String(), func(t *testing.T) {
			v := build(t, Plain(), codec, big)
			d := Decompressor{Limit: 1 << 20}
			defer d.Close()
			_, err := v.Records(&d)
			require.ErrorIs(t, err, ErrTooLarge)
			require.LessOrEqual(t, cap(d.buf), 4<<20)
			d.Limit = 8 << 20
			d.Close()
			it, err := v.Records(&d)
			require.NoError(t, err)
			var r Record
			require.True(t, it.Next(&r))
			require.Len(t, r.Value, 4<<20)
		})
	}
}

// librdkafka and franz-go send one raw snappy block without framing.
func TestRawSnappy(t *testing.T) {
	src := []byte(strings.Repeat("thalweg ", 1000))
	framed := appendXerial(nil, src)
	require.Equal(t, byte(0x82), framed[0])
	raw := framed[xerialHeaderLen+4:] // 8,000 bytes fit one block
	var d Decompressor
	for _, in := range [][]byte{framed, raw} {
		out, err := d.Decompress(Snappy, in)
		require.NoError(t, err)
		require.Equal(t, src, out)
	}
}

func FuzzBatch(f *testing.F) {
	for _, codec := range []Codec{None, Gzip, Snappy, LZ4, Zstd} {
		f.Add([]byte(build(f, Plain(), codec, testRecord{[]byte("k"), []byte("v"), 1, []Header{{"h", nil}}}, testRecord{})))
	}
	f.Add(AppendMarker(nil, 1, 2, true, 3, 4))
	f.Fuzz(func(t *testing.T, in []byte) {
		v, rest, err := Parse(in)
		if err != nil {
			return
		}
		require.Equal(t, len(in), len(v)+len(rest))
		v.updateCRC() // let the fuzzer past the checksum
		if v.Validate() != nil {
			return
		}
		_ = v.CheckProduced()
		_, _, _ = v.Marker()
		d := Decompressor{Limit: 1 << 20}
		defer d.Close()
		it, err := v.Records(&d)
		if err != nil {
			return
		}
		var r Record
		n, prev := int32(0), v.BaseOffset()-1
		for it.Next(&r) {
			n++
			require.Greater(t, r.Offset, prev)
			require.LessOrEqual(t, r.Offset, v.LastOffset())
			prev = r.Offset
			headers := r.Headers.Len()
			for _, _, ok := r.Headers.Next(); ok; _, _, ok = r.Headers.Next() {
				headers--
			}
			require.Zero(t, headers)
		}
		if it.Err() == nil {
			require.Equal(t, v.Count(), n)
		}
	})
}

func TestZeroAllocs(t *testing.T) {
	var b Builder
	key, value := []byte("key"), bytes.Repeat([]byte("v"), 100)
	fill := func() View {
		b.Reset(Plain())
		for range 100 {
			b.Append(key, value, 1)
		}
		v, _ := b.Finish(None)
		return v
	}
	v := bytes.Clone(fill())
	require.Zero(t, testing.AllocsPerRun(20, func() { fill() }))
	require.Zero(t, testing.AllocsPerRun(20, func() {
		it, _ := View(v).Records(nil)
		var r Record
		for it.Next(&r) {
		}
	}))
}

func BenchmarkIterate(b *testing.B) {
	for _, codec := range []Codec{None, LZ4, Zstd} {
		b.Run(codec.String(), func(b *testing.B) {
			recs := make([]testRecord, 1000)
			for i := range recs {
				recs[i] = testRecord{fmt.Appendf(nil, "key-%d", i), bytes.Repeat([]byte{byte(i)}, 100), int64(i), nil}
			}
			v := build(b, Plain(), codec, recs...)
			var d Decompressor
			b.ReportAllocs()
			b.SetBytes(int64(len(v)))
			for b.Loop() {
				it, _ := v.Records(&d)
				var r Record
				for it.Next(&r) {
				}
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	var bld Builder
	key, value := []byte("key-0001"), bytes.Repeat([]byte("v"), 100)
	b.ReportAllocs()
	for b.Loop() {
		bld.Reset(Plain())
		for range 1000 {
			bld.Append(key, value, 1)
		}
		v, _ := bld.Finish(None)
		b.SetBytes(int64(len(v)))
	}
}
