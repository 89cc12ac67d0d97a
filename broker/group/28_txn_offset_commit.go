package group

import (
	"context"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TxnOffsetCommit answers API key 28.
//
//	v2 leader epoch   v3 flexible, member and generation (KIP-447)
//	v4 TRANSACTION_ABORTABLE   v5 the offsets partition is added to the transaction here (KIP-890)
//	v6 topic ids; GROUP_ID_NOT_FOUND (KIP-1319)
//
// The offsets are pending until the producer's marker arrives. Before the
// first ones of a transaction the transaction coordinator is asked: to add the
// partition (v5), or whether the client has added it by AddOffsetsToTxn. What
// this shard knows of the producer is judged only after that, because the
// marker of the transaction before may still be on its way, and only the
// coordinator knows and waits for it.
func (c *Coordinator) TxnOffsetCommit(ctx context.Context, _ coord.Caller, req *kmsg.TxnOffsetCommitRequest) *kmsg.TxnOffsetCommitResponse {
	resp := req.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
	var w writes
	resp.Topics = make([]kmsg.TxnOffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		t, rt := &req.Topics[i], &resp.Topics[i]
		topic, id, err := c.resolve(t.Topic, t.TopicID, req.Version >= 6)
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		rt.Partitions = make([]kmsg.TxnOffsetCommitResponseTopicPartition, len(t.Partitions))
		for j := range t.Partitions {
			p, rp := &t.Partitions[j], &rt.Partitions[j]
			rp.Partition = p.Partition
			epoch := p.LeaderEpoch
			if req.Version < 2 {
				epoch = -1
			}
			c.add(&w, err, topicPartition{topic, p.Partition}, id, p.Offset, epoch, p.Metadata, &rp.ErrorCode)
		}
	}
	if len(w) > 0 {
		if ec := c.commitTxn(ctx, req, w); ec != 0 {
			w.fail(txnOffsetCode(ec, req.Version))
		}
	}
	return resp
}

// txnOffsetCode maps an error to what clients of a version handle.
func txnOffsetCode(ec, version int16) int16 {
	switch {
	case ec == kerr.ProducerFenced.Code:
		return kerr.InvalidProducerEpoch.Code
	case ec == kerr.TransactionAbortable.Code && version < 4:
		return kerr.InvalidTxnState.Code
	case ec == kerr.CoordinatorLoadInProgress.Code && version < 2:
		// Java clients of that age treat it as fatal (KAFKA-7296).
		return kerr.CoordinatorNotAvailable.Code
	}
	return ec
}

func (c *Coordinator) commitTxn(ctx context.Context, req *kmsg.TxnOffsetCommitRequest, w writes) int16 {
	if req.TransactionalID == "" {
		return kerr.InvalidRequest.Code
	}
	if req.ProducerID < 0 || req.ProducerEpoch < 0 {
		return kerr.InvalidProducerIDMapping.Code
	}
	partition := c.PartitionFor(req.Group)
	shard, err := c.shards.Get(partition)
	if err != nil {
		return coord.Code(err)
	}
	before, err := shard.Do(ctx, func(m *Machine, s *coord.Step, p *coord.Promise[guard]) {
		s.Reply(p, m.guard(req.ProducerID, req.ProducerEpoch))
	})
	if err != nil {
		return coord.Code(err)
	}
	if !before.open {
		err := c.txns.AddPartition(ctx, req.TransactionalID, req.ProducerID, req.ProducerEpoch,
			coord.OffsetsTopic, partition, req.Version < 5)
		if err != nil {
			return coord.Code(err)
		}
	}
	ec, err := shard.Do(ctx, func(m *Machine, s *coord.Step, p *coord.Promise[int16]) {
		s.Reply(p, code(w.commitTxn(m, s, req, before)))
	})
	if err != nil {
		return coord.Code(err)
	}
	return ec
}

// guard remembers the state of a producer while the transaction coordinator is
// asked.
type guard struct {
	open  bool  // the transaction has offsets here already: nothing to ask
	ended int64 // markers seen
}

func (m *Machine) guard(pid int64, epoch int16) guard {
	p := m.producers[pid]
	if p == nil {
		return guard{}
	}
	return guard{open: epoch == p.epoch && p.pending != nil, ended: p.ended}
}

// checkTxn decides whether a transaction that its coordinator knows may have
// offsets here.
//
// A marker that came while the coordinator was asked voids its answer only for
// clients that keep their epoch: it may have ended the very transaction that
// was verified. From v5 on each transaction has an epoch of its own; the marker
// that ends this one carries a higher epoch, and any other is of one before.
func (m *Machine) checkTxn(req *kmsg.TxnOffsetCommitRequest, before guard) *kerrError {
	p := m.producers[req.ProducerID]
	switch {
	case p == nil:
		return nil
	case req.ProducerEpoch < p.epoch:
		return kerr.InvalidProducerEpoch
	case req.ProducerEpoch > p.epoch && p.pending != nil:
		// The markers of the older epoch come first; the log insists on it.
		return kerr.ConcurrentTransactions
	case req.Version < 5 && p.ended != before.ended:
		return kerr.TransactionAbortable
	}
	return nil
}

func (w writes) commitTxn(m *Machine, s *coord.Step, req *kmsg.TxnOffsetCommitRequest, before guard) *kerrError {
	if err := m.checkTxn(req, before); err != nil {
		return err
	}
	generation := req.Generation
	if req.Version < 3 {
		generation = -1
	}
	unknown := kerr.IllegalGeneration
	if req.Version >= 6 {
		unknown = kerr.GroupIDNotFound
	}
	g, err := m.committing(s, req.Group, req.MemberID, req.InstanceID, generation, unknown, true)
	if err != nil {
		return err
	}
	defer m.release(g)
	for i := range w {
		o := w[i].offset
		o.committed = s.Now
		m.putPending(s, req.ProducerID, req.ProducerEpoch, req.Group, w[i].tp, &o)
	}
	return nil
}

// WriteMarker appends a marker to a partition of __consumer_offsets. When it
// returns nil the marker is committed and the transaction's offsets are
// materialised or dropped. Errors are [*kerr.Error] or of package coord.
func (c *Coordinator) WriteMarker(ctx context.Context, partition int32, marker coord.Marker) error {
	shard, err := c.shards.Get(partition)
	if err != nil {
		return err
	}
	refused, err := shard.Do(ctx, func(m *Machine, s *coord.Step, p *coord.Promise[*kerrError]) {
		s.Reply(p, m.writeMarker(s, marker))
	})
	if err == nil && refused != nil {
		err = refused
	}
	return err
}

func (m *Machine) writeMarker(s *coord.Step, x coord.Marker) *kerrError {
	if p := m.producers[x.ProducerID]; p != nil {
		switch {
		case x.CoordinatorEpoch < p.coordinatorEpoch:
			return kerr.TransactionCoordinatorFenced
		case x.ProducerEpoch < p.epoch, x.Version >= 2 && x.ProducerEpoch == p.epoch && p.pending != nil:
			return kerr.InvalidProducerEpoch
		}
	}
	m.putMarker(s, x.ProducerID, x.ProducerEpoch, x.Commit, x.CoordinatorEpoch)
	return nil
}
