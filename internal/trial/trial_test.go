package trial

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/internal/trial/spec"
	"github.com/thalweg/thalweg/internal/trial/verify"
	"github.com/thalweg/thalweg/state/mem"
)

// calm runs the application once without any fault, and reads what is there afterwards.
func calm(t *testing.T, s settings) verify.Topics {
	t.Helper()
	cluster, err := broker.StartEmbedded(t.Context(), broker.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cluster.Close()) })
	s.Brokers, s.Workers = cluster.Addrs(), 2
	send, err := newSender(s.Brokers, 0)
	require.NoError(t, err)
	t.Cleanup(send.close)
	require.NoError(t, send.createTopics(t.Context()))

	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("THALWEG_LOG") != "" {
		log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	go func() { done <- runWorker(ctx, s, mem.New(), &fuse{}, log) }()
	g := newGenerator(1, time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC), 100)
	for range chapters {
		require.NoError(t, send.send(t.Context(), g.next()))
	}
	topics, differences, err := verify.Await(t.Context(), s.Brokers, !s.AtLeastOnce, 10*time.Second)
	require.NoError(t, err)
	require.Empty(t, differences, verify.Report(differences))
	stop()
	require.NoError(t, <-done)
	return topics
}

// What an undisturbed application writes is right, in the eyes of the verifier.
func TestCalm(t *testing.T) {
	for name, s := range map[string]settings{
		"uncached": {}, "at least once": {AtLeastOnce: true, Cached: true}, "older transactions": {Protocol1: true, Cached: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calm(t, s)
		})
	}
}

// Faults that are planted in right results are found, in each output, by both measures.
func TestPlanted(t *testing.T) {
	right := calm(t, settings{Cached: true})
	faults := map[string]struct {
		plant      func(rs []verify.Record, i int) []verify.Record
		atLeast    bool // it is one at least once, too
		tablesPass bool // it is none in a table, where the last row counts
	}{
		"lost":    {func(rs []verify.Record, i int) []verify.Record { return slices.Delete(rs, i, i+1) }, true, false},
		"doubled": {func(rs []verify.Record, i int) []verify.Record { return slices.Insert(rs, i, rs[i]) }, false, true},
		"changed": {func(rs []verify.Record, i int) []verify.Record {
			rs[i].Value, rs[i].Null = "x"+rs[i].Value, false
			return rs
		}, true, false},
		"stale": {func(rs []verify.Record, i int) []verify.Record {
			return append(rs, verify.Record{Key: rs[i].Key, Value: "stale"})
		}, true, false},
	}
	tables := []string{spec.ForeignInner, spec.ForeignLeft, spec.WalletsOut}
	for name, f := range faults {
		for _, topic := range spec.Outs {
			t.Run(name+" in "+topic, func(t *testing.T) {
				wrong := maps.Clone(right)
				wrong[topic] = slices.Clone(right[topic])
				p, i := lastRow(right[topic])
				wrong[topic][p] = f.plant(slices.Clone(right[topic][p]), i)
				for _, exactly := range []bool{true, false} {
					found := verify.Check(wrong, exactly)
					want := (exactly || f.atLeast) && !(f.tablesPass && slices.Contains(tables, topic))
					require.Equal(t, want, len(found) > 0, "exactly once: %v, found %v", exactly, found)
					for _, d := range found {
						require.Equal(t, topic, d.Topic)
					}
				}
			})
		}
	}
}

// lastRow finds the last record of a key, one that says something else than the one before it.
func lastRow(partitions [][]verify.Record) (partition, i int) {
	for p, records := range partitions {
		seen := map[string]bool{}
		for i, r := range slices.Backward(records) {
			if seen[r.Key] {
				continue
			}
			seen[r.Key] = true
			before := verify.Record{Null: true}
			for _, b := range records[:i] {
				if b.Key == r.Key {
					before = b
				}
			}
			if before.Null != r.Null || before.Value != r.Value {
				return p, i
			}
		}
	}
	panic("no such record")
}
