package state_test

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

type headed = state.WithHeaders[string]

var headedText = state.HeadersSerde(serde.String)

func twoHeaders() processor.Headers {
	return processor.Headers{{Key: "h1", Value: []byte("x")}, {Key: "h2"}}
}

// The bytes are those of Kafka Streams 4.3.1, but for the timestamp, which there
// stands between the headers and the value.
func TestHeadersBytes(t *testing.T) {
	for _, c := range []struct {
		hex  string
		want headed
	}{
		{"140404683102780468320176", headed{"v", twoHeaders()}},
		{"0076", headed{Value: "v"}},
		{"00", headed{}},
	} {
		b, err := headedText.Append(nil, c.want)
		require.NoError(t, err)
		require.Equal(t, c.hex, hex.EncodeToString(b))
		var got headed
		require.NoError(t, headedText.Decode(b, &got))
		require.Equal(t, c.want, got)
	}
	for _, bad := range []string{"", "14", "0404", "020176", "0402ff00", "060404683104", "80", "0a0404683102780476"} {
		b, err := hex.DecodeString(bad)
		require.NoError(t, err)
		var got headed
		require.ErrorIs(t, headedText.Decode(b, &got), serde.ErrMalformed, bad)
	}
}

// logged is a record of a changelog.
type logged struct {
	key, value []byte
	ts         int64
	headers    processor.Headers
}

// headersTask is a task whose changelog is kept with headers.
func headersTask(p *state.Partition, cache *state.Cache, rec *state.Record) (state.Env, *[]logged) {
	log := new([]logged)
	env := (&task{}).env(p, cache)
	env.Record = func() state.Record { return *rec }
	env.SetRecord = func(r state.Record) { *rec = r }
	env.Log = func(key, value []byte, ts int64, h processor.Headers) error {
		*log = append(*log, logged{append([]byte(nil), key...), append([]byte(nil), value...), ts, h})
		return nil
	}
	return env, log
}

func TestStoresWithHeaders(t *testing.T) {
	type store interface {
		state.Store
		put(v headed) error
		get() (headed, bool, error)
		end() error
	}
	for name, open := range map[string]func(env state.Env) store{
		"key-value": func(env state.Env) store {
			return kvHeaders{state.KeyValue("s", serde.String, headedText, state.Cached()).OpenKV(env)}
		},
		"timestamped": func(env state.Env) store {
			return timedHeaders{state.Timestamped("s", serde.String, headedText, state.Cached()).OpenKV(env)}
		},
		"window": func(env state.Env) store {
			return windowHeaders{state.TimestampedWindow("s", serde.String, headedText, time.Hour, time.Minute, state.Cached()).OpenWindow(env)}
		},
		"session": func(env state.Env) store {
			return sessionHeaders{state.Session("s", serde.String, headedText, time.Hour, state.Cached()).OpenSession(env)}
		},
	} {
		for _, cached := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				var cache *state.Cache
				if cached {
					cache = state.NewCache(1 << 20)
				}
				deleter := processor.Headers{{Key: "by", Value: []byte("ann")}}
				rec := &state.Record{Timestamp: 7, Headers: deleter}
				txn, p := openPartition(t, openDB(t), "s", 0)
				env, log := headersTask(p, cache, rec)
				s := open(env)
				want := headed{"v", twoHeaders()}
				require.NoError(t, s.put(want))
				got, ok, err := s.get()
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, want, got)
				require.NoError(t, s.Flush())
				require.Len(t, *log, 1)
				put := (*log)[0]
				require.Equal(t, "v", string(put.value), "the changelog has the plain value")
				require.Equal(t, twoHeaders(), put.headers)
				require.Equal(t, int64(7), put.ts)
				require.NoError(t, txn.Commit())

				require.NoError(t, s.end())
				require.NoError(t, s.Flush())
				require.Equal(t, deleter, (*log)[1].headers, "a tombstone has the headers of the record at hand")

				txn, p = openPartition(t, openDB(t), "s", 0)
				env, _ = headersTask(p, nil, rec)
				s = open(env)
				require.NoError(t, s.Restore(put.key, put.value, put.ts, put.headers))
				require.NoError(t, txn.Commit())
				got, ok, err = s.get()
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, want, got)
			})
		}
	}
}

type kvHeaders struct{ *state.KV[string, headed] }

func (s kvHeaders) put(v headed) error         { return s.Put("k", v) }
func (s kvHeaders) get() (headed, bool, error) { return s.Get("k") }
func (s kvHeaders) end() error                 { return s.Delete("k") }

type timedHeaders struct {
	*state.TimestampedKV[string, headed]
}

func (s timedHeaders) put(v headed) error { return s.Put("k", v, 7) }
func (s timedHeaders) get() (headed, bool, error) {
	v, _, ok, err := s.Get("k")
	return v, ok, err
}
func (s timedHeaders) end() error { return s.Delete("k") }

type windowHeaders struct {
	*state.WindowStore[string, headed]
}

func (s windowHeaders) put(v headed) error { return s.Put("k", 5, v, 7) }
func (s windowHeaders) get() (headed, bool, error) {
	v, _, ok, err := s.Get("k", 5)
	return v, ok, err
}
func (s windowHeaders) end() error { return s.Delete("k", 5) }

type sessionHeaders struct {
	*state.SessionStore[string, headed]
}

func (s sessionHeaders) put(v headed) error         { return s.Put("k", 3, 5, v) }
func (s sessionHeaders) get() (headed, bool, error) { return s.Get("k", 3, 5) }
func (s sessionHeaders) end() error                 { return s.Delete("k", 3, 5) }

// A null deletes, with whatever headers it comes.
func TestNullWithHeadersDeletes(t *testing.T) {
	_, p := openPartition(t, openDB(t), "s", 0)
	env, log := headersTask(p, nil, &state.Record{Timestamp: 7})
	s := state.KeyValue("s", serde.String, state.HeadersSerde(serde.Nullable(serde.String))).OpenKV(env)
	v := "v"
	require.NoError(t, s.Put("k", state.WithHeaders[*string]{Value: &v}))
	require.NoError(t, s.Put("k", state.WithHeaders[*string]{Headers: twoHeaders()}))
	_, ok, err := s.Get("k")
	require.NoError(t, err)
	require.False(t, ok)
	require.Nil(t, (*log)[1].value)
}

func TestVersionsKeepNoHeaders(t *testing.T) {
	_, p := openPartition(t, openDB(t), "s", 0)
	_, err := state.Versioned("s", serde.String, headedText, time.Hour).Open((&task{}).env(p, nil))
	require.ErrorContains(t, err, "a versioned store cannot keep headers")
}

func FuzzHeaders(f *testing.F) {
	f.Add([]byte("\x14\x04\x04h1\x02x\x04h2\x01v"))
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var v headed
		if headedText.Decode(b, &v) != nil {
			return
		}
		again, err := headedText.Append(nil, v)
		require.NoError(t, err)
		var w headed
		require.NoError(t, headedText.Decode(again, &w))
		require.Equal(t, v, w)
	})
}
