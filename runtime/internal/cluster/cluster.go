// Package cluster knows the topics of the brokers: who leads which partition,
// topic ids, and what the brokers can do.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// ErrUnknownTopic reports a topic that does not exist.
var ErrUnknownTopic = errors.New("cluster: unknown topic")

// Topic is what is known of a topic.
type Topic struct {
	ID      [16]byte // zero when the brokers have no topic ids
	Leaders []int32  // by partition; -1 where there is none
	Epochs  []int32  // leader epochs by partition; -1 when not known
}

// Cluster caches metadata. It is safe for concurrent use.
type Cluster struct {
	client *kgo.Client

	mu     sync.Mutex
	topics map[string]Topic
}

// New makes a Cluster that asks through client.
func New(client *kgo.Client) *Cluster {
	return &Cluster{client: client, topics: make(map[string]Topic)}
}

// Topic returns a topic, from the cache unless refresh is set. It reports an
// error wrapping ErrUnknownTopic when there is none of that name.
func (c *Cluster) Topic(ctx context.Context, name string, refresh bool) (Topic, error) {
	if !refresh {
		c.mu.Lock()
		t, ok := c.topics[name]
		c.mu.Unlock()
		if ok {
			return t, nil
		}
	}
	found, err := c.Topics(ctx, name)
	if err != nil {
		return Topic{}, err
	}
	t, ok := found[name]
	if !ok {
		return Topic{}, fmt.Errorf("%w: %s", ErrUnknownTopic, name)
	}
	return t, nil
}

// Leaders is Topic's Leaders.
func (c *Cluster) Leaders(ctx context.Context, topic string, refresh bool) ([]int32, error) {
	t, err := c.Topic(ctx, topic, refresh)
	return t.Leaders, err
}

// Topics asks for several topics and returns those that exist.
func (c *Cluster) Topics(ctx context.Context, names ...string) (map[string]Topic, error) {
	ask := []kmsg.MetadataRequestTopic{}
	for _, n := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(n)
		ask = append(ask, t)
	}
	return c.ask(ctx, ask)
}

// All returns all topics but those that the brokers keep for themselves.
func (c *Cluster) All(ctx context.Context) (map[string]Topic, error) { return c.ask(ctx, nil) }

func (c *Cluster) ask(ctx context.Context, topics []kmsg.MetadataRequestTopic) (map[string]Topic, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = false
	req.Topics = topics
	resp, err := req.RequestWith(ctx, c.client)
	if err != nil {
		return nil, fmt.Errorf("cluster: metadata: %w", err)
	}
	found := make(map[string]Topic)
	for _, t := range resp.Topics {
		if t.Topic == nil || topics == nil && t.IsInternal {
			continue
		}
		switch err := kerr.ErrorForCode(t.ErrorCode); err {
		case nil, kerr.LeaderNotAvailable:
		case kerr.UnknownTopicOrPartition, kerr.UnknownTopicID:
			continue
		default:
			return nil, fmt.Errorf("cluster: topic %s: %w", *t.Topic, err)
		}
		ct := Topic{ID: t.TopicID, Leaders: make([]int32, len(t.Partitions)), Epochs: make([]int32, len(t.Partitions))}
		for _, p := range t.Partitions {
			if p.Partition < 0 || int(p.Partition) >= len(ct.Leaders) {
				return nil, fmt.Errorf("cluster: topic %s: metadata names partition %d of %d", *t.Topic, p.Partition, len(ct.Leaders))
			}
			ct.Leaders[p.Partition], ct.Epochs[p.Partition] = -1, -1
			if p.ErrorCode == 0 {
				ct.Leaders[p.Partition], ct.Epochs[p.Partition] = p.Leader, p.LeaderEpoch
			}
		}
		found[*t.Topic] = ct
	}
	c.mu.Lock()
	for n, t := range found {
		c.topics[n] = t
	}
	c.mu.Unlock()
	return found, nil
}

// Transactions2 asks a broker whether transaction.version 2 (KIP-890) is
// finalized, that is, whether partitions join transactions by being produced to.
func Transactions2(ctx context.Context, client *kgo.Client) (bool, error) {
	resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, client)
	if err != nil {
		return false, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return false, err
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			return f.MaxVersionLevel >= 2, nil
		}
	}
	return false, nil
}

// Versions limits a client to the request versions this module's own requests
// are written for: topics are named, not identified, when writing and
// committing, and with v2 false the old transaction protocol is spoken.
func Versions(v2 bool) *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(int16(kmsg.OffsetCommit), 9)
	v.SetMaxKeyVersion(int16(kmsg.OffsetFetch), 9)
	v.SetMaxKeyVersion(int16(kmsg.AddPartitionsToTxn), 3)
	if v2 {
		v.SetMaxKeyVersion(int16(kmsg.Produce), 12)
		v.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), 5)
		v.SetMaxKeyVersion(int16(kmsg.EndTxn), 5)
		return v
	}
	v.SetMaxKeyVersion(int16(kmsg.Produce), 11)
	v.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), 4)
	v.SetMaxKeyVersion(int16(kmsg.EndTxn), 4)
	return v
}
