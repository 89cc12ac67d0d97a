package txn

import (
	"context"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeTransactions answers API key 65 (v0, flexible).
func (c *Coordinator) DescribeTransactions(ctx context.Context, _ coord.Caller, req *kmsg.DescribeTransactionsRequest) *kmsg.DescribeTransactionsResponse {
	resp := req.ResponseKind().(*kmsg.DescribeTransactionsResponse)
	for _, id := range req.TransactionalIDs {
		x, err := do(ctx, c, id, func(m *Machine, s *coord.Step, p *coord.Promise[kmsg.DescribeTransactionsResponseTransactionState]) {
			s.Reply(p, m.describe(id))
		})
		if err != nil {
			x = kmsg.NewDescribeTransactionsResponseTransactionState()
			x.TransactionalID, x.ErrorCode = id, coord.Code(err)
		}
		resp.TransactionStates = append(resp.TransactionStates, x)
	}
	return resp
}

func (m *Machine) describe(id string) kmsg.DescribeTransactionsResponseTransactionState {
	x := kmsg.NewDescribeTransactionsResponseTransactionState()
	x.TransactionalID = id
	t := m.txns[id]
	switch {
	case id == "":
		x.ErrorCode = kerr.InvalidRequest.Code
		return x
	case t == nil:
		x.ErrorCode = kerr.TransactionalIDNotFound.Code
		return x
	}
	x.State, x.TimeoutMillis, x.StartTimestamp = t.state.String(), int32(t.timeout.Milliseconds()), t.started
	x.ProducerID, x.ProducerEpoch = t.producerID, t.epoch
	for _, tp := range t.partitions {
		if n := len(x.Topics); n == 0 || x.Topics[n-1].Topic != tp.Topic {
			topic := kmsg.NewDescribeTransactionsResponseTransactionStateTopic()
			topic.Topic = tp.Topic
			x.Topics = append(x.Topics, topic)
		}
		topic := &x.Topics[len(x.Topics)-1]
		topic.Partitions = append(topic.Partitions, tp.Partition)
	}
	return x
}
