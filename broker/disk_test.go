package broker_test

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/broker/brokertest"
	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A full disk refuses writes, keeps what was acknowledged and goes on serving
// reads; once there is room again it takes writes.
func TestFullDiskWhileProducing(t *testing.T) {
	disk := vfs.NewFault()
	c := brokertest.Start(t, brokertest.With(func(c *broker.Config) { c.FS = disk }))
	createTopic(t, c, "topic", 1, nil)
	cl := newClient(t, c, kgo.RecordRetries(0), kgo.DisableIdempotentWrite())
	produce(t, cl, "topic", 0, 100)

	var full atomic.Bool
	disk.Inject(func(op vfs.Op) (int, error) {
		if full.Load() && op.Kind == "write" && strings.Contains(op.Name, "topic-0") {
			return 0, syscall.ENOSPC
		}
		return 0, nil
	})
	full.Store(true)
	err := cl.ProduceSync(timeout(t), &kgo.Record{Topic: "topic", Value: []byte("refused")}).FirstErr()
	require.ErrorIs(t, err, kerr.KafkaStorageError)
	requireOnce(t, consume(t, c, "topic", 100), 100)

	full.Store(false)
	produce(t, cl, "topic", 100, 100)
	requireOnce(t, consume(t, c, "topic", 200), 200)
}
