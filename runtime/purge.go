package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/runtime/internal/produce"
	"github.com/thalweg/thalweg/topology"
)

// purgeInterval is how often processed records of repartition topics, and what
// changelogs have of rows that expired, are deleted (Kafka Streams'
// repartition.purge.interval.ms).
const purgeInterval = 30 * time.Second

// purger deletes from internal topics what is needed no longer, by offset: they
// have no retention by the brokers' clock, and nobody but this application reads
// them.
//
// Invariant: nothing is noted before the transaction that makes it needless is
// committed. What is needless stays so, so that it is of no consequence who
// deletes it, when, or whether it fails: the next time deletes more.
type purger struct {
	repartition map[string]bool

	mu     sync.Mutex
	before map[topicPartition]int64 // needless below; not deleted yet
	done   map[topicPartition]int64 // deleted below
	told   map[string]string        // by topic, what was refused
}

type topicPartition struct {
	topic     string
	partition int32
}

func newPurger(p *plan) *purger {
	topics := make(map[string]bool)
	for _, sub := range p.subs {
		for _, t := range sub.RepartitionTopics {
			topics[topology.FullName(p.appID, t, true)] = true
		}
	}
	return &purger{
		repartition: topics, before: make(map[topicPartition]int64),
		done: make(map[topicPartition]int64), told: make(map[string]string),
	}
}

// note takes in committed offsets. It may be called from any goroutine.
func (p *purger) note(offsets []produce.Offset) {
	for _, o := range offsets {
		if p.repartition[o.Topic] {
			p.needless(o.Topic, o.Partition, o.Offset)
		}
	}
}

// needless says that nobody needs the records of a partition before an offset.
// It may be called from any goroutine.
func (p *purger) needless(topic string, partition int32, before int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := (topicPartition{topic, partition}); before > p.done[at] {
		p.before[at] = max(p.before[at], before)
	}
}

// run purges until ctx is done.
func (p *purger) run(ctx context.Context, client *kgo.Client, logger *slog.Logger) {
	tick := time.NewTicker(purgeInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := p.purge(ctx, client); err != nil && ctx.Err() == nil {
			logger.Warn("internal topics grow: what they need no longer cannot be deleted", "err", err)
		}
	}
}

// purge deletes what was noted. It reports the refusals that were not reported
// before.
func (p *purger) purge(ctx context.Context, client *kgo.Client) error {
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	p.mu.Lock()
	topics := make(map[string]int)
	for at, before := range p.before {
		i, ok := topics[at.topic]
		if !ok {
			i = len(req.Topics)
			topics[at.topic] = i
			rt := kmsg.NewDeleteRecordsRequestTopic()
			rt.Topic = at.topic
			req.Topics = append(req.Topics, rt)
		}
		rp := kmsg.NewDeleteRecordsRequestTopicPartition()
		rp.Partition, rp.Offset = at.partition, before
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
	}
	p.mu.Unlock()
	if len(req.Topics) == 0 {
		return nil
	}
	var errs []error
	for _, shard := range client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			errs = append(errs, p.refused("", shard.Err))
			continue
		}
		for _, t := range shard.Resp.(*kmsg.DeleteRecordsResponse).Topics {
			for _, rp := range t.Partitions {
				if err := kerr.ErrorForCode(rp.ErrorCode); errors.Is(err, kerr.OffsetOutOfRange) {
					p.forget(topicPartition{t.Topic, rp.Partition}) // the topic is another one
				} else if err != nil {
					errs = append(errs, p.refused(t.Topic, err))
				} else {
					p.purged(topicPartition{t.Topic, rp.Partition}, rp.LowWatermark)
				}
			}
		}
	}
	return errors.Join(errs...)
}

func (p *purger) purged(at topicPartition, before int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.told, at.topic)
	delete(p.told, "")
	p.done[at] = before
	if p.before[at] <= before {
		delete(p.before, at)
	}
}

// forget drops what was noted of a partition.
func (p *purger) forget(at topicPartition) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.before, at)
	delete(p.done, at)
}

// refused makes an error of a refusal, nil where it is known. What is only in
// the way for a moment is left to the next time.
func (p *purger) refused(topic string, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if kerr.IsRetriable(err) || p.told[topic] == err.Error() {
		return nil
	}
	p.told[topic] = err.Error()
	switch {
	case topic == "":
		return err
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return fmt.Errorf("topic %s: %w: allow the application the operation DELETE on it", topic, err)
	case errors.Is(err, kerr.PolicyViolation):
		return fmt.Errorf("topic %s: %w: add delete to its cleanup.policy, with retention.ms=-1 and retention.bytes=-1", topic, err)
	}
	return fmt.Errorf("topic %s: %w", topic, err)
}
