package broker

import (
	"context"
	"fmt"
	"sync"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/thalweg/thalweg/broker/group"
	"github.com/thalweg/thalweg/broker/log"
	"github.com/thalweg/thalweg/broker/meta"
	"github.com/thalweg/thalweg/broker/txn"
	"github.com/thalweg/thalweg/internal/batch"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// coordinators are the group and transaction coordinators of this broker. The
// internal topics they keep their state in are created at the first use.
type coordinators struct {
	b      *Broker
	groups *group.Coordinator
	txns   *txn.Coordinator
}

// newCoordinators makes coordinators that lead no partition yet. How many
// partitions an internal topic has was fixed when it was created.
func newCoordinators(b *Broker, img *meta.Image) *coordinators {
	c := &coordinators{b: b}
	count := func(name string) int32 {
		if t := img.Topic(name); t != nil {
			return int32(len(t.Partitions))
		}
		return b.cfg.CoordinatorPartitions
	}
	c.txns = txn.NewCoordinator(txn.Config{Partitions: count(meta.TxnTopic), Logger: b.log}, producerIDs{b}, topicView{b.topics}, c)
	c.groups = group.NewCoordinator(group.Config{
		InitialRebalanceDelay: b.cfg.RebalanceDelay,
		Partitions:            count(meta.GroupTopic),
		Logger:                b.log,
	}, topicView{b.topics}, c)
	return c
}

// lead starts the shards of an internal topic's partitions. While the metadata
// log is replayed there are no coordinators yet; topicSet.load leads then.
func (c *coordinators) lead(t *topic) {
	if c == nil {
		return
	}
	for _, p := range t.partitions {
		switch t.Name {
		case meta.GroupTopic:
			c.groups.Lead(p.index, journal{p})
		case meta.TxnTopic:
			c.txns.Lead(p.index, journal{p})
		}
	}
}

// close stops both. Requests that wait in them are answered.
func (c *coordinators) close() {
	if c != nil {
		c.txns.Close()
		c.groups.Close()
	}
}

// CoordinatorFor implements coord.Leaders.
func (c *coordinators) CoordinatorFor(ctx context.Context, name, key string) (coord.Node, error) {
	t, err := c.b.internalTopic(ctx, name)
	if err != nil {
		return coord.Node{}, fmt.Errorf("%w: %w", kerr.CoordinatorNotAvailable, err)
	}
	leader := t.Partitions[coord.PartitionFor(key, int32(len(t.Partitions)))].Leader
	for _, n := range c.b.nodes(c.b.meta.Image(), callFrom(ctx)) {
		if n.ID == leader {
			return coord.Node{ID: n.ID, Host: n.Host, Port: n.Port}, nil
		}
	}
	return coord.Node{}, kerr.CoordinatorNotAvailable
}

// AddPartition implements group.Transactions.
func (c *coordinators) AddPartition(ctx context.Context, txnID string, pid int64, epoch int16, topic string, partition int32, verifyOnly bool) error {
	return c.txns.AddPartition(ctx, txnID, pid, epoch, topic, partition, verifyOnly)
}

// WriteMarkers implements txn.Markers.
func (c *coordinators) WriteMarkers(ctx context.Context, m coord.Marker, tps []coord.TopicPartition) []int16 {
	codes := make([]int16, len(tps))
	var wait sync.WaitGroup
	for i, tp := range tps {
		wait.Go(func() { codes[i] = coord.Code(c.writeMarker(ctx, m, tp)) })
	}
	wait.Wait()
	return codes
}

func (c *coordinators) writeMarker(ctx context.Context, m coord.Marker, tp coord.TopicPartition) error {
	if tp.Topic == meta.GroupTopic {
		return c.groups.WriteMarker(ctx, tp.Partition, m)
	}
	p := c.b.topics.named([]byte(tp.Topic)).partition(tp.Partition)
	if p == nil {
		return kerr.UnknownTopicOrPartition
	}
	marker := batch.AppendMarker(nil, m.ProducerID, m.ProducerEpoch, m.Commit, m.CoordinatorEpoch, c.b.now().UnixMilli())
	l, info, err := p.append(marker, log.AppendOptions{Origin: log.Coordinator, Verified: true, TxnVersion: int16(m.Version)})
	if err != nil {
		return err
	}
	return p.commit(l, info.LastOffset)
}

// Producers implements txn.Producers.
func (c *coordinators) Producers(name string, index int32) ([]kmsg.DescribeProducersResponseTopicPartitionActiveProducer, error) {
	p := c.b.topics.named([]byte(name)).partition(index)
	if p == nil {
		return nil, kerr.UnknownTopicOrPartition
	}
	l, err := p.log()
	if err != nil {
		return nil, err
	}
	var out []kmsg.DescribeProducersResponseTopicPartitionActiveProducer
	for _, s := range l.Producers() {
		a := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		a.ProducerID, a.ProducerEpoch, a.LastSequence = s.ProducerID, int32(s.Epoch), s.LastSequence
		a.LastTimestamp, a.CoordinatorEpoch, a.CurrentTxnStartOffset = s.LastTimestamp, s.CoordinatorEpoch, s.TxnFirstOffset
		out = append(out, a)
	}
	return out, nil
}

// journal is a coordinator's view of a partition of its internal topic.
type journal struct{ p *partition }

// Append implements coord.Journal.
func (j journal) Append(_ context.Context, batches []byte) error {
	l, info, err := j.p.append(batches, log.AppendOptions{Origin: log.Coordinator})
	if err != nil {
		return err
	}
	return j.p.commit(l, info.LastOffset)
}

// loadBytes is how much of a journal is read at a time.
const loadBytes = 256 << 10

// Load implements coord.Journal.
func (j journal) Load(ctx context.Context, fn func(batch.View) error) error {
	l, err := j.p.log()
	if err != nil {
		return err
	}
	buf := make([]byte, 0, loadBytes)
	for at := l.LogStart(); at < l.HighWatermark(); {
		if err := ctx.Err(); err != nil {
			return err
		}
		res, err := l.Read(buf, at, loadBytes, log.ToHighWatermark)
		if err != nil || len(res.Data) == 0 {
			return err
		}
		for rest := res.Data; len(rest) > 0; {
			var v batch.View
			if v, rest, err = batch.Parse(rest); err != nil {
				return err
			}
			if err := fn(v); err != nil {
				return err
			}
			at = v.NextOffset()
		}
	}
	return nil
}

// LeaderEpoch implements coord.Journal.
func (j journal) LeaderEpoch() int32 { return j.p.epoch.Load() }

// topicView is what coordinators see of the topics.
type topicView struct{ topics *topicSet }

// Partitions implements group.Topics and txn.Topics.
func (v topicView) Partitions(name string) (int32, bool) {
	t := v.topics.named([]byte(name))
	if t == nil {
		return 0, false
	}
	return int32(len(t.partitions)), true
}

// Name implements group.Topics.
func (v topicView) Name(id [16]byte) (string, bool) {
	if t := v.topics.withID(meta.ID(id)); t != nil {
		return t.Name, true
	}
	return "", false
}

// ID implements group.Topics.
func (v topicView) ID(name string) ([16]byte, bool) {
	if t := v.topics.named([]byte(name)); t != nil {
		return t.ID, true
	}
	return [16]byte{}, false
}

// producerIDs hands out blocks of producer ids from the metadata.
type producerIDs struct{ b *Broker }

// producerIDBlock is Kafka's block size.
const producerIDBlock = 1000

// AllocateProducerIDs implements txn.IDSource.
func (s producerIDs) AllocateProducerIDs(ctx context.Context) (first int64, n int32, err error) {
	err = s.b.meta.Update(ctx, func(img *meta.Image) ([]meta.Record, error) {
		first = img.NextProducerID
		return []meta.Record{{ProducerIDs: &meta.ProducerIDsRecord{Next: first + producerIDBlock}}}, nil
	})
	return first, producerIDBlock, err
}
