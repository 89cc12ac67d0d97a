package produce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
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

// A producer without transactions takes the next epoch itself while there is one.
func TestLastEpoch(t *testing.T) {
	p := New(Config{})
	for _, x := range []struct {
		epoch, next int16
		spent       bool
	}{{0, 1, false}, {math.MaxInt16 - 1, math.MaxInt16, false}, {math.MaxInt16, math.MaxInt16, true}} {
		p.id, p.epoch, p.spent = 7, x.epoch, false
		p.topics["t"] = &topic{name: "t"}
		p.topics["t"].parts = []*part{{topic: p.topics["t"], sequence: 5, sealed: []*pending{new(pending)}}}
		p.Drop()
		require.Equal(t, x.next, p.epoch)
		require.Equal(t, x.spent, p.Spent())
		if !x.spent {
			require.Zero(t, p.topics["t"].parts[0].sequence)
		}
	}
}
