package runtime

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/runtime/internal/produce"
	"github.com/thalweg/thalweg/topology"
)

// purgeInterval is how often processed records of repartition topics are
// deleted (Kafka Streams' repartition.purge.interval.ms).
const purgeInterval = 30 * time.Second

// purger deletes what was read from repartition topics: they have no retention,
// and nobody but this application reads them. Failures are of no consequence:
// the next time deletes more.
type purger struct {
	topics map[string]bool

	mu     sync.Mutex
	before map[string]map[int32]int64 // committed since the last purge
}

func newPurger(p *plan) *purger {
	topics := make(map[string]bool)
	for _, sub := range p.subs {
		for _, t := range sub.RepartitionTopics {
			topics[topology.FullName(p.appID, t, true)] = true
		}
	}
	return &purger{topics: topics, before: make(map[string]map[int32]int64)}
}

// note takes in committed offsets. It may be called from any goroutine.
func (p *purger) note(offsets []produce.Offset) {
	if len(p.topics) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range offsets {
		if p.topics[o.Topic] {
			if p.before[o.Topic] == nil {
				p.before[o.Topic] = make(map[int32]int64)
			}
			p.before[o.Topic][o.Partition] = o.Offset
		}
	}
}

// run purges until ctx is done.
func (p *purger) run(ctx context.Context, client *kgo.Client, logger *slog.Logger) {
	if len(p.topics) == 0 {
		return
	}
	tick := time.NewTicker(purgeInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := p.purge(ctx, client); err != nil && ctx.Err() == nil {
			logger.Warn("purging repartition topics", "err", err)
		}
	}
}

func (p *purger) purge(ctx context.Context, client *kgo.Client) error {
	p.mu.Lock()
	before := p.before
	p.before = make(map[string]map[int32]int64)
	p.mu.Unlock()
	if len(before) == 0 {
		return nil
	}
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	for topic, partitions := range before {
		rt := kmsg.NewDeleteRecordsRequestTopic()
		rt.Topic = topic
		for partition, offset := range partitions {
			rp := kmsg.NewDeleteRecordsRequestTopicPartition()
			rp.Partition, rp.Offset = partition, offset
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
	}
	for _, shard := range client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return shard.Err
		}
		for _, t := range shard.Resp.(*kmsg.DeleteRecordsResponse).Topics {
			for _, rp := range t.Partitions {
				if err := kerr.ErrorForCode(rp.ErrorCode); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
