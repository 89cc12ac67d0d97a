package group

import (
	"context"
	"slices"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetDelete answers API key 47 (v0 only, never flexible): single offsets of
// a group. Topics its members subscribe to are refused, and partitions with an
// offset in an open transaction are reported unstable.
func (c *Coordinator) OffsetDelete(ctx context.Context, _ coord.Caller, req *kmsg.OffsetDeleteRequest) *kmsg.OffsetDeleteResponse {
	resp, err := do(ctx, c, req.Group, func(m *Machine, s *coord.Step, p *coord.Promise[*kmsg.OffsetDeleteResponse]) {
		s.Reply(p, m.offsetDelete(s, req))
	})
	if err != nil {
		resp = req.ResponseKind().(*kmsg.OffsetDeleteResponse)
		resp.ErrorCode = coord.Code(err)
	}
	return resp
}

func (m *Machine) offsetDelete(s *coord.Step, req *kmsg.OffsetDeleteRequest) *kmsg.OffsetDeleteResponse {
	resp := req.ResponseKind().(*kmsg.OffsetDeleteResponse)
	g := m.groups[req.Group]
	switch {
	case req.Group == "":
		resp.ErrorCode = kerr.InvalidGroupID.Code
		return resp
	case g == nil:
		resp.ErrorCode = kerr.GroupIDNotFound.Code
		return resp
	}
	var subscribed []string
	if g.state != Empty {
		var known bool
		if subscribed, known = g.subscribed(); !known {
			resp.ErrorCode = kerr.NonEmptyGroup.Code
			return resp
		}
	}
	for _, t := range req.Topics {
		rt := kmsg.NewOffsetDeleteResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetDeleteResponseTopicPartition()
			rp.Partition = p.Partition
			tp := topicPartition{t.Topic, p.Partition}
			_, ok := g.offsets[tp]
			switch {
			case slices.Contains(subscribed, t.Topic):
				rp.ErrorCode = kerr.GroupSubscribedToTopic.Code
			case g.pending[tp] > 0:
				rp.ErrorCode = kerr.UnstableOffsetCommit.Code
			case ok:
				m.putOffset(s, g.id, tp, nil)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	m.release(g)
	return resp
}
