package txn

import (
	"context"
	"time"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// InitProducerID answers API key 22.
//
//	v2 flexible   v3 a producer may raise its own epoch (KIP-360)
//	v4 PRODUCER_FENCED   v5 TRANSACTION_ABORTABLE may be returned
//
// Without a transactional id every broker answers: a new producer id. With one
// the producer gets the next epoch; whoever had the previous one is fenced,
// and its open transaction is aborted first.
func (c *Coordinator) InitProducerID(ctx context.Context, _ coord.Caller, req *kmsg.InitProducerIDRequest) *kmsg.InitProducerIDResponse {
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID, resp.ProducerEpoch = noProducerID, noProducerEpoch
	if req.TransactionalID == nil {
		id, err := c.ids.Next(ctx)
		if err != nil {
			resp.ErrorCode = idError(err)
			return resp
		}
		resp.ProducerID, resp.ProducerEpoch = id, 0
		return resp
	}
	c.ids.reserve(ctx)
	out, err := do(ctx, c, *req.TransactionalID, func(m *Machine, s *coord.Step, p *coord.Promise[*kmsg.InitProducerIDResponse]) {
		m.initProducerID(s, req, m.deadline(s.Now), p)
	})
	if err != nil {
		resp.ErrorCode = coord.Code(err)
		return resp
	}
	return out
}

func (m *Machine) initProducerID(s *coord.Step, req *kmsg.InitProducerIDRequest, until time.Time, p *coord.Promise[*kmsg.InitProducerIDResponse]) {
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID, resp.ProducerEpoch = noProducerID, noProducerEpoch
	t, wait, err := m.initProducer(s, req)
	switch {
	case wait && s.Now.Before(until):
		m.wait(t, until, func(s *coord.Step) { m.initProducerID(s, req, until, p) })
		return
	case wait:
		resp.ErrorCode = kerr.ConcurrentTransactions.Code
	case err == kerr.ProducerFenced && req.Version < 4:
		resp.ErrorCode = kerr.InvalidProducerEpoch.Code
	case err != nil:
		resp.ErrorCode = err.Code
	default:
		resp.ProducerID, resp.ProducerEpoch = t.producerID, t.epoch
	}
	s.Reply(p, resp)
}

// initProducer gives the caller the next epoch. wait reports that a
// transaction has to complete first.
func (m *Machine) initProducer(s *coord.Step, req *kmsg.InitProducerIDRequest) (t *txn, wait bool, err *kerr.Error) {
	id := *req.TransactionalID
	timeout := time.Duration(req.TransactionTimeoutMillis) * time.Millisecond
	expectID, expectEpoch := noProducerID, noProducerEpoch
	if req.Version >= 3 {
		expectID, expectEpoch = req.ProducerID, req.ProducerEpoch
	}
	switch {
	case id == "", (expectID < 0) != (expectEpoch < 0):
		return nil, false, kerr.InvalidRequest
	case timeout <= 0, timeout > m.cfg.MaxTimeout:
		return nil, false, kerr.InvalidTransactionTimeout
	}
	if t = m.txns[id]; t == nil {
		pid, ok := m.ids.TryNext()
		if !ok {
			return nil, false, kerr.CoordinatorLoadInProgress
		}
		m.put(s, id, &metadata{
			producerID: pid, previousID: noProducerID, nextID: noProducerID,
			timeout: timeout, state: Empty, started: -1,
		})
		return m.txns[id], false, nil
	}
	if expectID >= 0 && expectID != t.producerID && (expectID != t.previousID || expectEpoch < m.cfg.MaxEpoch) {
		return nil, false, kerr.ProducerFenced
	}
	switch {
	case t.state.preparing():
		return t, true, nil
	case t.state == Ongoing:
		if expectID >= 0 && expectEpoch != t.epoch {
			return nil, false, kerr.ProducerFenced
		}
		if err := m.prepare(s, t, false, true); err != nil {
			return nil, false, err
		}
		// The epoch the abort has moved to was given to nobody. The caller
		// gets it if it is the producer itself, the one after it otherwise.
		if t.lastEpoch = expectEpoch; t.state.preparing() {
			return t, true, nil
		}
	}
	return m.nextEpoch(s, t, timeout, expectID, expectEpoch)
}

// nextEpoch raises the epoch of an idle producer, or changes its id when
// epochs are used up.
func (m *Machine) nextEpoch(s *coord.Step, t *txn, timeout time.Duration, expectID int64, expectEpoch int16) (*txn, bool, *kerr.Error) {
	current := expectID == t.producerID && expectEpoch == t.epoch
	switch {
	case expectID < 0, current:
	case expectEpoch == t.lastEpoch: // the answer got lost
		return t, false, nil
	default:
		return nil, false, kerr.ProducerFenced
	}
	x := t.metadata
	x.state, x.timeout, x.partitions, x.started = Empty, timeout, nil, -1
	last := noProducerEpoch
	if current {
		last = t.epoch
	}
	if t.epoch >= m.cfg.MaxEpoch {
		pid, ok := m.ids.TryNext()
		if !ok {
			return nil, false, kerr.CoordinatorLoadInProgress
		}
		x.previousID, x.producerID, x.epoch = t.producerID, pid, 0
	} else {
		x.epoch++
	}
	m.put(s, t.id, &x)
	t.lastEpoch = last
	return t, false, nil
}
