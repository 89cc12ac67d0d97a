package txn

import (
	"context"
	"time"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// EndTxn answers API key 26.
//
//	v2 PRODUCER_FENCED   v3 flexible   v4 TRANSACTION_ABORTABLE may be returned
//	v5 the epoch is raised; the answer has the producer id and epoch to go on with (KIP-890)
//
// The answer comes when the decision is committed; the markers follow.
func (c *Coordinator) EndTxn(ctx context.Context, _ coord.Caller, req *kmsg.EndTxnRequest) *kmsg.EndTxnResponse {
	resp := req.ResponseKind().(*kmsg.EndTxnResponse)
	resp.ProducerID, resp.ProducerEpoch = noProducerID, noProducerEpoch
	c.ids.reserve(ctx)
	out, err := do(ctx, c, req.TransactionalID, func(m *Machine, s *coord.Step, p *coord.Promise[*kmsg.EndTxnResponse]) {
		m.endTxn(s, req, m.deadline(s.Now), p)
	})
	if err != nil {
		resp.ErrorCode = coord.Code(err)
		return resp
	}
	return out
}

func (m *Machine) endTxn(s *coord.Step, req *kmsg.EndTxnRequest, until time.Time, p *coord.Promise[*kmsg.EndTxnResponse]) {
	resp := req.ResponseKind().(*kmsg.EndTxnResponse)
	resp.ProducerID, resp.ProducerEpoch = noProducerID, noProducerEpoch
	t := m.txns[req.TransactionalID]
	if t != nil && m.endsNext(t, req) {
		if s.Now.Before(until) {
			m.wait(t, until, func(s *coord.Step) { m.endTxn(s, req, until, p) })
			return
		}
		resp.ErrorCode = kerr.ConcurrentTransactions.Code
		s.Reply(p, resp)
		return
	}
	end := m.endV1
	if req.Version >= 5 {
		end = m.endV2
	}
	pid, epoch, err := end(s, req)
	switch {
	case err == kerr.ProducerFenced && req.Version < 2:
		resp.ErrorCode = kerr.InvalidProducerEpoch.Code
	case err != nil:
		resp.ErrorCode = err.Code
	default:
		resp.ProducerID, resp.ProducerEpoch = pid, epoch
	}
	s.Reply(p, resp)
}

// endsNext reports whether a request may be for the transaction after the one
// whose markers are being written. A client that gives up a transaction at once
// sends EndTxn while its first Produce still waits here: neither can be judged
// before the previous transaction is complete.
func (m *Machine) endsNext(t *txn, req *kmsg.EndTxnRequest) bool {
	pid, epoch := t.identity()
	return t.state.preparing() && req.ProducerID == pid && req.ProducerEpoch == epoch
}

// endV1 ends a transaction of a client that keeps its epoch. Since a repeated
// request looks like a new one, a transaction that has ended the same way
// counts as success.
func (m *Machine) endV1(s *coord.Step, req *kmsg.EndTxnRequest) (int64, int16, *kerr.Error) {
	t, err := m.owned(req.TransactionalID, req.ProducerID, req.ProducerEpoch)
	if err != nil {
		return 0, 0, err
	}
	switch t.state {
	case Ongoing:
		if err := m.prepare(s, t, req.Commit, false); err != nil {
			return 0, 0, err
		}
	case completed(req.Commit):
	default:
		return 0, 0, kerr.InvalidTxnState
	}
	pid, epoch := t.identity()
	return pid, epoch, nil
}

// endV2 ends a transaction and raises the epoch, so a repeated request is told
// from a new one by its epoch being one behind. An abort without a transaction
// raises the epoch too: the client cannot know whether anything it sent has
// reached a broker.
func (m *Machine) endV2(s *coord.Step, req *kmsg.EndTxnRequest) (int64, int16, *kerr.Error) {
	t := m.txns[req.TransactionalID]
	switch {
	case req.TransactionalID == "":
		return 0, 0, kerr.InvalidRequest
	case t == nil:
		return 0, 0, kerr.InvalidProducerIDMapping
	}
	rotated := t.epoch == 0 && req.ProducerID == t.previousID && req.ProducerEpoch == m.cfg.MaxEpoch &&
		(t.state == CompleteCommit || t.state == CompleteAbort)
	if req.ProducerID != t.producerID && !rotated {
		return 0, 0, kerr.InvalidProducerIDMapping
	}
	retry := rotated || t.epoch > 0 && req.ProducerEpoch == t.epoch-1
	switch {
	case retry && (t.state == Empty || t.state == Ongoing),
		!retry && (req.ProducerEpoch != t.epoch || t.state.preparing()):
		return 0, 0, kerr.ProducerFenced
	case retry && t.state == prepared(req.Commit):
		return 0, 0, kerr.ConcurrentTransactions
	case retry && t.state == completed(req.Commit):
	case retry, t.state != Ongoing && req.Commit:
		return 0, 0, kerr.InvalidTxnState
	default:
		if err := m.prepare(s, t, req.Commit, true); err != nil {
			return 0, 0, err
		}
	}
	pid, epoch := t.identity()
	return pid, epoch, nil
}

func prepared(commit bool) State {
	if commit {
		return PrepareCommit
	}
	return PrepareAbort
}

func completed(commit bool) State {
	if commit {
		return CompleteCommit
	}
	return CompleteAbort
}
