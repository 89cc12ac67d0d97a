package produce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/runtime/internal/outage"
)

// Member is under whose name offsets are committed: one assignment epoch.
type Member struct {
	Group      string
	ID         string
	Generation int32
	Instance   *string
}

// Offset is one input partition's committed place.
type Offset struct {
	Topic       string
	Partition   int32
	Offset      int64
	LeaderEpoch int32
	Metadata    string
}

// Init gets a producer id, or for a transactional producer its id with a new
// epoch, which ends whatever transaction was open under it. It waits while the
// coordinator still completes that one.
func (p *Producer) Init(ctx context.Context) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch = -1, -1
	if p.cfg.TxnID != "" {
		req.TransactionalID = &p.cfg.TxnID
		req.TransactionTimeoutMillis = int32(p.cfg.TxnTimeout.Milliseconds())
	}
	err := p.patiently(ctx, "initializing producer", func() (int16, error) {
		resp, err := req.RequestWith(ctx, p.cfg.Client)
		if err != nil {
			return 0, err
		}
		if resp.ErrorCode == 0 {
			p.renew(resp.ProducerID, resp.ProducerEpoch)
			p.inTxn = false
		}
		return resp.ErrorCode, nil
	})
	if err != nil {
		return fmt.Errorf("produce: initializing producer %s: %w", p.cfg.TxnID, err)
	}
	return nil
}

// renew takes a new id or epoch: sequences start again.
func (p *Producer) renew(id int64, epoch int16) {
	if id == p.id && epoch == p.epoch {
		return
	}
	p.id, p.epoch, p.spent = id, epoch, false
	for _, t := range p.topics {
		for _, q := range t.parts {
			q.sequence, q.added = 0, false
		}
	}
}

// SendOffsets adds offsets to the transaction under the member's epoch. The
// error wraps ErrRebalance when a newer epoch may succeed, ErrMember when the
// member is out of the group, ErrFenced or ErrAborted.
func (p *Producer) SendOffsets(ctx context.Context, m Member, offsets []Offset) error {
	if len(offsets) == 0 {
		return nil
	}
	if !p.cfg.V2 {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = p.cfg.TxnID, p.id, p.epoch, m.Group
		if err := p.patiently(ctx, "adding offsets to transaction", func() (int16, error) {
			resp, err := req.RequestWith(ctx, p.cfg.Client)
			if err != nil {
				return 0, err
			}
			return resp.ErrorCode, nil
		}); err != nil {
			return err
		}
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.cfg.TxnID, p.id, p.epoch
	req.Group, req.MemberID, req.Generation, req.InstanceID = m.Group, m.ID, m.Generation, m.Instance
	at := make(map[string]int)
	for _, o := range offsets {
		i, ok := at[o.Topic]
		if !ok {
			i = len(req.Topics)
			at[o.Topic] = i
			t := kmsg.NewTxnOffsetCommitRequestTopic()
			t.Topic = o.Topic
			req.Topics = append(req.Topics, t)
		}
		rp := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset, rp.LeaderEpoch = o.Partition, o.Offset, o.LeaderEpoch
		rp.Metadata = kmsg.StringPtr(o.Metadata)
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
	}
	p.inTxn = true
	return p.patiently(ctx, "committing offsets in transaction", func() (int16, error) {
		resp, err := req.RequestWith(ctx, p.cfg.Client)
		if err != nil {
			return 0, err
		}
		for _, t := range resp.Topics {
			for _, rp := range t.Partitions {
				if rp.ErrorCode != 0 {
					return rp.ErrorCode, nil
				}
			}
		}
		return 0, nil
	})
}

// End commits or aborts the transaction, if there is one. ErrUnknownOutcome
// means that the coordinator gave no answer, or that the producer was fenced
// while the answer to a first attempt was lost.
func (p *Producer) End(ctx context.Context, commit bool) error {
	if !p.inTxn || p.cfg.TxnID == "" {
		p.inTxn = false
		return nil
	}
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = p.cfg.TxnID, p.id, p.epoch, commit
	attempts := 0
	err := p.patiently(ctx, "ending transaction", func() (int16, error) {
		attempts++
		resp, err := req.RequestWith(ctx, p.cfg.Client)
		if err != nil {
			return 0, err
		}
		if resp.ErrorCode == 0 {
			if resp.Version >= 5 && resp.ProducerID >= 0 {
				p.renew(resp.ProducerID, resp.ProducerEpoch)
			}
			for _, t := range p.topics {
				for _, q := range t.parts {
					q.added = false
				}
			}
			p.inTxn = false
		}
		return resp.ErrorCode, nil
	})
	// A first attempt may have got through; then the error of a later one is
	// about what came after.
	if err != nil && commit && (attempts > 1 || Unreachable(err) || ctx.Err() != nil) {
		return errors.Join(ErrUnknownOutcome, err)
	}
	return err
}

// CommitOffsets commits offsets outside any transaction. Errors are those of
// SendOffsets.
func (p *Producer) CommitOffsets(ctx context.Context, m Member, offsets []Offset) error {
	if len(offsets) == 0 {
		return nil
	}
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation, req.InstanceID = m.Group, m.ID, m.Generation, m.Instance
	at := make(map[string]int)
	for _, o := range offsets {
		i, ok := at[o.Topic]
		if !ok {
			i = len(req.Topics)
			at[o.Topic] = i
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic = o.Topic
			req.Topics = append(req.Topics, t)
		}
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Partition, rp.Offset, rp.LeaderEpoch = o.Partition, o.Offset, o.LeaderEpoch
		rp.Metadata = kmsg.StringPtr(o.Metadata)
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
	}
	return p.patiently(ctx, "committing offsets", func() (int16, error) {
		resp, err := req.RequestWith(ctx, p.cfg.Client)
		if err != nil {
			return 0, err
		}
		for _, t := range resp.Topics {
			for _, rp := range t.Partitions {
				if rp.ErrorCode != 0 {
					return rp.ErrorCode, nil
				}
			}
		}
		return 0, nil
	})
}

// patiently asks until the answer is final: while the coordinator moves, loads
// or completes the previous transaction, and while it cannot be reached, until
// ctx is done.
func (p *Producer) patiently(ctx context.Context, what string, ask func() (int16, error)) error {
	pause := 2 * time.Millisecond
	waitFor := "the coordinator, " + what
	var report outage.Report
	for {
		code, err := ask()
		switch {
		case err != nil && !Passing(err):
			return fmt.Errorf("produce: %s: %w", what, err)
		case err == nil:
			if v := judge(code); v != retry && v != retryElsewhere {
				report.Over(p.cfg.Logger, waitFor)
				return wrap(code, what)
			}
			err = wrap(code, what)
		}
		report.Waiting(p.cfg.Logger, waitFor, err)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			pause = min(2*pause, 100*time.Millisecond)
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("produce: %s: %w", what, fmt.Errorf("%w: %w", ctx.Err(), err))
		}
	}
}
