package broker_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/broker/brokertest"
	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/twmb/franz-go/pkg/kadm"
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

// compactedTopic makes a topic that is compacted often and writes values 0 to
// 1999 under 17 keys.
func compactedTopic(t *testing.T, c *brokertest.Cluster, name string) {
	createTopic(t, c, name, 1, map[string]*string{
		"cleanup.policy": kadm.StringPtr("compact"), "segment.bytes": kadm.StringPtr("4000"), "min.cleanable.dirty.ratio": kadm.StringPtr("0.1"),
	})
	cl := newClient(t, c, kgo.ProducerBatchMaxBytes(2000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for from := 0; from < 2000; from += 100 {
		produce(t, cl, name, from, 100)
	}
}

func awaitCompaction(t *testing.T, c *brokertest.Cluster, name string) {
	adm := kadm.NewClient(newClient(t, c))
	require.Eventually(t, func() bool {
		dirs, err := adm.DescribeAllLogDirs(timeout(t), nil)
		require.NoError(t, err)
		p, ok := dirs[1].Lookup("", name, 0)
		return ok && p.Size < 20_000
	}, 20*time.Second, 20*time.Millisecond)
}

func TestCompactionKeepsTheLastValues(t *testing.T) {
	for _, flush := range []broker.Flush{broker.FlushAlways, broker.FlushOS} {
		t.Run(string(flush), func(t *testing.T) {
			c := brokertest.Start(t, brokertest.With(func(c *broker.Config) {
				c.CompactionCheck, c.Flush = 10*time.Millisecond, flush
			}))
			compactedTopic(t, c, "table")
			awaitCompaction(t, c, "table")
			last := map[string]string{}
			reader := newClient(t, c, kgo.ConsumeTopics("table"))
			for done := false; !done; {
				fs := reader.PollFetches(timeout(t))
				require.NoError(t, fs.Err())
				fs.EachRecord(func(r *kgo.Record) {
					last[string(r.Key)] = string(r.Value)
					done = done || r.Offset == 1999
				})
			}
			require.Len(t, last, 17)
			for i := 1983; i < 2000; i++ {
				require.Equal(t, fmt.Sprint(i), last[fmt.Sprint("key", i%17)])
			}
		})
	}
}

// heldFS lets a cleaning of the topic "large" begin and not go on.
type heldFS struct {
	vfs.FS
	reached func()
	release <-chan struct{}
}

func (h heldFS) Open(name string, flag int) (vfs.File, error) {
	if strings.Contains(name, "large-0") && strings.HasSuffix(name, ".log.cleaned") {
		h.reached()
		<-h.release
	}
	return h.FS.Open(name, flag)
}

// Other partitions are compacted, old segments deleted and records synced while
// a cleaning takes its time.
func TestALongCleaningHoldsUpNothing(t *testing.T) {
	reached, release := make(chan struct{}), make(chan struct{})
	held := heldFS{FS: vfs.NewMem(), reached: sync.OnceFunc(func() { close(reached) }), release: release}
	c := brokertest.Start(t, brokertest.With(func(c *broker.Config) {
		c.FS, c.Flush = held, broker.FlushOS
		c.CompactionCheck, c.RetentionCheck = 10*time.Millisecond, 10*time.Millisecond
	}))
	t.Cleanup(sync.OnceFunc(func() { close(release) })) // before the broker stops
	compactedTopic(t, c, "large")
	select {
	case <-reached:
	case <-timeout(t).Done():
		t.Fatal("the large topic is not cleaned")
	}
	compactedTopic(t, c, "small")
	awaitCompaction(t, c, "small")
	requireOldSegmentsDeleted(t, c)
}

// With flush=os, too, records become durable some time after they were written,
// and then survive a loss of power.
func TestFlushOSSyncsInTheBackground(t *testing.T) {
	disk := vfs.NewFault()
	c := brokertest.Start(t, brokertest.With(func(c *broker.Config) {
		c.FS, c.Flush, c.SyncInterval = disk, broker.FlushOS, 10*time.Millisecond
	}))
	createTopic(t, c, "topic", 1, nil)
	var unsynced atomic.Bool
	disk.Inject(func(op vfs.Op) (int, error) {
		if strings.Contains(op.Name, "topic-0") && strings.HasSuffix(op.Name, ".log") {
			switch op.Kind {
			case "write":
				unsynced.Store(true)
			case "sync":
				unsynced.Store(false)
			}
		}
		return 0, nil
	})
	produce(t, newClient(t, c), "topic", 0, 100)
	require.Eventually(t, func() bool { return !unsynced.Load() }, 20*time.Second, time.Millisecond)
	disk.Inject(nil)
	c.Kill()
	disk.Crash(rand.New(rand.NewPCG(1, 1)))
	c.Restart()
	requireOnce(t, consume(t, c, "topic", 100), 100)
}

func TestRetentionDeletesOldSegments(t *testing.T) {
	requireOldSegmentsDeleted(t, brokertest.Start(t, brokertest.With(func(c *broker.Config) { c.RetentionCheck = 10 * time.Millisecond })))
}

func requireOldSegmentsDeleted(t *testing.T, c *brokertest.Cluster) {
	createTopic(t, c, "short", 1, map[string]*string{"retention.bytes": kadm.StringPtr("3000"), "segment.bytes": kadm.StringPtr("2000")})
	cl := newClient(t, c, kgo.ProducerBatchMaxBytes(1500))
	for from := 0; from < 1000; from += 50 {
		produce(t, cl, "short", from, 50)
	}
	adm := kadm.NewClient(cl)
	require.Eventually(t, func() bool {
		offsets, err := adm.ListStartOffsets(timeout(t), "short")
		require.NoError(t, err)
		o, _ := offsets.Lookup("short", 0)
		return o.Offset > 500
	}, 20*time.Second, 20*time.Millisecond)
	// A consumer from the start gets what is left.
	require.NotEmpty(t, consume(t, c, "short", 1))
}
