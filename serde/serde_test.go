package serde_test

import (
	"encoding/hex"
	"math"
	"testing"
	"time"
	"uuid"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/serde"
)

// vector checks both directions of a serde against bytes of Kafka's.
func vector[T any](t *testing.T, s serde.Serde[T], v T, want string) {
	t.Helper()
	b, err := s.Append([]byte("before"), v)
	require.NoError(t, err)
	require.Equal(t, "before", string(b[:6]))
	require.Equal(t, want, hex.EncodeToString(b[6:]))
	var got T
	require.NoError(t, s.Decode(b[6:], &got))
	require.Equal(t, v, got)
}

func TestKafkaBytes(t *testing.T) {
	vector(t, serde.Int16, -2, "fffe")
	vector(t, serde.Int32, 258, "00000102")
	vector(t, serde.Int64, -1, "ffffffffffffffff")
	vector(t, serde.Float64, 1.5, "3ff8000000000000")
	vector(t, serde.Float32, 1.5, "3fc00000")
	vector(t, serde.Bool, true, "01")
	vector(t, serde.Bool, false, "00")
	vector(t, serde.String, "é", "c3a9")
	vector(t, serde.Bytes, []byte{0, 1}, "0001")
	vector(t, serde.Bytes, []byte{}, "")
	id := uuid.MustParse("123E4567-e89b-12d3-a456-426614174000")
	vector(t, serde.UUID, id, hex.EncodeToString([]byte("123e4567-e89b-12d3-a456-426614174000")))
	vector(t, serde.Time, time.UnixMilli(1000).UTC(), "00000000000003e8")
}

// The vectors were produced by Kafka's ListSerde.
func TestListKafkaBytes(t *testing.T) {
	one, three := int32(1), int32(3)
	vector(t, serde.List(serde.Nullable(serde.Int32)), []*int32{&one, nil, &three},
		"00"+"00000001"+"00000001"+"00000003"+"00000001"+"00000003")
	a, bc := "a", "bc"
	vector(t, serde.List(serde.Nullable(serde.String)), []*string{&a, nil, &bc},
		"01"+"00000003"+"00000001"+"61"+"ffffffff"+"00000002"+"6263")
	vector(t, serde.List(serde.Int64), []int64{}, "00"+"00000000"+"00000000")
	vector(t, serde.List(serde.Bool), []bool{true}, "01"+"00000001"+"00000001"+"01")
}

// What is malformed becomes what the decoder of Java makes of it, which these
// come from.
func TestUTF8AsJava(t *testing.T) {
	for in, want := range map[string]string{
		"\x80":                     "\ufffd",
		"a\xffb":                   "a\ufffdb",
		"\xe2\x82":                 "\ufffd",                   // a beginning
		"\xe2\x82A":                "\ufffdA",                  // a beginning
		"\xf0\x9f\x98A":            "\ufffdA",                  // a beginning
		"\xc0\x80":                 "\ufffd\ufffd",             // too long
		"\xe0\x80A":                "\ufffd\ufffdA",            // too long
		"\xed\xa0\x80":             "\ufffd",                   // a surrogate
		"\xed\xa0\x80\xed\xb0\x80": "\ufffd\ufffd",             // two of them
		"\xf4\x90\x80\x80":         "\ufffd\ufffd\ufffd\ufffd", // too large
		"\xf0\x8f":                 "\ufffd\ufffd",
		"é€😀\ufffd":                "é€😀\ufffd",
		"":                         "",
	} {
		for _, s := range []serde.Serde[string]{serde.UTF8, serde.ForTask(serde.UTF8)} {
			var got string
			require.NoError(t, s.Decode([]byte(in), &got))
			require.Equal(t, want, got)
			b, err := s.Append(nil, in)
			require.NoError(t, err)
			require.Equal(t, want, string(b))
		}
		var kept string
		require.NoError(t, serde.ForTask(serde.String).Decode([]byte(in), &kept))
		require.Equal(t, in, kept)
	}
}

func TestVoid(t *testing.T) {
	require.True(t, serde.NullTest(serde.Void)(struct{}{}))
	require.ErrorIs(t, serde.Void.Decode([]byte{}, new(struct{})), serde.ErrMalformed)
	require.ErrorIs(t, serde.Void.Decode([]byte{1}, new(struct{})), serde.ErrMalformed)
	_, err := serde.Void.Append(nil, struct{}{})
	require.Error(t, err)
}

func TestMalformedInput(t *testing.T) {
	bad := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, serde.ErrMalformed)
	}
	bad(serde.Int16.Decode([]byte{1}, new(int16)))
	bad(serde.Int32.Decode(nil, new(int32)))
	bad(serde.Int64.Decode(make([]byte, 9), new(int64)))
	bad(serde.Float32.Decode(make([]byte, 3), new(float32)))
	bad(serde.Float64.Decode(make([]byte, 7), new(float64)))
	bad(serde.Bool.Decode([]byte{2}, new(bool)))
	bad(serde.Bool.Decode([]byte{0, 0}, new(bool)))
	bad(serde.Time.Decode(nil, new(time.Time)))
	bad(serde.UUID.Decode([]byte("{123e4567-e89b-12d3-a456-426614174000}"), new(uuid.UUID)))
	bad(serde.UUID.Decode([]byte("123e4567-e89b-12d3-a456-42661417400x"), new(uuid.UUID)))
	bad(serde.JSON[struct{ A int }]().Decode([]byte(`{"A":"x"}`), new(struct{ A int })))
	for _, s := range []string{
		"", "02", "01", "0100000001", "01ffffffff", "017fffffff", "010000000100000005", "0100000001ffffffff",
		"010000000000",
	} {
		b, _ := hex.DecodeString(s)
		bad(serde.List(serde.String).Decode(b, new([]string)))
	}
	for _, s := range []string{
		"00", "0000000001", "00000000000000000100", "00000000010000000000000002", "007fffffff00000000",
		"00000000020000000100000001" + "00000002",
	} {
		b, _ := hex.DecodeString(s)
		bad(serde.List(serde.Nullable(serde.Int32)).Decode(b, new([]*int32)))
	}
}

func TestNull(t *testing.T) {
	require.Nil(t, serde.NullTest(serde.Int64))
	isNull := serde.NullTest(serde.Nullable(serde.Int64))
	require.True(t, isNull(nil))
	require.False(t, isNull(new(int64)))
	require.True(t, serde.NullTest(serde.Bytes)(nil))
	require.False(t, serde.NullTest(serde.Bytes)([]byte{}))
	require.NotNil(t, serde.NullTest(serde.ForTask(serde.Nullable(serde.String))))
	_, err := serde.Nullable(serde.Int64).Append(nil, nil)
	require.Error(t, err)
}

// Decode must neither keep its input nor share memory with it.
func TestDecodeDoesNotAlias(t *testing.T) {
	src := []byte("hello")
	var b []byte
	require.NoError(t, serde.Bytes.Decode(src, &b))
	var s string
	interning := serde.ForTask(serde.String)
	require.NoError(t, interning.Decode(src, &s))
	copy(src, "XXXXX")
	require.Equal(t, "hello", string(b))
	require.Equal(t, "hello", s)
	var again string
	require.NoError(t, interning.Decode([]byte("hello"), &again))
	require.Equal(t, "hello", again)
}

func TestInterningIsBoundedAndRight(t *testing.T) {
	s := serde.Interning(100)
	for i := range 10_000 {
		want := string(rune('a'+i%26)) + time.Duration(i%700).String()
		var got string
		require.NoError(t, s.Decode([]byte(want), &got))
		require.Equal(t, want, got)
	}
	var empty string
	require.NoError(t, s.Decode([]byte{}, &empty))
	require.Empty(t, empty)
}

type reading struct {
	Station string  `json:"station"`
	TempC   float64 `json:"temp_c"`
	At      int64   `json:"at"`
}

func TestJSONZeroesItsTarget(t *testing.T) {
	s := serde.JSON[reading]()
	v := reading{Station: "old", TempC: 1, At: 2}
	require.NoError(t, s.Decode([]byte(`{"station":"new"}`), &v))
	require.Equal(t, reading{Station: "new"}, v)
	b, err := s.Append([]byte("x"), v)
	require.NoError(t, err)
	require.Equal(t, `x{"station":"new","temp_c":0,"at":0}`, string(b))
	_, err = serde.JSON[func()]().Append(nil, nil)
	require.Error(t, err)
}

func TestDecodingSeenValuesDoesNotAllocate(t *testing.T) {
	str, js := serde.ForTask(serde.String), serde.JSON[reading]()
	key, doc := []byte("KSFO"), []byte(`{"temp_c":12.5,"at":7}`)
	num, _ := serde.Int64.Append(nil, math.MaxInt64)
	var s string
	var n int64
	v := new(reading)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if str.Decode(key, &s) != nil || serde.Int64.Decode(num, &n) != nil || js.Decode(doc, v) != nil {
			t.Fatal("decode failed")
		}
	}))
	buf := make([]byte, 0, 128)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b, err := js.Append(buf, *v)
		if err != nil || len(b) == 0 {
			t.Fatal("encode failed")
		}
	}))
}

func TestRegistry(t *testing.T) {
	var r serde.Registry
	_, err := r.For[reading]()
	require.ErrorContains(t, err, "no serde for serde_test.reading")
	s, err := r.For[string]()
	require.NoError(t, err)
	require.Equal(t, serde.String, s)
	r.DefaultJSON()
	_, err = r.For[reading]()
	require.NoError(t, err)
	own := serde.Of(serde.String.Append, serde.String.Decode)
	r.Add(own)
	s, err = r.For[string]()
	require.NoError(t, err)
	require.NotEqual(t, serde.String, s)
}

// A decoder fuzzed with f must fail or decode to what encodes to an equal value.
func roundTrip[T any](t *testing.T, s serde.Serde[T], b []byte) {
	var v T
	if s.Decode(b, &v) != nil {
		return
	}
	out, err := s.Append(nil, v)
	require.NoError(t, err)
	var again T
	require.NoError(t, s.Decode(out, &again))
	out2, err := s.Append(nil, again)
	require.NoError(t, err)
	require.Equal(t, out, out2)
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"", "00", "0102030405060708", "0100000003000000016100000002ffff", "0000000001000000010000000300000001000000030000",
	} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Add([]byte(`{"station":"x","temp_c":1e3}`))
	f.Add([]byte("123e4567-e89b-12d3-a456-426614174000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		roundTrip(t, serde.Int16, b)
		roundTrip(t, serde.Int32, b)
		roundTrip(t, serde.Int64, b)
		roundTrip(t, serde.Float32, b)
		roundTrip(t, serde.Float64, b)
		roundTrip(t, serde.Bool, b)
		roundTrip(t, serde.UUID, b)
		roundTrip(t, serde.Time, b)
		roundTrip(t, serde.String, b)
		roundTrip(t, serde.ForTask(serde.String), b)
		roundTrip(t, serde.Bytes, b)
		roundTrip(t, serde.JSON[reading](), b)
		roundTrip(t, serde.List(serde.String), b)
		roundTrip(t, serde.List(serde.Nullable(serde.Bytes)), b)
		roundTrip(t, serde.List(serde.Nullable(serde.Int32)), b)
		roundTrip(t, serde.List(serde.UUID), b)
	})
}

func BenchmarkDecodeStringSeenBefore(b *testing.B) {
	s, src := serde.ForTask(serde.String), []byte("KSFO-station-17")
	var v string
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Decode(src, &v)
	}
}

func BenchmarkDecodeJSONIntoReusedValue(b *testing.B) {
	s, src := serde.JSON[reading](), []byte(`{"station":"KSFO","temp_c":12.5,"at":1700000000000}`)
	v := new(reading)
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Decode(src, v)
	}
}
