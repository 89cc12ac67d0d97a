package serde_test

import (
	"encoding/json/v2"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/thalweg/thalweg/serde"
)

// every has a field of each kind that the short way of JSON knows.
type every struct {
	S   string  `json:"s"`
	T   string  `json:"longer_name"`
	B   bool    `json:"b"`
	F   float64 `json:"f"`
	G   float32 `json:"g"`
	I   int     `json:"i"`
	I8  int8    `json:"i8"`
	I16 int16   `json:"i16"`
	I32 int32   `json:"i32"`
	I64 int64   `json:"i64"`
	U   uint    `json:"u"`
	U8  uint8   `json:"u8"`
	U16 uint16  `json:"u16"`
	U32 uint32  `json:"u32"`
	U64 uint64
}

// sameJSON holds the serde to what encoding/json/v2 makes of the same bytes.
func sameJSON(t require.TestingT, src []byte) {
	for _, s := range []serde.Serde[every]{serde.JSON[every](), serde.ForTask(serde.JSON[every]())} {
		var got, want every
		err, wantErr := s.Decode(src, &got), json.Unmarshal(src, &want)
		require.Equal(t, wantErr == nil, err == nil, "%s: %v, encoding/json: %v", src, err, wantErr)
		if err != nil {
			continue
		}
		require.Equal(t, math.Float64bits(want.F), math.Float64bits(got.F), "%s", src)
		require.Equal(t, want, got, "%s", src)
		wantSrc, wantErr := json.Marshal(want)
		require.NoError(t, wantErr)
		out, err := s.Append([]byte("before"), got)
		require.NoError(t, err)
		require.Equal(t, "before"+string(wantSrc), string(out))
	}
}

func TestPlainJSONIsTheStandardLibrarys(t *testing.T) {
	for _, src := range []string{
		`{}`, `{"s":"a"}`, ` {"s":"a"}`, `{"s":"a"} `, `{"s":"a",}`, `{"s":"a"`, `{"s":"a"}}`, `{"s":"a""f":1}`, `null`, ``, `{`, `[]`,
		`{"s":null}`, `{"s":"a","s":"b"}`, `{"x":1}`, `{"S":"a"}`, `{"longer_name":"z","s":"a"}`, `{ "s":"a"}`, `{"s": "a"}`,
		`{"s":"\u0041"}`, `{"s":"é"}`, "{\"s\":\"\xff\"}", "{\"s\":\"\x01\"}", "{\"s\":\"\x7f\"}", `{"s":"\\"}`, `{"s":"\""}`, `{"s":""}`, `{"s":1}`,
		`{"b":true}`, `{"b":false}`, `{"b":1}`, `{"b":tru}`, `{"b":truefalse}`,
		`{"f":0}`, `{"f":-0}`, `{"f":-0.0}`, `{"f":00}`, `{"f":01}`, `{"f":.5}`, `{"f":5.}`, `{"f":-}`, `{"f":+1}`, `{"f":1e3}`, `{"f":1E-3}`, `{"f":71.3}`,
		`{"f":0.1}`, `{"f":123456789012345}`, `{"f":1234567890123456789012345678}`, `{"f":0.30000000000000004}`, `{"f":179769313486231570000000000000000}`,
		`{"f":0.000001}`, `{"f":0.0000001}`, `{"f":999999999999999900000}`, `{"f":1000000000000000000000}`, `{"f":NaN}`, `{"f":"1"}`,
		`{"g":0.1}`, `{"g":16777217}`, `{"g":-0}`, `{"g":340282350000000000000000000000000000001}`, `{"g":1.00000017881393432617187499}`,
		`{"i":-5}`, `{"i":-0}`, `{"i":1.0}`, `{"i":1.5}`, `{"i8":127}`, `{"i8":128}`, `{"i8":-128}`, `{"i8":-129}`, `{"i16":32768}`, `{"i32":2147483648}`,
		`{"i64":9223372036854775807}`, `{"i64":9223372036854775808}`, `{"i64":-9223372036854775808}`, `{"i64":99999999999999999999999}`,
		`{"u":-1}`, `{"u":0}`, `{"u8":256}`, `{"u8":255}`, `{"u16":65536}`, `{"u32":4294967296}`, `{"U64":18446744073709551615}`, `{"U64":18446744073709551616}`, `{"U64":-1}`,
	} {
		sameJSON(t, []byte(src))
	}
}

func TestPlainJSONOfAnyValues(t *testing.T) {
	float := rapid.OneOf(rapid.Float64(), rapid.Custom(func(t *rapid.T) float64 {
		return float64(rapid.Int64Range(-1e12, 1e12).Draw(t, "n")) / math.Pow10(rapid.IntRange(0, 9).Draw(t, "by"))
	}))
	rapid.Check(t, func(t *rapid.T) {
		v := every{
			S: rapid.String().Draw(t, "s"), T: rapid.StringMatching(`[ -~]*`).Draw(t, "t"), B: rapid.Bool().Draw(t, "b"),
			F: float.Draw(t, "f"), G: rapid.Float32().Draw(t, "g"),
			I: rapid.Int().Draw(t, "i"), I8: rapid.Int8().Draw(t, "i8"), I16: rapid.Int16().Draw(t, "i16"), I32: rapid.Int32().Draw(t, "i32"), I64: rapid.Int64().Draw(t, "i64"),
			U: rapid.Uint().Draw(t, "u"), U8: rapid.Uint8().Draw(t, "u8"), U16: rapid.Uint16().Draw(t, "u16"), U32: rapid.Uint32().Draw(t, "u32"), U64: rapid.Uint64().Draw(t, "u64"),
		}
		want, wantErr := json.Marshal(v)
		got, err := serde.JSON[every]().Append(nil, v)
		require.Equal(t, wantErr == nil, err == nil, "%v, encoding/json: %v", err, wantErr)
		if err == nil {
			require.Equal(t, string(want), string(got))
			sameJSON(t, got)
		}
	})
}

func FuzzPlainJSON(f *testing.F) {
	f.Add([]byte(`{"s":"st-000042","f":71.3,"b":true,"i64":1700000040000,"g":0.5,"u8":7}`))
	f.Add([]byte(`{"U64":1,"i":-2,"longer_name":"\n"}`))
	f.Fuzz(func(t *testing.T, src []byte) { sameJSON(t, src) })
}

type celsius float64

type ownForm struct{ A int }

func (ownForm) MarshalJSON() ([]byte, error) { return []byte(`"own"`), nil }

// Types with anything that is not plain take the long way.
func TestJSONOfOtherTypes(t *testing.T) {
	requireJSON(t, `{"c":1.5}`, struct {
		C celsius `json:"c"`
	}{1.5})
	requireJSON(t, `"own"`, ownForm{1})
	requireJSON(t, `{}`, struct {
		A int `json:"a,omitzero"`
	}{})
	requireJSON(t, `{"B":2}`, struct {
		A int `json:"-"`
		B int
	}{1, 2})
	requireJSON(t, `{"a":"1"}`, struct {
		A int `json:"a,string"`
	}{1})
	requireJSON(t, `{"in":{"A":"x"}}`, struct {
		In struct{ A string } `json:"in"`
	}{struct{ A string }{"x"}})
}

func requireJSON[T any](t *testing.T, want string, v T) {
	t.Helper()
	b, err := serde.JSON[T]().Append(nil, v)
	require.NoError(t, err)
	require.Equal(t, want, string(b))
}
