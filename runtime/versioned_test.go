package runtime

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/commit"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

const (
	versionKeys, versionsEach = 50, 40
	versionsBegin             = int64(1_700_000_000_000)
)

// produceAt writes records with times to partition 0 of a topic.
func (r *rig) produceAt(topic string, at func(i int) int64, records ...kv) {
	r.t.Helper()
	var rs []*kgo.Record
	for i, x := range records {
		rs = append(rs, &kgo.Record{Topic: topic, Key: []byte(x.key), Value: []byte(x.value), Timestamp: time.UnixMilli(at(i))})
	}
	require.NoError(r.t, r.client.ProduceSync(r.t.Context(), rs...).FirstErr())
}

// joinAsOf joins lines with the version of a name that was valid at their time. strike
// is called with each line.
func joinAsOf(t *testing.T, strike func(string) error) *topology.Topology {
	t.Helper()
	b := dsl.NewBuilder()
	names := b.Table(topology.NewTopic("names", serde.String, serde.String), "names", dsl.Versioned(24*time.Hour))
	b.Stream(linesTopic).
		TryMapValues(func(_ *processor.Context, r processor.Record[string, string]) (string, error) {
			return r.Value, strike(r.Value)
		}).
		JoinTable(names, func(line, name string) string { return line + " " + name }).
		To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	return topo
}

// TestVersionedTableAfterRestore: after a restore, that of a versioned table too, the
// rows are in the engine when the position says so: the first transaction may be
// aborted, the process may die before its first commit, and while it restores.
func TestVersionedTableAfterRestore(t *testing.T) {
	for _, way := range []string{"aborted", "killed", "killed while it restores"} {
		eachGuaranteeOf(t, way, func(t *testing.T, g Guarantee) {
			r := newRig(t, map[string]int32{"names": 1, "lines": 1, "out": 1})
			var struck atomic.Bool
			strikes := func(string) error { return nil }
			topo := joinAsOf(t, func(line string) error { return strikes(line) })
			cfg := r.config("app")
			cfg.Guarantee, cfg.Workers, cfg.InstanceID, cfg.State = g, 1, "one", new(disk)
			cfg.StateMemory, cfg.FetchBytes, cfg.RetryAfter = 64<<10, 8<<10, time.Millisecond
			cfg.OnError = func(*processor.Context, *processor.Failure) processor.Action { return processor.Retry }

			at := func(i int) int64 { return versionsBegin + int64(i/versionKeys)*60_000 + int64(i%versionKeys) }
			for from := 0; from < versionKeys*versionsEach; from += 100 { // small batches
				var names []kv
				for i := from; i < from+100; i++ {
					names = append(names, kv{fmt.Sprint("k", i%versionKeys), fmt.Sprintf("version %d of %d", i/versionKeys, i%versionKeys)})
				}
				r.produceAt("names", func(i int) int64 { return at(from + i) }, names...)
			}
			p := r.start(topo, cfg)
			require.Eventually(t, func() bool { return p.Metrics().RecordsIn == versionKeys*versionsEach }, 20*time.Second, time.Millisecond)
			require.NoError(t, p.stop())

			// Another machine.
			cfg.State = new(disk)
			if way == "killed while it restores" {
				for _, share := range []int64{3, 2} { // of what there is
					cut := make(chan struct{})
					var once sync.Once
					var app *App
					cfg.OnRestore = func(now RestoreProgress) {
						if now.Position >= now.End/share {
							once.Do(func() {
								app.crashed.Store(true)
								close(cut)
							})
						}
					}
					p = r.startPrepared(topo, cfg, func(a *App) { app = a })
					<-cut
					p.crash()
				}
				cfg.OnRestore = nil
				require.Positive(t, storedOffset(t, cfg.State, "names"), "some of it was written")
			}
			strikes = func(string) error {
				if way != "aborted" || struck.Swap(true) {
					return nil
				}
				return errBroken
			}
			var lines []kv
			var want []string
			for i := range versionKeys * versionsEach {
				if i%7 == 0 {
					lines = append(lines, kv{fmt.Sprint("k", i%versionKeys), fmt.Sprint(i)})
					want = append(want, fmt.Sprintf("%d version %d of %d", i, i/versionKeys, i%versionKeys))
				}
			}
			r.produceAt("lines", func(i int) int64 { return at(7 * i) }, lines...)
			killed := make(chan struct{})
			var once sync.Once
			p = r.startHooked(topo, cfg, func(a *App, _ int, step commit.Step) {
				if way == "killed" && step == commit.Flush {
					once.Do(func() {
						a.crashed.Store(true)
						close(killed)
					})
				}
			})
			if way == "killed" {
				<-killed
				p.crash()
				p = r.start(topo, cfg)
			}
			got := values(r.committed("out", 0, func(rs []*kgo.Record) bool { return slices.Contains(values(rs), want[len(want)-1]) }))
			require.NoError(t, p.stop())
			require.Equal(t, way == "aborted", struck.Load())
			if g == AtLeastOnce { // a line may have come twice
				got = distinct(got)
			}
			require.Equal(t, want, got)
		})
	}
}

// distinct leaves out what came before.
func distinct(values []string) (once []string) {
	seen := map[string]bool{}
	for _, v := range values {
		if !seen[v] {
			once = append(once, v)
		}
		seen[v] = true
	}
	return once
}

// storedOffset is the position of partition 0 of a store.
func storedOffset(t *testing.T, b state.Backend, store string) int64 {
	t.Helper()
	db, err := state.Open(b, state.Options{})
	require.NoError(t, err)
	defer db.Close()
	view, ok, err := db.View(db.Engine(), store, 0)
	require.NoError(t, err)
	require.True(t, ok)
	return view.Position().Offset
}

func eachGuaranteeOf(t *testing.T, name string, f func(*testing.T, Guarantee)) {
	for _, g := range []Guarantee{ExactlyOnce, AtLeastOnce} {
		t.Run(fmt.Sprintf("%s/%v", name, g), func(t *testing.T) { f(t, g) })
	}
}
