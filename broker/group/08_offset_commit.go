package group

import (
	"context"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetCommit answers API key 8.
//
//	v2–v4 retention time, ignored   v6 leader epoch   v7 static members
//	v8 flexible                     v9 member epochs of KIP-848 groups
//	v10 topic ids
func (c *Coordinator) OffsetCommit(ctx context.Context, _ coord.Caller, req *kmsg.OffsetCommitRequest) *kmsg.OffsetCommitResponse {
	resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	var w writes
	resp.Topics = make([]kmsg.OffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		t, rt := &req.Topics[i], &resp.Topics[i]
		topic, id, err := c.resolve(t.Topic, t.TopicID, req.Version >= 10)
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		rt.Partitions = make([]kmsg.OffsetCommitResponseTopicPartition, len(t.Partitions))
		for j := range t.Partitions {
			p, rp := &t.Partitions[j], &rt.Partitions[j]
			rp.Partition = p.Partition
			epoch := p.LeaderEpoch
			if req.Version < 6 {
				epoch = -1
			}
			c.add(&w, err, topicPartition{topic, p.Partition}, id, p.Offset, epoch, p.Metadata, &rp.ErrorCode)
		}
	}
	// An empty commit still reports an invalid group and counts as a heartbeat.
	_, err := do(ctx, c, req.Group, func(m *Machine, s *coord.Step, p *coord.Promise[struct{}]) {
		w.commit(m, s, req)
		s.Reply(p, struct{}{})
	})
	if err != nil {
		w.fail(coord.Code(err))
	}
	return resp
}

// resolve finds the name of a topic in a commit or fetch; byID says that the
// version carries ids. The id is returned as it is to be stored: zero for a
// commit by name.
func (c *Coordinator) resolve(name string, id [16]byte, byID bool) (string, [16]byte, *kerrError) {
	if !byID {
		return name, [16]byte{}, nil
	}
	name, ok := c.topics.Name(id)
	if !ok {
		return "", id, kerr.UnknownTopicID
	}
	return name, id, nil
}

// write is one offset of a request and the place of its error code.
type write struct {
	tp     topicPartition
	offset offset
	code   *int16
}

// writes are the offsets of one request that have passed the checks which need
// no group.
type writes []write

// add checks one offset and takes it in.
func (c *Coordinator) add(w *writes, err *kerrError, tp topicPartition, id [16]byte, at int64, epoch int32, metadata *string, out *int16) {
	if err == nil {
		err = c.topicExists(tp.topic, tp.partition)
	}
	o := offset{offset: at, leaderEpoch: max(epoch, -1), topicID: id}
	if metadata != nil {
		o.metadata = *metadata
	}
	if err == nil && len(o.metadata) > c.cfg.MaxMetadata {
		err = kerr.OffsetMetadataTooLarge
	}
	if err != nil {
		*out = err.Code
		return
	}
	*w = append(*w, write{tp, o, out})
}

func (w writes) fail(ec int16) {
	for i := range w {
		*w[i].code = ec
	}
}

// commit stores plain offsets.
func (w writes) commit(m *Machine, s *coord.Step, req *kmsg.OffsetCommitRequest) {
	generation := req.Generation
	if req.Version < 1 {
		generation = -1
	}
	// Kafka says GROUP_ID_NOT_FOUND from v9 on, where members of classic groups,
	// which are all there are here, may not expect it. This one they rejoin upon.
	unknown := kerr.IllegalGeneration
	g, err := m.committing(s, req.Group, req.MemberID, req.InstanceID, generation, unknown, false)
	if err != nil {
		w.fail(err.Code)
		return
	}
	defer m.release(g)
	for i := range w {
		o := w[i].offset
		o.committed = s.Now
		m.putOffset(s, req.Group, w[i].tp, &o)
	}
}

// committing checks whether the caller may commit offsets of the group and
// returns it. A group that does not exist comes into being by a commit without
// a generation, that is of a consumer that only keeps its offsets here; to others
// it is unknown.
//
// Transactional commits are checked by member and generation only, whoever the
// producer is: several producers may work for one member. They also pass
// without a member, as old clients send them, and while a rebalance completes.
func (m *Machine) committing(s *coord.Step, id, memberID string, instance *string, generation int32, unknown *kerrError, transactional bool) (*group, *kerrError) {
	if id == "" {
		return nil, kerr.InvalidGroupID
	}
	g := m.groups[id]
	if g == nil {
		if generation >= 0 {
			return nil, unknown
		}
		g = m.group(id)
		g.setState(Empty, s.Now)
		return g, nil
	}
	switch {
	case generation < 0 && g.state == Empty:
		return g, nil
	case generation >= 0 || memberID != "" || instance != nil:
		mb, err := g.check(memberID, instance)
		if err != nil {
			return nil, err
		}
		if generation != g.generation {
			return nil, kerr.IllegalGeneration
		}
		m.heard(s, g, mb)
	case !transactional:
		return nil, errUnknownMember
	}
	if !transactional && g.state == CompletingRebalance {
		return nil, kerr.RebalanceInProgress
	}
	return g, nil
}
