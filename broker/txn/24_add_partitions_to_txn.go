package txn

import (
	"context"
	"time"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AddPartitionsToTxn answers API key 24.
//
//	v1 – v3 from clients (TV1): one transaction   v2 PRODUCER_FENCED   v3 flexible
//	v4 from brokers: several transactions, verify only (KIP-890)   v5 TRANSACTION_ABORTABLE
func (c *Coordinator) AddPartitionsToTxn(ctx context.Context, _ coord.Caller, req *kmsg.AddPartitionsToTxnRequest) *kmsg.AddPartitionsToTxnResponse {
	resp := req.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
	if req.Version >= 4 {
		for i := range req.Transactions {
			resp.Transactions = append(resp.Transactions, c.addForBroker(ctx, &req.Transactions[i], req.Version))
		}
		return resp
	}
	var tps []coord.TopicPartition
	unknown := false
	for _, t := range req.Topics {
		n, ok := c.topics.Partitions(t.Topic)
		for _, p := range t.Partitions {
			tps = append(tps, coord.TopicPartition{Topic: t.Topic, Partition: p})
			unknown = unknown || !ok || p < 0 || p >= n
		}
	}
	var all int16
	switch {
	case unknown:
		all = kerr.OperationNotAttempted.Code
	case len(tps) > 0:
		all = c.add(ctx, addition{req.TransactionalID, req.ProducerID, req.ProducerEpoch, tps, 1})
		if all == kerr.ProducerFenced.Code && req.Version < 2 {
			all = kerr.InvalidProducerEpoch.Code
		}
	}
	for _, t := range req.Topics {
		rt := kmsg.NewAddPartitionsToTxnResponseTopic()
		rt.Topic = t.Topic
		n, ok := c.topics.Partitions(t.Topic)
		for _, p := range t.Partitions {
			rp := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p, all
			if unknown && (!ok || p < 0 || p >= n) {
				rp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (c *Coordinator) addForBroker(ctx context.Context, x *kmsg.AddPartitionsToTxnRequestTransaction, version int16) kmsg.AddPartitionsToTxnResponseTransaction {
	var tps []coord.TopicPartition
	for _, t := range x.Topics {
		for _, p := range t.Partitions {
			tps = append(tps, coord.TopicPartition{Topic: t.Topic, Partition: p})
		}
	}
	codes := c.AddPartitions(ctx, x.TransactionalID, x.ProducerID, x.ProducerEpoch, tps, x.VerifyOnly)
	out := kmsg.NewAddPartitionsToTxnResponseTransaction()
	out.TransactionalID = x.TransactionalID
	for _, t := range x.Topics {
		rt := kmsg.NewAddPartitionsToTxnResponseTransactionTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewAddPartitionsToTxnResponseTransactionTopicPartition()
			rp.Partition, rp.ErrorCode = p, codes[0]
			codes = codes[1:]
			if rp.ErrorCode == kerr.TransactionAbortable.Code && version < 5 {
				rp.ErrorCode = kerr.InvalidTxnState.Code
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		out.Topics = append(out.Topics, rt)
	}
	return out
}

// AddPartitions is what a partition leader asks before it takes a producer's
// first transactional batch. By default (TV2, Produce v12 and up) it adds the
// partitions to the transaction, starting one if need be; while the previous
// transaction completes it waits. With verifyOnly (TV1) it checks that the
// client has added them.
//
// The answer has one Kafka error code for each partition: 0,
// INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, CONCURRENT_TRANSACTIONS,
// TRANSACTION_ABORTABLE (not verified), or that of an unavailable coordinator.
func (c *Coordinator) AddPartitions(ctx context.Context, txnID string, pid int64, epoch int16, tps []coord.TopicPartition, verifyOnly bool) []int16 {
	codes := make([]int16, len(tps))
	if !verifyOnly {
		all := c.add(ctx, addition{txnID, pid, epoch, tps, 2})
		for i := range codes {
			codes[i] = all
		}
		return codes
	}
	verified, err := do(ctx, c, txnID, func(m *Machine, s *coord.Step, p *coord.Promise[[]int16]) {
		s.Reply(p, m.verify(txnID, pid, epoch, tps))
	})
	if err != nil {
		for i := range codes {
			codes[i] = coord.Code(err)
		}
		return codes
	}
	return verified
}

// AddPartition is AddPartitions for one partition, with the error as a value.
func (c *Coordinator) AddPartition(ctx context.Context, txnID string, pid int64, epoch int16, topic string, partition int32, verifyOnly bool) error {
	codes := c.AddPartitions(ctx, txnID, pid, epoch, []coord.TopicPartition{{Topic: topic, Partition: partition}}, verifyOnly)
	return kerr.ErrorForCode(codes[0])
}

// addition is a request to add partitions to a transaction.
type addition struct {
	id         string
	pid        int64
	epoch      int16
	partitions []coord.TopicPartition
	version    int16 // of the transaction protocol
}

func (c *Coordinator) add(ctx context.Context, a addition) int16 {
	ec, err := do(ctx, c, a.id, func(m *Machine, s *coord.Step, p *coord.Promise[int16]) {
		m.add(s, a, m.deadline(s.Now), p)
	})
	if err != nil {
		return coord.Code(err)
	}
	return ec
}

func (m *Machine) add(s *coord.Step, a addition, until time.Time, p *coord.Promise[int16]) {
	t, err := m.owned(a.id, a.pid, a.epoch)
	switch {
	case err != nil:
		s.Reply(p, err.Code)
	case t.state.preparing() && s.Now.Before(until):
		m.wait(t, until, func(s *coord.Step) { m.add(s, a, until, p) })
	case t.state.preparing():
		s.Reply(p, kerr.ConcurrentTransactions.Code)
	case t.state == Ongoing && t.contains(a.partitions):
		s.Reply(p, 0)
	default:
		x := t.metadata
		x.partitions = t.with(a.partitions)
		if x.version = a.version; t.state != Ongoing {
			x.state, x.started = Ongoing, s.Now.UnixMilli()
		}
		m.put(s, t.id, &x)
		m.armTimeout(t)
		s.Reply(p, 0)
	}
}

// owned finds a transactional id that the producer owns. The identity is that
// after a rotation in progress: the client has been told of it, and refusing
// it would make the client fence itself (KAFKA-18660).
func (m *Machine) owned(id string, pid int64, epoch int16) (*txn, *kerr.Error) {
	if id == "" {
		return nil, kerr.InvalidRequest
	}
	t := m.txns[id]
	if t == nil {
		return nil, kerr.InvalidProducerIDMapping
	}
	wantID, wantEpoch := t.identity()
	switch {
	case pid != wantID:
		return nil, kerr.InvalidProducerIDMapping
	case epoch != wantEpoch:
		return nil, kerr.ProducerFenced
	}
	return t, nil
}

// verify checks that partitions are part of the producer's open transaction.
func (m *Machine) verify(id string, pid int64, epoch int16, tps []coord.TopicPartition) []int16 {
	codes := make([]int16, len(tps))
	t, err := m.owned(id, pid, epoch)
	for i := range codes {
		switch {
		case err != nil:
			codes[i] = err.Code
		case t.state.preparing():
			codes[i] = kerr.ConcurrentTransactions.Code
		case t.state != Ongoing || !t.contains(tps[i:i+1]):
			codes[i] = kerr.TransactionAbortable.Code
		}
	}
	return codes
}
