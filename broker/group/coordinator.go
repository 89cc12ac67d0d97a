package group

import (
	"context"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Topics is what the coordinator needs to know of the cluster's topics.
type Topics interface {
	// Partitions is the number of partitions of a topic; ok is false when
	// there is no such topic.
	Partitions(topic string) (n int32, ok bool)
	// Name finds a topic by its id.
	Name(id [16]byte) (topic string, ok bool)
	// ID finds a topic's id by its name.
	ID(topic string) (id [16]byte, ok bool)
}

// Transactions reaches the transaction coordinator of a transactional id,
// wherever it is.
type Transactions interface {
	// AddPartition adds a partition to the producer's transaction, starting
	// one if there is none (KIP-890, TV2). With verifyOnly it checks that the
	// producer has added it before. Errors are [*kerr.Error].
	AddPartition(ctx context.Context, txnID string, pid int64, epoch int16, topic string, partition int32, verifyOnly bool) error
}

// Coordinator serves the groups whose partitions of __consumer_offsets this
// broker leads. Its methods may be called from any goroutine.
type Coordinator struct {
	cfg    *Config
	topics Topics
	txns   Transactions
	shards coord.Shards[*Machine]
}

// NewCoordinator returns a coordinator that leads no partition yet.
func NewCoordinator(cfg Config, topics Topics, txns Transactions) *Coordinator {
	return &Coordinator{cfg: cfg.withDefaults(), topics: topics, txns: txns}
}

// Lead starts to serve a partition of __consumer_offsets: its journal is
// replayed in the background.
func (c *Coordinator) Lead(partition int32, journal coord.Journal) {
	c.shards.Lead(c.cfg.Logger.With("topic", coord.OffsetsTopic), partition, journal, func() *Machine { return newMachine(c.cfg) })
}

// Resign stops serving a partition.
func (c *Coordinator) Resign(partition int32) { c.shards.Resign(partition) }

// Serving waits until all partitions led here are replayed.
func (c *Coordinator) Serving(ctx context.Context) error { return c.shards.Serving(ctx) }

// Close stops serving all partitions and waits for their goroutines.
func (c *Coordinator) Close() { c.shards.Close() }

// PartitionFor is the partition of __consumer_offsets a group lives on.
func (c *Coordinator) PartitionFor(group string) int32 {
	return coord.PartitionFor(group, c.cfg.Partitions)
}

// do runs a step on the shard of a group and waits for its answer.
func do[T any](ctx context.Context, c *Coordinator, group string, step func(*Machine, *coord.Step, *coord.Promise[T])) (T, error) {
	shard, err := c.shards.Get(c.PartitionFor(group))
	if err != nil {
		var zero T
		return zero, err
	}
	return shard.Do(ctx, step)
}

// topicExists checks a partition named in a commit.
func (c *Coordinator) topicExists(topic string, partition int32) *kerrError {
	if n, ok := c.topics.Partitions(topic); !ok || partition < 0 || partition >= n {
		return kerr.UnknownTopicOrPartition
	}
	return nil
}
