package testdriver_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
)

// written are stores of every kind that one processor writes.
var written = struct {
	kv        state.KVHandle[string, string]
	timed     state.TimestampedHandle[string, string]
	windows   state.WindowHandle[string, string]
	twice     state.WindowHandle[string, string]
	sessions  state.SessionHandle[string, string]
	versioned state.VersionedHandle[string, string]
}{
	state.KeyValue("kv", serde.String, serde.String, state.Cached()),
	state.Timestamped("timed", serde.String, serde.String, state.Cached()),
	state.Window("windows", serde.String, serde.String, time.Hour, time.Minute, state.Cached()),
	state.Window("twice", serde.String, serde.String, time.Hour, time.Minute, state.Duplicates()),
	state.Session("sessions", serde.String, serde.String, time.Hour),
	state.Versioned("versioned", serde.String, serde.String, time.Hour),
}

// put writes to every store and returns the errors.
func put(s state.Stores, k, v string, at int64) map[string]error {
	errs := map[string]error{}
	errs["kv"] = written.kv.In(s).Put(k, v)
	errs["timed"] = written.timed.In(s).Put(k, v, at)
	errs["windows"] = written.windows.In(s).Put(k, at, v, at)
	errs["twice"] = written.twice.In(s).Put(k, at, v, at)
	errs["sessions"] = written.sessions.In(s).Put(k, at, at, v)
	_, errs["versioned"] = written.versioned.In(s).Put(k, v, at)
	return errs
}

// remove deletes from every store and returns the errors.
func remove(s state.Stores, k string, at int64) map[string]error {
	errs := map[string]error{}
	errs["kv"] = written.kv.In(s).Delete(k)
	errs["timed"] = written.timed.In(s).Delete(k)
	errs["windows"] = written.windows.In(s).Delete(k, at)
	errs["twice"] = written.twice.In(s).Delete(k, at)
	errs["sessions"] = written.sessions.In(s).Delete(k, at, at)
	_, _, _, errs["versioned"] = written.versioned.In(s).Delete(k, at)
	return errs
}

// read returns what each store has for k.
func read(t *testing.T, s state.Stores, k string, at int64) []string {
	t.Helper()
	var got []string
	see := func(v string, ok bool, err error) {
		require.NoError(t, err)
		if ok {
			got = append(got, v)
		}
	}
	v, ok, err := written.kv.In(s).Get(k)
	see(v, ok, err)
	v, _, ok, err = written.timed.In(s).Get(k)
	see(v, ok, err)
	v, _, ok, err = written.windows.In(s).Get(k, at)
	see(v, ok, err)
	for e, err := range written.twice.In(s).Fetch(k, at, at) {
		see(e.Value, true, err)
	}
	v, ok, err = written.sessions.In(s).Get(k, at, at)
	see(v, ok, err)
	v, _, ok, err = written.versioned.In(s).Get(k)
	see(v, ok, err)
	return got
}

type putter struct{}

func (putter) Process(c *processor.Context, r processor.Record[string, string], _ *processor.Out[string, string]) error {
	for _, err := range put(c, r.Key, r.Value, r.Timestamp) {
		if err != nil {
			return err
		}
	}
	return nil
}

func newPutter() putter { return putter{} }

func all() []topology.Declared {
	return []topology.Declared{written.kv, written.timed, written.windows, written.twice, written.sessions, written.versioned}
}

// Stores that one processor writes are seen at once by the others, which cannot
// write them.
func TestStoresOfOthersAreReadOnly(t *testing.T) {
	for name, add := range map[string]func(b *topology.Builder){
		"read-only": func(b *topology.Builder) {
			for _, h := range all() {
				b.AddReadOnlyStore(h, "put-"+h.StoreName(), topology.NewTopic("in-"+h.StoreName(), serde.String, serde.String), func() processor.Func[string, string, string, string] {
					return func(c *processor.Context, r processor.Record[string, string], _ *processor.Out[string, string]) error {
						return put(c, r.Key, r.Value, r.Timestamp)[h.StoreName()]
					}
				})
			}
		},
		"global": func(b *topology.Builder) {
			for _, h := range all() {
				b.AddGlobalStore(h, "put-"+h.StoreName(), topology.NewTopic("in-"+h.StoreName(), serde.String, serde.String), func() processor.Func[string, string, string, string] {
					return func(c *processor.Context, r processor.Record[string, string], _ *processor.Out[string, string]) error {
						return put(c, r.Key, r.Value, r.Timestamp)[h.StoreName()]
					}
				})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			at := time.Now().UnixMilli()
			asked := 0
			b := topology.NewBuilder()
			add(b)
			b.AddProcessor("look", func() processor.Func[string, string, string, string] {
				return func(c *processor.Context, r processor.Record[string, string], _ *processor.Out[string, string]) error {
					asked++
					require.Equal(t, []string{"v", "v", "v", "v", "v", "v"}, read(t, c, r.Key, at))
					for store, err := range put(c, r.Key, "mine", at) {
						require.ErrorIs(t, err, state.ErrReadOnly, store)
					}
					for store, err := range remove(c, r.Key, at) {
						require.ErrorIs(t, err, state.ErrReadOnly, store)
					}
					require.Equal(t, []string{"v", "v", "v", "v", "v", "v"}, read(t, c, r.Key, at))
					return nil
				}
			}, b.AddSource("lines", lines))
			b.Connect("look", all()...)
			topo, err := b.Build()
			require.NoError(t, err)
			for _, opts := range [][]testdriver.Option{nil, {testdriver.ManualCommit()}, {testdriver.Partitions(2)}} {
				d := testdriver.New(t, topo, opts...)
				for _, h := range all() {
					d.Input(topology.NewTopic("in-"+h.StoreName(), serde.String, serde.String)).SendAt(time.UnixMilli(at), "k", "v")
				}
				d.Input(lines).Send("k", "")
			}
			require.Equal(t, 3, asked)
		})
	}
}

// A store of a topic is as it was after crashes and loss of the local state,
// with no changelog but the topic.
func TestReadOnlyStoresSurviveCrashes(t *testing.T) {
	prices := state.KeyValue("prices", serde.String, serde.String)
	in := topology.NewTopic("prices", serde.String, serde.String)
	b := topology.NewBuilder()
	b.AddReadOnlyStore(prices, "put", in, func() processor.Func[string, string, string, string] {
		return func(c *processor.Context, r processor.Record[string, string], _ *processor.Out[string, string]) error {
			return prices.In(c).Put(r.Key, r.Value)
		}
	})
	topo, err := b.Build()
	require.NoError(t, err)
	require.Equal(t, "prices", topo.Stores[0].Changelog("app"))
	crashes := 0
	for seed := range uint64(10) {
		d := testdriver.New(t, topo, testdriver.WithCrashes(seed))
		for i := range 20 {
			d.Input(in).Send(string(rune('a'+i%5)), string(rune('a'+i)))
		}
		for k, want := range map[string]string{"a": "p", "b": "q", "c": "r", "d": "s", "e": "t"} {
			got, ok, err := d.Store(prices).Get(k)
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, want, got)
		}
		require.Empty(t, d.Records(), "nothing is written")
		crashes += d.Crashes()
	}
	require.NotZero(t, crashes)
}

// A store that is not connected says so, whatever is done with it.
func TestStoresThatAreNotConnected(t *testing.T) {
	b := topology.NewBuilder()
	in := b.AddSource("lines", lines)
	b.AddProcessor("put", newPutter, in)
	b.Connect("put", all()...)
	b.AddProcessor("look", func() processor.Func[string, string, string, string] {
		return func(c *processor.Context, r processor.Record[string, string], _ *processor.Out[string, string]) error {
			for store, err := range put(c, r.Key, "mine", r.Timestamp) {
				require.ErrorContains(t, err, `node "look" is not connected to store "`+store+`"`)
			}
			return nil
		}
	}, in)
	topo, err := b.Build()
	require.NoError(t, err)
	testdriver.New(t, topo).Input(lines).Send("k", "v")
}
