package txn

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Topics is what the coordinator needs to know of the cluster's topics.
type Topics interface {
	// Partitions is the number of partitions of a topic; ok is false when
	// there is no such topic.
	Partitions(topic string) (n int32, ok bool)
}

// Markers writes transaction markers.
type Markers interface {
	// WriteMarkers appends the marker to each partition, wherever it is led,
	// and returns when all are committed or have failed: one Kafka error code
	// for each. In a partition of __consumer_offsets the group coordinator
	// has to do it (group.Coordinator.WriteMarker), because success means that
	// the offsets are materialised.
	WriteMarkers(ctx context.Context, marker coord.Marker, partitions []coord.TopicPartition) []int16
}

// Coordinator serves the transactional ids whose partitions of
// __transaction_state this broker leads. Its methods may be called from any
// goroutine.
type Coordinator struct {
	cfg     *Config
	ids     *idPool
	topics  Topics
	markers Markers
	shards  coord.Shards[*Machine]

	mu      sync.Mutex
	senders map[int32]*sender
}

// NewCoordinator returns a coordinator that leads no partition yet.
func NewCoordinator(cfg Config, ids IDSource, topics Topics, markers Markers) *Coordinator {
	return &Coordinator{
		cfg: cfg.withDefaults(), ids: newIDPool(ids), topics: topics, markers: markers,
		senders: make(map[int32]*sender),
	}
}

// Lead starts to serve a partition of __transaction_state: its journal is
// replayed in the background, then decided transactions are completed.
func (c *Coordinator) Lead(partition int32, journal coord.Journal) {
	c.Resign(partition)
	ctx, stop := context.WithCancel(context.Background())
	snd := &sender{c: c, partition: partition, ctx: ctx, stop: stop}
	c.mu.Lock()
	c.senders[partition] = snd
	c.mu.Unlock()
	c.shards.Lead(c.cfg.Logger.With("topic", coord.TransactionsTopic), partition, journal, func() *Machine {
		return newMachine(c.cfg, c.ids, journal.LeaderEpoch(), snd.send)
	})
}

// Resign stops serving a partition and waits for its goroutines.
func (c *Coordinator) Resign(partition int32) {
	c.shards.Resign(partition) // no jobs come after this
	c.mu.Lock()
	snd := c.senders[partition]
	delete(c.senders, partition)
	c.mu.Unlock()
	if snd != nil {
		snd.stop()
		snd.jobs.Wait()
	}
}

// Serving waits until all partitions led here are replayed.
func (c *Coordinator) Serving(ctx context.Context) error { return c.shards.Serving(ctx) }

// Close stops serving all partitions, for good.
func (c *Coordinator) Close() {
	c.shards.Close()
	c.mu.Lock()
	partitions := slices.Collect(maps.Keys(c.senders))
	c.mu.Unlock()
	for _, p := range partitions {
		c.Resign(p)
	}
}

// PartitionFor is the partition of __transaction_state an id lives on.
func (c *Coordinator) PartitionFor(txnID string) int32 {
	return coord.PartitionFor(txnID, c.cfg.Partitions)
}

// do runs a step on the shard of a transactional id and waits for its answer.
func do[T any](ctx context.Context, c *Coordinator, id string, step func(*Machine, *coord.Step, *coord.Promise[T])) (T, error) {
	shard, err := c.shards.Get(c.PartitionFor(id))
	if err != nil {
		var zero T
		return zero, err
	}
	return shard.Do(ctx, step)
}

// sender writes the markers of one partition's transactions. Each job has a
// goroutine of its own, so that a slow partition delays only its transactions;
// there is at most one job for each transactional id.
type sender struct {
	c         *Coordinator
	partition int32
	ctx       context.Context
	stop      context.CancelFunc
	jobs      sync.WaitGroup
}

func (s *sender) send(j *Job) {
	s.jobs.Go(func() {
		codes := s.c.markers.WriteMarkers(s.ctx, j.Marker, j.Partitions)
		for i := range min(len(codes), len(j.Partitions)) {
			if s.gone(codes[i], j.Partitions[i]) {
				codes[i] = 0
			}
		}
		if shard, err := s.c.shards.Get(s.partition); err == nil {
			// When it does not serve, the next replay starts the job anew.
			_ = shard.Submit(func(m *Machine, st *coord.Step) { m.Written(st, j, codes) })
		}
	})
}

// gone reports whether a partition was deleted: nobody will read a marker.
func (s *sender) gone(ec int16, tp coord.TopicPartition) bool {
	if ec != kerr.UnknownTopicOrPartition.Code && ec != kerr.UnknownTopicID.Code {
		return false
	}
	n, ok := s.c.topics.Partitions(tp.Topic)
	return !ok || tp.Partition < 0 || tp.Partition >= n
}
