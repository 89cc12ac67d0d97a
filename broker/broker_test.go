package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, cfg broker.Config) *broker.Cluster {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := broker.StartEmbedded(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func client(t *testing.T, c *broker.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.Addrs()...), kgo.AllowAutoTopicCreation()}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestProduceAndConsume(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		t.Run(fmt.Sprintf("onDisk=%t", dir != ""), func(t *testing.T) {
			ctx := deadline(t)
			c := start(t, broker.Config{DataDir: dir})
			producer := client(t, c)
			_, err := kadm.NewClient(producer).CreateTopic(ctx, 3, 1, nil, "words")
			require.NoError(t, err)
			const n = 1000
			for i := range n {
				r := kgo.KeyStringRecord(fmt.Sprint("key", i%10), fmt.Sprint("value", i))
				r.Topic = "words"
				producer.Produce(ctx, r, func(_ *kgo.Record, err error) { require.NoError(t, err) })
			}
			require.NoError(t, producer.Flush(ctx))

			consumer := client(t, c, kgo.ConsumeTopics("words"))
			got := map[string]bool{}
			for len(got) < n {
				fs := consumer.PollFetches(ctx)
				require.NoError(t, fs.Err())
				fs.EachRecord(func(r *kgo.Record) { got[string(r.Value)] = true })
			}
		})
	}
}
