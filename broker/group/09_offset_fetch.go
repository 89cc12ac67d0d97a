package group

import (
	"context"
	"slices"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetFetch answers API key 9.
//
//	v2 null topics: all   v5 leader epoch   v6 flexible   v7 require stable (KIP-447)
//	v8 several groups     v9 member id and epoch of KIP-848 groups, ignored for classic ones
//	v10 topic ids
//
// A partition without a committed offset is −1 and no error, also when the
// group does not exist.
func (c *Coordinator) OffsetFetch(ctx context.Context, _ coord.Caller, req *kmsg.OffsetFetchRequest) *kmsg.OffsetFetchResponse {
	resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	if req.Version >= 8 {
		for i := range req.Groups {
			resp.Groups = append(resp.Groups, c.fetchGroup(ctx, &req.Groups[i], req.RequireStable, req.Version))
		}
		return resp
	}
	in := kmsg.NewOffsetFetchRequestGroup()
	in.Group = req.Group
	if req.Topics != nil {
		in.Topics = make([]kmsg.OffsetFetchRequestGroupTopic, len(req.Topics))
	}
	for i, t := range req.Topics {
		in.Topics[i].Topic, in.Topics[i].Partitions = t.Topic, t.Partitions
	}
	out := c.fetchGroup(ctx, &in, req.RequireStable, req.Version)
	resp.ErrorCode = out.ErrorCode
	for _, t := range out.Topics {
		rt := kmsg.NewOffsetFetchResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata = p.Partition, p.Offset, p.LeaderEpoch, p.Metadata
			rp.ErrorCode = p.ErrorCode
			if req.Version < 2 && out.ErrorCode != 0 { // no error field of its own yet
				rp.ErrorCode = out.ErrorCode
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (c *Coordinator) fetchGroup(ctx context.Context, in *kmsg.OffsetFetchRequestGroup, stable bool, version int16) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group = in.Group
	byID := version >= 10
	var wanted []topicPartition // nil: all
	if in.Topics != nil {
		wanted = []topicPartition{}
	}
	var unknown []kmsg.OffsetFetchResponseGroupTopic
	for i := range in.Topics {
		t := &in.Topics[i]
		name, _, err := c.resolve(t.Topic, t.TopicID, byID)
		if err != nil {
			rt := kmsg.NewOffsetFetchResponseGroupTopic()
			rt.TopicID = t.TopicID
			for _, p := range t.Partitions {
				rt.Partitions = append(rt.Partitions, fetched(p, nil, err))
			}
			unknown = append(unknown, rt)
			continue
		}
		for _, p := range t.Partitions {
			wanted = append(wanted, topicPartition{name, p})
		}
	}
	topics, err := do(ctx, c, in.Group, func(m *Machine, s *coord.Step, p *coord.Promise[[]kmsg.OffsetFetchResponseGroupTopic]) {
		s.Reply(p, m.offsetFetch(in.Group, wanted, stable))
	})
	switch {
	case in.Group == "":
		out.ErrorCode = kerr.InvalidGroupID.Code
		return out
	case err != nil:
		if out.ErrorCode = coord.Code(err); version < 2 {
			for _, tp := range wanted {
				out.Topics = appendFetched(out.Topics, tp, nil, nil)
			}
		}
		return out
	}
	if byID {
		topics = slices.DeleteFunc(topics, func(t kmsg.OffsetFetchResponseGroupTopic) bool {
			_, ok := c.topics.ID(t.Topic)
			return !ok // deleted meanwhile: it has no id to be named by
		})
		for i := range topics {
			topics[i].TopicID, _ = c.topics.ID(topics[i].Topic)
		}
	}
	out.Topics = append(topics, unknown...)
	return out
}

// offsetFetch reads committed offsets; wanted nil means all of the group.
func (m *Machine) offsetFetch(id string, wanted []topicPartition, stable bool) []kmsg.OffsetFetchResponseGroupTopic {
	var topics []kmsg.OffsetFetchResponseGroupTopic
	g := m.groups[id]
	if g == nil {
		for _, tp := range wanted {
			topics = appendFetched(topics, tp, nil, nil)
		}
		return topics
	}
	if wanted == nil {
		if wanted = g.sortedPartitions(); stable {
			wanted = g.allPartitions()
		}
	}
	for _, tp := range wanted {
		if stable && g.pending[tp] > 0 {
			topics = appendFetched(topics, tp, nil, kerr.UnstableOffsetCommit)
			continue
		}
		topics = appendFetched(topics, tp, g.offsets[tp].offset, nil)
	}
	return topics
}

func appendFetched(topics []kmsg.OffsetFetchResponseGroupTopic, tp topicPartition, o *offset, err *kerrError) []kmsg.OffsetFetchResponseGroupTopic {
	if n := len(topics); n == 0 || topics[n-1].Topic != tp.topic {
		t := kmsg.NewOffsetFetchResponseGroupTopic()
		t.Topic = tp.topic
		topics = append(topics, t)
	}
	t := &topics[len(topics)-1]
	t.Partitions = append(t.Partitions, fetched(tp.partition, o, err))
	return topics
}

func fetched(partition int32, o *offset, err *kerrError) kmsg.OffsetFetchResponseGroupTopicPartition {
	p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch, p.ErrorCode = partition, -1, -1, code(err)
	p.Metadata = kmsg.StringPtr("")
	if o != nil {
		p.Offset, p.LeaderEpoch, p.Metadata = o.offset, o.leaderEpoch, &o.metadata
	}
	return p
}
