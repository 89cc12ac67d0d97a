package runtime

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
)

func storesOf(t *testing.T, db *state.DB) (names []string) {
	t.Helper()
	parts, err := db.Partitions()
	require.NoError(t, err)
	for _, p := range parts {
		names = append(names, p.Store)
	}
	return names
}

// TestCleaner: state goes once it was not open for the whole time, at every look.
func TestCleaner(t *testing.T) {
	db, err := state.Open(mem.New(), state.Options{})
	require.NoError(t, err)
	used := db.NewTxn()
	_, err = used.Open("used", 0)
	require.NoError(t, err)
	left := db.NewTxn()
	p, err := left.Open("left", 0)
	require.NoError(t, err)
	left.Release(p)

	c := newCleaner(db, time.Minute, slog.New(slog.DiscardHandler))
	at := time.Unix(0, 0)
	sweep := func(after time.Duration, want ...string) {
		t.Helper()
		at = at.Add(after)
		require.NoError(t, c.sweep(at))
		require.Equal(t, want, storesOf(t, db))
	}
	sweep(0, "left", "used")
	sweep(59*time.Second, "left", "used")
	p, err = left.Open("left", 0) // it is back
	require.NoError(t, err)
	sweep(time.Second, "left", "used")
	left.Release(p)
	sweep(time.Second, "left", "used")
	sweep(59*time.Second, "left", "used")
	sweep(time.Second, "used")
	sweep(time.Hour, "used")
}

// TestStateCleanup: the state of a store that a new version has no more goes,
// that of the others stays.
func TestStateCleanup(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "counts": 1})
	run := func(app string, d *disk, stores ...string) *process {
		b := dsl.NewBuilder()
		for _, s := range stores {
			b.Stream(linesTopic).GroupByKey().Count(s).ToStream().To(countsTopic, dsl.Named("to-"+s))
		}
		topo, err := b.Build()
		require.NoError(t, err)
		cfg := r.config(app)
		cfg.State, cfg.StateCleanup = d, 50*time.Millisecond
		return r.start(topo, cfg)
	}
	d := new(disk)
	p := run("app", d, "kept", "gone")
	r.produce("lines", 0, kv{"k", "v"})
	r.committed("counts", 0, count(2))
	require.NoError(t, p.stop())

	p = run("app", d, "kept")
	require.Eventually(t, func() bool { return p.State() == Running }, 20*time.Second, 5*time.Millisecond)
	require.Eventually(t, func() bool {
		stores := storesOf(t, p.db)
		return len(stores) == 1 && stores[0] == "kept"
	}, 20*time.Second, 5*time.Millisecond)
}
