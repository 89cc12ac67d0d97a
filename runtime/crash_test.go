package runtime

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/broker/brokertest"
	"github.com/thalweg/thalweg/runtime/internal/commit"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
)

// chain checks what an exactly-once count promises: per key, each count is
// larger than the one before, so none was taken back and counted again. It
// returns the last ones.
func chain(t *testing.T, rs []*kgo.Record) map[string]int64 {
	t.Helper()
	last := make(map[string]int64)
	for _, r := range rs {
		n := int64(binary.BigEndian.Uint64(r.Value))
		require.Greater(t, n, last[string(r.Key)], "key %s at offset %d", r.Key, r.Offset)
		last[string(r.Key)] = n
	}
	return last
}

// feed produces lines of random words in the background and returns the truth.
func feed(r *rig, seed uint64, lines int, partitions int32) (want map[string]int64, wait func()) {
	rng := rand.New(rand.NewPCG(seed, 1))
	want = make(map[string]int64)
	var all [][]kv
	for range lines / 10 {
		var rs []kv
		for range 10 {
			var line []string
			for range 1 + rng.IntN(4) {
				w := fmt.Sprint("w", rng.IntN(12))
				line = append(line, w)
				want[w]++
			}
			rs = append(rs, kv{"", strings.Join(line, " ")})
		}
		all = append(all, rs)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i, rs := range all {
			r.produce("lines", int32(i)%partitions, rs...)
			time.Sleep(time.Millisecond)
		}
	})
	return want, wg.Wait
}

// killer crashes an application at a step that the seed chooses.
func killer(rng *rand.Rand) (hook func(*App, int, commit.Step), killed chan commit.Step) {
	killed = make(chan commit.Step, 1)
	var mu sync.Mutex
	left := 1 + rng.IntN(500)
	return func(a *App, _ int, step commit.Step) {
		mu.Lock()
		defer mu.Unlock()
		if left--; left == 0 {
			a.crashed.Store(true)
			killed <- step
		}
	}, killed
}

// TestCrash kills a counting application again and again, between any two steps
// of its work, with its local state kept or gone. Exactly once, the counts are
// the truth; at least once, they may only be higher.
func TestCrash(t *testing.T) {
	for _, m := range abortModes {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("%s/seed=%d", m.name, seed), func(t *testing.T) {
				t.Parallel()
				rng := rand.New(rand.NewPCG(seed, 2))
				r := newRig(t, map[string]int32{"lines": 2, "counts": 1})
				g := m.guarantee
				r.protocol1 = m.protocol1
				want, wait := feed(r, seed, 1500, 2)
				backend := state.Backend(new(disk))
				for range 6 {
					if rng.IntN(3) == 0 {
						backend = new(disk)
					}
					cfg := r.config("app")
					cfg.Guarantee, cfg.State, cfg.InstanceID = g, backend, "one"
					cfg.CommitInterval = 5 * time.Millisecond
					hook, killed := killer(rng)
					p := r.startHooked(wordCount(t), cfg, hook)
					select {
					case <-killed:
						p.crash()
					case err := <-p.done:
						t.Fatalf("seed %d: %v", seed, err)
					case <-time.After(10 * time.Second): // nothing more to do
						require.NoError(t, p.stop())
					}
				}
				wait()
				cfg := r.config("app")
				cfg.Guarantee, cfg.State, cfg.InstanceID = g, backend, "one"
				cfg.CommitInterval = 5 * time.Millisecond
				p := r.start(wordCount(t), cfg)
				if g == ExactlyOnce {
					got := r.committed("counts", 0, func(rs []*kgo.Record) bool { return maps.Equal(last(rs), want) })
					require.Equal(t, want, chain(t, got))
					// What there is on disk is what the outputs say.
					require.NoError(t, p.stop())
					require.Equal(t, want, stored(t, backend))
				} else {
					r.committed("counts", 0, func(rs []*kgo.Record) bool {
						got := last(rs)
						for w, n := range want {
							if got[w] < n {
								return false
							}
						}
						return true
					})
					require.NoError(t, p.stop())
				}
			})
		}
	}
}

// stored reads all counts out of the engine.
func stored(t *testing.T, b state.Backend) map[string]int64 {
	t.Helper()
	db, err := state.Open(b, state.Options{})
	require.NoError(t, err)
	defer db.Close()
	parts, err := db.Partitions()
	require.NoError(t, err)
	got := make(map[string]int64)
	for _, p := range parts {
		view, ok, err := db.View(db.Engine(), p.Store, p.Partition)
		require.NoError(t, err)
		require.True(t, ok)
		it := view.Scan(nil, nil, false)
		for it.Next() {
			v := it.Value() // timestamp | count
			got[string(it.Key())] = int64(binary.BigEndian.Uint64(v[8:]))
		}
		require.NoError(t, it.Close())
	}
	return got
}

// TestTwoProcesses moves tasks between processes by joins, departures and
// crashes while records flow, in one transaction protocol and the other.
func TestTwoProcesses(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 3))
			// kfake, as it allows short sessions: a crash is found out soon.
			r := newFakeRig(t, map[string]int32{"lines": 4, "counts": 1})
			r.protocol1 = seed%2 == 1
			want, wait := feed(r, seed, 3000, 4)
			start := func(hook func(*App, int, commit.Step)) *process {
				cfg := r.config("app")
				cfg.State = mem.New()
				cfg.CommitInterval = 5 * time.Millisecond
				return r.startHooked(wordCount(t), cfg, hook)
			}
			stays := start(nil)
			for range 4 {
				hook, killed := killer(rng)
				other := start(hook)
				select {
				case <-killed:
					other.crash()
				case err := <-other.done:
					t.Fatalf("seed %d: %v", seed, err)
				case err := <-stays.done:
					t.Fatalf("seed %d: the one that stays: %v", seed, err)
				case <-time.After(2 * time.Second):
					require.NoError(t, other.stop())
				}
			}
			wait()
			got := r.committed("counts", 0, func(rs []*kgo.Record) bool { return maps.Equal(last(rs), want) })
			require.Equal(t, want, chain(t, got))
			require.NoError(t, stays.stop())
		})
	}
}

// TestBrokerRestart kills the broker under a running application, and starts it
// again on its data.
func TestBrokerRestart(t *testing.T) {
	for _, protocol1 := range []bool{false, true} {
		t.Run(fmt.Sprint("protocol1=", protocol1), func(t *testing.T) { brokerRestart(t, protocol1) })
	}
}

func brokerRestart(t *testing.T, protocol1 bool) {
	c := brokertest.Start(t, brokertest.OnDisk(t), brokertest.With(func(c *broker.Config) { c.CoordinatorPartitions = 2 }))
	r := rigAt(t, c.Addrs(), map[string]int32{"lines": 2, "counts": 1})
	r.session, r.protocol1 = 6*time.Second, protocol1
	want, wait := feed(r, 1, 6000, 2)
	p := r.start(wordCount(t), r.config("app"))
	for range 3 {
		time.Sleep(300 * time.Millisecond)
		c.Kill()
		c.Restart()
	}
	wait()
	got := r.committed("counts", 0, func(rs []*kgo.Record) bool { return maps.Equal(last(rs), want) })
	require.Equal(t, want, chain(t, got))
	require.NoError(t, p.stop())
}
