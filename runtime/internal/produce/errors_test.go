package produce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestPassing(t *testing.T) {
	for _, err := range []error{
		io.EOF, context.DeadlineExceeded, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.ConcurrentTransactions,
		kerr.UnstableOffsetCommit, kerr.NotLeaderForPartition, kerr.RequestTimedOut,
	} {
		require.True(t, Passing(fmt.Errorf("asking: %w", err)), err)
	}
	for _, err := range []error{
		errors.New("no"), context.Canceled, kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ProducerFenced,
	} {
		require.False(t, Passing(fmt.Errorf("asking: %w", err)), err)
	}
}

// A broker that has left the cluster is one that cannot be reached.
func TestUnknownBrokerPasses(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	require.NoError(t, err)
	defer fake.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	require.NoError(t, err)
	defer client.Close()
	p := New(Config{Client: client})
	_, err = client.Broker(99).Request(p.ctx, p.encode(&request{}))
	require.ErrorContains(t, err, "unknown broker")
	require.True(t, Unreachable(err))
}
