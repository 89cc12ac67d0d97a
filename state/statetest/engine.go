// Package statetest is what every state engine must pass: the conformance of
// the engine itself, of the stores on it, and what is left of it when its
// process is killed.
package statetest

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/thalweg/thalweg/state"
)

// Engine runs the conformance tests. open returns the backend for a directory,
// which an engine in memory ignores; durable says that it keeps what is in it
// over a clean close.
func Engine(t *testing.T, open func(dir string) state.Backend, durable bool) {
	t.Run("Model", func(t *testing.T) { engineModel(t, open, durable) })
	t.Run("Snapshots", func(t *testing.T) { engineSnapshots(t, open) })
	t.Run("LargeBatch", func(t *testing.T) { engineLargeBatch(t, open) })
	t.Run("Closed", func(t *testing.T) { engineClosed(t, open) })
	t.Run("Stores", func(t *testing.T) { Stores(t, open) })
	if durable {
		t.Run("OneOpener", func(t *testing.T) { engineOneOpener(t, open) })
	}
}

// small makes engines flush and compact within a test.
var small = state.Options{Memory: 1 << 20}

func openEngine(t require.TestingT, b state.Backend) state.Engine {
	e, err := b.Open(small)
	require.NoError(t, err)
	return e
}

// collect reads an iterator to its end.
func collect(t require.TestingT, it state.Iterator) []string {
	got := []string{}
	for it.Next() {
		got = append(got, fmt.Sprintf("%s=%s", it.Key(), it.Value()))
	}
	require.NoError(t, it.Err())
	require.NoError(t, it.Close())
	return got
}

// expect is what a scan of the model shows.
func expect(m map[string]string, lo, hi string, unbounded, reverse bool) []string {
	want := []string{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= lo && (unbounded || k < hi) {
			want = append(want, k+"="+m[k])
		}
	}
	if reverse {
		slices.Reverse(want)
	}
	return want
}

// engineModel compares an engine with a map under random batches, reads, scans
// and snapshots, and over clean restarts.
func engineModel(t *testing.T, open func(dir string) state.Backend, durable bool) {
	backend := open(t.TempDir())
	e := openEngine(t, backend)
	defer func() { require.NoError(t, e.Close()) }()
	rapid.Check(t, func(rt *rapid.T) {
		var all state.Batch
		all.DeleteRange([]byte{0}, bytes.Repeat([]byte{0xff}, 8))
		require.NoError(rt, e.Apply(&all))
		model := map[string]string{}
		key := rapid.StringMatching(`[a-c\x00\xff]{1,4}`)
		value := rapid.StringMatching(`[x-z]{0,5}`)
		bound := func() (lo, hi string, end []byte, unbounded, reverse bool) {
			lo, hi = key.Draw(rt, "lo"), key.Draw(rt, "hi")
			unbounded, reverse = rapid.Bool().Draw(rt, "unbounded"), rapid.Bool().Draw(rt, "reverse")
			if end = []byte(hi); unbounded {
				end = nil
			}
			return
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 10).Draw(rt, "op") {
			case 0, 1, 2, 3:
				var b state.Batch
				for range rapid.IntRange(0, 6).Draw(rt, "writes") {
					k := key.Draw(rt, "k")
					switch rapid.IntRange(0, 5).Draw(rt, "write") {
					case 0:
						b.Delete([]byte(k))
						delete(model, k)
					case 1:
						hi := key.Draw(rt, "hi")
						if k < hi {
							b.DeleteRange([]byte(k), []byte(hi))
							maps.DeleteFunc(model, func(at, _ string) bool { return at >= k && at < hi })
						}
					default:
						v := value.Draw(rt, "v")
						b.Put([]byte(k), []byte(v))
						model[k] = v
					}
				}
				require.NoError(rt, e.Apply(&b))
			case 4, 5:
				k := key.Draw(rt, "k")
				v, ok, err := e.Get([]byte("old"), []byte(k))
				require.NoError(rt, err)
				want, has := model[k]
				require.Equal(rt, has, ok)
				require.Equal(rt, want, string(v))
			case 6, 7:
				lo, hi, end, unbounded, reverse := bound()
				require.Equal(rt, expect(model, lo, hi, unbounded, reverse), collect(rt, e.Scan([]byte(lo), end, reverse)))
			case 8:
				s, then := e.Snapshot(), maps.Clone(model)
				var b state.Batch
				b.Put([]byte("a"), []byte("later"))
				b.DeleteRange([]byte("b"), []byte("c"))
				require.NoError(rt, e.Apply(&b))
				model["a"] = "later"
				maps.DeleteFunc(model, func(at, _ string) bool { return at >= "b" && at < "c" })
				lo, hi, end, unbounded, reverse := bound()
				require.Equal(rt, expect(then, lo, hi, unbounded, reverse), collect(rt, s.Scan([]byte(lo), end, reverse)))
				require.NoError(rt, s.Close())
			case 9:
				if rapid.IntRange(0, 3).Draw(rt, "ingest") > 0 {
					continue // syncs take long
				}
				require.NoError(rt, e.Ingest(drawRun(rt, key, value, "", "b", model), drawRun(rt, key, value, "b", "\xff\xff\xff\xff\xff", model)))
			case 10:
				if durable && rapid.IntRange(0, 30).Draw(rt, "restart") == 0 {
					require.NoError(rt, e.Close())
					e = openEngine(rt, backend)
				}
			}
		}
		require.Equal(rt, expect(model, "", "", true, false), collect(rt, e.Scan(nil, nil, false)))
	})
}

// drawRun makes a run of random writes in [lo, hi), in the model too.
func drawRun(t *rapid.T, key, value *rapid.Generator[string], lo, hi string, model map[string]string) state.Run {
	deletes := map[string]bool{}
	for range rapid.IntRange(0, 6).Draw(t, "rows") {
		k := key.Draw(t, "k")
		if k < lo || k >= hi {
			continue
		}
		if deletes[k] = rapid.IntRange(0, 3).Draw(t, "delete") == 0; deletes[k] {
			delete(model, k)
		} else {
			model[k] = value.Draw(t, "v")
		}
	}
	rows := maps.Clone(model)
	return func(yield func(op state.Op, key, value []byte)) {
		for _, k := range slices.Sorted(maps.Keys(deletes)) {
			op := state.OpPut
			if deletes[k] {
				op = state.OpDelete
			}
			yield(op, []byte(k), []byte(rows[k]))
		}
	}
}

// engineSnapshots reads snapshots in other goroutines while batches that keep
// two rows equal are applied.
func engineSnapshots(t *testing.T, open func(dir string) state.Backend) {
	e := openEngine(t, open(t.TempDir()))
	defer func() { require.NoError(t, e.Close()) }()
	write := func(i int) {
		var b state.Batch
		v := fmt.Appendf(nil, "%d", i)
		b.Put([]byte("left"), v)
		b.Put([]byte("right"), v)
		b.Put(fmt.Appendf(nil, "row-%d", i), v)
		require.NoError(t, e.Apply(&b))
	}
	write(0)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				s := e.Snapshot()
				l, _, err := s.Get(nil, []byte("left"))
				r, _, err2 := s.Get(nil, []byte("right"))
				if err != nil || err2 != nil || !bytes.Equal(l, r) {
					t.Errorf("left %s (%v), right %s (%v)", l, err, r, err2)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 500 {
		write(i + 1)
	}
	close(done)
	wg.Wait()
}

// engineLargeBatch applies a batch larger than the memory, changes it at once,
// and finds what was in it.
func engineLargeBatch(t *testing.T, open func(dir string) state.Backend) {
	e := openEngine(t, open(t.TempDir()))
	defer func() { require.NoError(t, e.Close()) }()
	var b state.Batch
	value := bytes.Repeat([]byte("v"), 1000)
	for i := range 3000 {
		b.Put(fmt.Appendf(nil, "%08d", i), value)
	}
	require.NoError(t, e.Apply(&b))
	b.Reset()
	for range 3000 {
		b.Put([]byte("zzzzzzzz"), bytes.Repeat([]byte("w"), 1000))
	}
	it := e.Scan(nil, nil, false)
	n := 0
	for it.Next() {
		require.Equal(t, fmt.Sprintf("%08d", n), string(it.Key()))
		require.Equal(t, value, it.Value())
		n++
	}
	require.NoError(t, it.Close())
	require.Equal(t, 3000, n)
}

func engineClosed(t *testing.T, open func(dir string) state.Backend) {
	e := openEngine(t, open(t.TempDir()))
	require.NoError(t, e.Close())
	_, _, err := e.Get(nil, []byte("k"))
	require.ErrorIs(t, err, state.ErrClosed)
	var b state.Batch
	b.Put([]byte("k"), []byte("v"))
	require.ErrorIs(t, e.Apply(&b), state.ErrClosed)
	require.ErrorIs(t, e.Ingest(func(yield func(op state.Op, key, value []byte)) {
		yield(state.OpPut, []byte("k"), []byte("v"))
	}), state.ErrClosed)
	it := e.Scan(nil, nil, false)
	require.False(t, it.Next())
	require.ErrorIs(t, it.Close(), state.ErrClosed)
	_, _, err = e.Snapshot().Get(nil, []byte("k"))
	require.ErrorIs(t, err, state.ErrClosed)
	require.ErrorIs(t, e.Close(), state.ErrClosed)
}

func engineOneOpener(t *testing.T, open func(dir string) state.Backend) {
	dir := t.TempDir()
	e := openEngine(t, open(dir))
	_, err := open(dir).Open(small)
	require.ErrorIs(t, err, state.ErrInUse)
	require.NoError(t, e.Close())
}
