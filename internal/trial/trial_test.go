package trial

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/broker"
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

func TestCalm(t *testing.T) {
	for name, s := range map[string]settings{"cached": {Cached: true}, "uncached": {}} {
		t.Run(name, func(t *testing.T) { calm(t, s) })
	}
}
