package runtime

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/runtime/internal/cluster"
	"github.com/thalweg/thalweg/state"
)

// prepared is what a task needs from the brokers before it starts.
type prepared struct {
	offsets map[string]committedOffset // by full topic name
	unread  []string                   // where nothing is committed: the inputs that have had records
	stores  []preparedStore            // as the task's Stores with a changelog
	err     error
}

type committedOffset struct {
	offset   int64 // -1: none
	epoch    int32
	metadata task.Metadata
	reset    bool  // there is none, and the reset policy is a duration:
	at       int64 // begin here
}

type preparedStore struct {
	topicID [16]byte
	start   int64
	end     int64
	wipe    string // why local state is of no use; empty: it is
}

// localInput is what prepare is told of an input.
type localInput struct {
	topic string
	back  time.Duration // reset policy: how long before now; 0: another policy
}

// localStore is what prepare is told of a store.
type localStore struct {
	changelog string
	position  state.Position
}

// preparer asks the brokers on behalf of tasks.
type preparer struct {
	client *kgo.Client
	meta   *cluster.Cluster
	group  string
	logger *slog.Logger
}

// prepare asks, in this order, for the committed offsets, waiting while any is
// part of an undecided transaction, and then for the ends of the changelogs. So
// the ends cover everything that belongs to the offsets.
func (p *preparer) prepare(ctx context.Context, partition int32, inputs []localInput, stores []localStore) prepared {
	var out prepared
	topics := make([]string, len(inputs))
	for i, in := range inputs {
		topics[i] = in.topic
	}
	out.offsets, out.err = p.committed(ctx, partition, topics)
	if out.err != nil {
		return out
	}
	for _, in := range inputs {
		if o := out.offsets[in.topic]; in.back > 0 && o.offset < 0 {
			o.reset = true
			if o.at, out.err = p.since(ctx, in, partition); out.err != nil {
				return out
			}
			out.offsets[in.topic] = o
		}
	}
	if out.unread, out.err = p.unread(ctx, partition, out.offsets); out.err != nil {
		return out
	}
	for _, s := range stores {
		ps, err := p.store(ctx, partition, s)
		if err != nil {
			out.err = fmt.Errorf("runtime: changelog %s partition %d: %w", s.changelog, partition, err)
			return out
		}
		out.stores = append(out.stores, ps)
	}
	return out
}

// committed fetches the group's offsets of a task's inputs.
func (p *preparer) committed(ctx context.Context, partition int32, topics []string) (map[string]committedOffset, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	req.Group = p.group
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = p.group
	for _, t := range topics {
		gt := kmsg.NewOffsetFetchRequestGroupTopic()
		gt.Topic, gt.Partitions = t, []int32{partition}
		g.Topics = append(g.Topics, gt)
		rt := kmsg.NewOffsetFetchRequestTopic()
		rt.Topic, rt.Partitions = t, []int32{partition}
		req.Topics = append(req.Topics, rt)
	}
	req.Groups = append(req.Groups, g)
	offsets := make(map[string]committedOffset)
	take := func(topic string, code int16, offset int64, epoch int32, metadata *string) error {
		if err := kerr.ErrorForCode(code); err != nil {
			return err
		}
		c := committedOffset{offset: offset, epoch: epoch, metadata: task.Metadata{PartitionTime: -1}}
		if metadata != nil && offset >= 0 {
			// Someone else's metadata tells nothing; that is no error.
			c.metadata, _ = task.DecodeMetadata(*metadata)
		}
		offsets[topic] = c
		return nil
	}
	err := again(ctx, p.logger, "the group's committed offsets", func() error {
		resp, err := req.RequestWith(ctx, p.client)
		if err != nil {
			return err
		}
		if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
			return err
		}
		for _, g := range resp.Groups {
			if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
				return err
			}
			for _, t := range g.Topics {
				for _, rp := range t.Partitions {
					if err := take(t.Topic, rp.ErrorCode, rp.Offset, rp.LeaderEpoch, rp.Metadata); err != nil {
						return err
					}
				}
			}
		}
		for _, t := range resp.Topics {
			for _, rp := range t.Partitions {
				if err := take(t.Topic, rp.ErrorCode, rp.Offset, rp.LeaderEpoch, rp.Metadata); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("runtime: committed offsets of group %s: %w", p.group, err)
	}
	return offsets, nil
}

// unread finds the inputs that have ever had a record, where nothing is committed
// for any.
func (p *preparer) unread(ctx context.Context, partition int32, offsets map[string]committedOffset) (topics []string, err error) {
	for _, o := range offsets {
		if o.offset >= 0 {
			return nil, nil
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(offsets)) {
		end, err := p.offsetAt(ctx, "the end", topic, partition, -1)
		if err != nil {
			return nil, err
		}
		if end > 0 {
			topics = append(topics, topic)
		}
	}
	return topics, nil
}

// since finds the first record of the last in.back, or the end.
func (p *preparer) since(ctx context.Context, in localInput, partition int32) (at int64, err error) {
	return p.offsetAt(ctx, "the beginning", in.topic, partition, time.Now().Add(-in.back).UnixMilli())
}

// offsetAt is listOffset, asked until there is an answer.
func (p *preparer) offsetAt(ctx context.Context, what, topic string, partition int32, time int64) (at int64, err error) {
	err = again(ctx, p.logger, what+" of topic "+topic, func() error {
		ct, err := p.meta.Topic(ctx, topic, true)
		if err != nil {
			return err
		}
		if int(partition) >= len(ct.Leaders) || ct.Leaders[partition] < 0 {
			return kerr.LeaderNotAvailable
		}
		at, err = listOffset(ctx, p.client.Broker(int(ct.Leaders[partition])), topic, partition, time)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("runtime: %s of topic %s partition %d: %w", what, topic, partition, err)
	}
	return at, nil // -1, no such record, is the end
}

// store finds the part of a changelog that local state lacks, and whether local
// state belongs to that changelog at all: an offset alone does not say so, the
// topic may have been made anew or its log have lost its tail.
func (p *preparer) store(ctx context.Context, partition int32, s localStore) (preparedStore, error) {
	var out preparedStore
	err := again(ctx, p.logger, "the end of changelog "+s.changelog, func() error {
		ct, err := p.meta.Topic(ctx, s.changelog, true)
		if err != nil {
			return err
		}
		if int(partition) >= len(ct.Leaders) || ct.Leaders[partition] < 0 {
			return kerr.LeaderNotAvailable
		}
		out.topicID = ct.ID
		leader := p.client.Broker(int(ct.Leaders[partition]))
		first, err := listOffset(ctx, leader, s.changelog, partition, -2)
		if err != nil {
			return err
		}
		if out.end, err = listOffset(ctx, leader, s.changelog, partition, -1); err != nil {
			return err
		}
		at := s.position
		out.start, out.wipe = first, ""
		switch {
		case at.Offset < 0:
			return nil
		case at.TopicID != out.topicID && at.TopicID != [16]byte{}:
			out.wipe = "the changelog topic was made anew"
			return nil
		case at.Offset > out.end:
			out.wipe = fmt.Sprintf("the changelog ends at offset %d, before the local state at %d", out.end, at.Offset)
			return nil
		case at.Offset < first:
			out.wipe = fmt.Sprintf("the changelog begins at offset %d, after the local state at %d", first, at.Offset)
			return nil
		case at.LeaderEpoch >= 0:
			epoch, end, err := epochEnd(ctx, leader, s.changelog, partition, at.LeaderEpoch)
			if err != nil {
				return err
			}
			if epoch != at.LeaderEpoch || end < at.Offset {
				out.wipe = fmt.Sprintf("the changelog has no offset %d of leader epoch %d: it lost its tail", at.Offset-1, at.LeaderEpoch)
				return nil
			}
		}
		out.start = at.Offset
		return nil
	})
	return out, err
}

// listOffset asks a leader for the first offset (-2) of a partition, its end
// (-1), read uncommitted, or the first of a record of that time or later, -1 if
// there is none.
func listOffset(ctx context.Context, leader *kgo.Broker, topic string, partition int32, at int64) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.Timestamp = partition, at
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)
	r, err := leader.Request(ctx, req)
	if err != nil {
		return 0, err
	}
	for _, t := range r.(*kmsg.ListOffsetsResponse).Topics {
		for _, rp := range t.Partitions {
			return rp.Offset, kerr.ErrorForCode(rp.ErrorCode)
		}
	}
	return 0, kerr.UnknownServerError
}

// epochEnd asks a leader where a leader epoch ends in its log. The answer's
// epoch is another, lower one when the log does not have that epoch.
func epochEnd(ctx context.Context, leader *kgo.Broker, topic string, partition, epoch int32) (int32, int64, error) {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	t := kmsg.NewOffsetForLeaderEpochRequestTopic()
	t.Topic = topic
	rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	rp.Partition, rp.CurrentLeaderEpoch, rp.LeaderEpoch = partition, -1, epoch
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)
	r, err := leader.Request(ctx, req)
	if err != nil {
		return 0, 0, err
	}
	for _, t := range r.(*kmsg.OffsetForLeaderEpochResponse).Topics {
		for _, rp := range t.Partitions {
			return rp.LeaderEpoch, rp.EndOffset, kerr.ErrorForCode(rp.ErrorCode)
		}
	}
	return 0, 0, kerr.UnknownServerError
}
