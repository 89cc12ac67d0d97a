package runtime

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/broker/brokertest"
	"github.com/thalweg/thalweg/runtime/internal/commit"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/topology"
)

func TestMain(m *testing.M) {
	if os.Getenv(childBrokers) != "" {
		os.Exit(child())
	}
	goleak.VerifyTestMain(m)
}

// rig is a cluster to run applications against.
type rig struct {
	t       *testing.T
	cluster *brokertest.Cluster // nil for kfake
	addrs   []string
	session time.Duration // the shortest there may be
	client  *kgo.Client   // reads committed
	// protocol1 has applications speak the transactions of version 1.
	protocol1 bool
}

// newRig starts this module's broker with topics of the given numbers of
// partitions.
func newRig(t *testing.T, topics map[string]int32) *rig {
	t.Helper()
	c := brokertest.Start(t, brokertest.With(func(c *broker.Config) { c.CoordinatorPartitions = 2 }))
	r := rigAt(t, c.Addrs(), topics)
	r.cluster, r.session = c, 6*time.Second
	return r
}

// newFakeRig starts kfake, which has another author.
func newFakeRig(t *testing.T, topics map[string]int32) *rig {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond), kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	require.NoError(t, err)
	t.Cleanup(fake.Close)
	r := rigAt(t, fake.ListenAddrs(), topics)
	r.session = 400 * time.Millisecond
	return r
}

// eachRig runs a test against both.
func eachRig(t *testing.T, topics map[string]int32, f func(*testing.T, *rig)) {
	t.Run("broker", func(t *testing.T) { f(t, newRig(t, topics)) })
	t.Run("kfake", func(t *testing.T) { f(t, newFakeRig(t, topics)) })
}

func rigAt(t *testing.T, addrs []string, topics map[string]int32) *rig {
	t.Helper()
	r := &rig{t: t, addrs: addrs}
	var err error
	r.client, err = kgo.NewClient(kgo.SeedBrokers(r.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.AlwaysRetryEOF())
	require.NoError(t, err)
	t.Cleanup(r.client.Close)
	req := kmsg.NewPtrCreateTopicsRequest()
	for name, n := range topics {
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, n, 1
		req.Topics = append(req.Topics, rt)
	}
	if len(topics) > 0 {
		resp, err := req.RequestWith(t.Context(), r.client)
		require.NoError(t, err)
		for _, rt := range resp.Topics {
			require.Zero(t, rt.ErrorCode)
		}
	}
	return r
}

type kv struct{ key, value string }

// produce writes records to a partition.
func (r *rig) produce(topic string, partition int32, records ...kv) {
	r.t.Helper()
	var rs []*kgo.Record
	for _, x := range records {
		rs = append(rs, &kgo.Record{Topic: topic, Partition: partition, Key: []byte(x.key), Value: []byte(x.value)})
	}
	require.NoError(r.t, r.client.ProduceSync(r.t.Context(), rs...).FirstErr())
}

// committed reads a partition from its beginning until enough says so.
func (r *rig) committed(topic string, partition int32, enough func([]*kgo.Record) bool) []*kgo.Record {
	r.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(r.addrs...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(50*time.Millisecond), kgo.AlwaysRetryEOF(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))
	require.NoError(r.t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(r.t.Context(), 60*time.Second)
	defer cancel()
	var got []*kgo.Record
	for !enough(got) {
		f := client.PollFetches(ctx)
		if ctx.Err() != nil {
			r.t.Fatalf("%s partition %d: only %d records came", topic, partition, len(got))
		}
		f.EachRecord(func(rec *kgo.Record) { got = append(got, rec) })
	}
	return got
}

// logStart is the first offset of a partition.
func (r *rig) logStart(topic string, partition int32) int64 {
	r.t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.Timestamp = partition, -2
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(r.t.Context(), r.client)
	require.NoError(r.t, err)
	return resp.Topics[0].Partitions[0].Offset
}

func count(n int) func([]*kgo.Record) bool {
	return func(rs []*kgo.Record) bool { return len(rs) >= n }
}

// config is a configuration that suits tests.
func (r *rig) config(id string) Config {
	return Config{
		ApplicationID: id, Brokers: r.addrs, State: mem.New(), Workers: 2, ReplicationFactor: 1,
		CommitInterval: 20 * time.Millisecond, HeartbeatInterval: 50 * time.Millisecond, SessionTimeout: r.session, TransactionTimeout: 2 * time.Second,
		Logger: logger(r.t),
	}
}

// logger logs to the test when THALWEG_LOG is set.
func logger(t *testing.T) *slog.Logger {
	if os.Getenv("THALWEG_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// process is an App running in the test.
type process struct {
	*App
	cancel context.CancelFunc
	done   chan error
	once   sync.Once
	err    error
}

// start runs an application until the test ends or stop or crash is called.
func (r *rig) start(topo *topology.Topology, cfg Config) *process {
	r.t.Helper()
	return r.startHooked(topo, cfg, nil)
}

// startHooked is start with a hook before each step of a commit, and, as
// commit.Done, between processing and commit.
func (r *rig) startHooked(topo *topology.Topology, cfg Config, hook func(*App, int, commit.Step)) *process {
	r.t.Helper()
	return r.startPrepared(topo, cfg, func(app *App) {
		if hook != nil {
			app.hook = func(worker int, step commit.Step) { hook(app, worker, step) }
		}
	})
}

// startPrepared is start with something done to the App before it runs.
func (r *rig) startPrepared(topo *topology.Topology, cfg Config, prepare func(*App)) *process {
	r.t.Helper()
	app, err := New(topo, cfg)
	require.NoError(r.t, err)
	app.protocol1 = r.protocol1
	prepare(app)
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{App: app, cancel: cancel, done: make(chan error, 1)}
	go func() {
		p.done <- app.Run(ctx)
		close(p.done) // for who waits after one who has read it
	}()
	r.t.Cleanup(func() { p.stop() })
	return p
}

func (p *process) wait() error {
	p.once.Do(func() { p.err = <-p.done })
	return p.err
}

// stop ends the application in order.
func (p *process) stop() error {
	p.cancel()
	return p.wait()
}

// crash ends the application as kill -9 does: without a commit, an abort or a
// farewell.
func (p *process) crash() {
	p.crashed.Store(true)
	p.cancel()
	p.wait()
}

// disk is a backend whose engine outlives the processes that open it, as files
// do.
type disk struct {
	once   sync.Once
	engine state.Engine
	err    error
}

type diskEngine struct{ state.Engine }

func (diskEngine) Close() error { return nil }

func (d *disk) Name() string { return "memory" }

func (d *disk) Open(o state.Options) (state.Engine, error) {
	d.once.Do(func() { d.engine, d.err = mem.New().Open(o) })
	return diskEngine{d.engine}, d.err
}
