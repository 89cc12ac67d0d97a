package produce

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	retryPause = 20 * time.Millisecond
	// maxPooled bounds the batch buffers kept for use again.
	maxPooled = 64
)

// request is one Produce request: at most one batch of each partition.
type request struct {
	broker int32
	parts  []*part
	add    map[string][]int32 // to be added to the transaction first
	resp   *kmsg.ProduceResponse
	err    error
	code   int16 // of adding the partitions
}

// launch sends a request to every broker that has none under way and something
// waiting.
func (p *Producer) launch() {
	if p.err != nil || len(p.ready) == 0 {
		return
	}
	now := time.Now()
	requests := make(map[int32]*request)
	rest := p.ready[:0]
	for _, q := range p.ready {
		if p.brokers[q.leader] || q.leader < 0 || now.Before(q.sealed[0].retryAt) {
			rest = append(rest, q)
			continue
		}
		r := requests[q.leader]
		if r == nil {
			r = &request{broker: q.leader}
			requests[q.leader] = r
		}
		r.parts = append(r.parts, q)
		q.queued, q.busy = false, true
		if p.cfg.TxnID != "" && !p.cfg.V2 && !q.added {
			if r.add == nil {
				r.add = make(map[string][]int32)
			}
			r.add[q.topic.name] = append(r.add[q.topic.name], q.partition)
		}
	}
	clear(p.ready[len(rest):])
	p.ready = rest
	for _, r := range requests {
		p.brokers[r.broker] = true
		req := p.encode(r)
		id, epoch := p.id, p.epoch
		p.wg.Go(func() {
			p.exchange(r, req, id, epoch)
			p.mu.Lock()
			p.done = append(p.done, r)
			p.mu.Unlock()
			p.cfg.Notify()
		})
	}
}

// encode builds the request around the batches' bytes.
func (p *Producer) encode(r *request) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks = -1
	req.TimeoutMillis = int32(min(p.cfg.Timeout, 30*time.Second).Milliseconds())
	if p.cfg.TxnID != "" {
		req.TransactionID = &p.cfg.TxnID
	}
	at := make(map[*topic]int)
	for _, q := range r.parts {
		i, ok := at[q.topic]
		if !ok {
			i = len(req.Topics)
			at[q.topic] = i
			t := kmsg.NewProduceRequestTopic()
			t.Topic = q.topic.name
			req.Topics = append(req.Topics, t)
		}
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition = q.partition
		rp.Records = q.sealed[0].view
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
	}
	return req
}

// exchange runs on a goroutine of its own and touches only r.
func (p *Producer) exchange(r *request, req *kmsg.ProduceRequest, id int64, epoch int16) {
	if r.add != nil {
		if r.code, r.err = p.addPartitions(r.add, id, epoch); r.code != 0 || r.err != nil {
			return
		}
	}
	resp, err := p.cfg.Client.Broker(int(r.broker)).Request(p.ctx, req)
	if err != nil {
		r.err = err
		return
	}
	r.resp = resp.(*kmsg.ProduceResponse)
}

// addPartitions adds partitions to the transaction (version 1).
func (p *Producer) addPartitions(add map[string][]int32, id int64, epoch int16) (int16, error) {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.cfg.TxnID, id, epoch
	for name, ps := range add {
		t := kmsg.NewAddPartitionsToTxnRequestTopic()
		t.Topic, t.Partitions = name, ps
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(p.ctx, p.cfg.Client)
	if err != nil {
		return 0, err
	}
	worst := resp.ErrorCode
	for _, t := range resp.Topics {
		for _, rp := range t.Partitions {
			if rp.ErrorCode != 0 && (worst == 0 || worst == kerr.OperationNotAttempted.Code) {
				worst = rp.ErrorCode
			}
		}
	}
	return worst, nil
}

// Poll takes in answers and sends what they free. It returns the error that
// ended the transaction, if one did.
func (p *Producer) Poll() error {
	p.mu.Lock()
	done := p.done
	p.done = nil
	p.mu.Unlock()
	for _, r := range done {
		delete(p.brokers, r.broker)
		p.answered(r)
	}
	p.launch()
	return p.err
}

// retryAt is when the earliest batch that waits after a failure may be sent.
func (p *Producer) retryAt() (at time.Time, ok bool) {
	for _, q := range p.ready {
		if t := q.sealed[0].retryAt; !t.IsZero() && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	return at, ok
}

// answered handles a finished request.
func (p *Producer) answered(r *request) {
	for _, q := range r.parts {
		q.busy = false
	}
	switch {
	case r.err != nil && !Passing(r.err) && p.ctx.Err() == nil:
		p.fail(fmt.Errorf("produce: broker %d: %w", r.broker, r.err))
		return
	case r.err != nil:
		p.retry(r.parts, r.err, true)
		return
	case r.code != 0:
		switch v := judge(r.code); v {
		case retry, retryElsewhere:
			p.retry(r.parts, kerr.ErrorForCode(r.code), false)
		default:
			p.fail(wrap(r.code, "adding partitions to transaction "+p.cfg.TxnID))
		}
		return
	}
	for _, q := range r.parts {
		q.added = true
	}
	for i := range r.resp.Topics {
		t := &r.resp.Topics[i]
		for j := range t.Partitions {
			rp := &t.Partitions[j]
			for _, q := range r.parts {
				if q.partition == rp.Partition && q.topic.name == t.Topic {
					p.partition(q, rp)
				}
			}
		}
	}
	for _, q := range r.parts {
		p.enqueue(q)
	}
}

// partition handles the answer for one batch.
func (p *Producer) partition(q *part, rp *kmsg.ProduceResponseTopicPartition) {
	if len(q.sealed) == 0 {
		return
	}
	switch judge(rp.ErrorCode) {
	case good:
		b := q.sealed[0]
		if rp.BaseOffset >= 0 && rp.BaseOffset < q.next {
			p.fail(fmt.Errorf("%w: topic %s partition %d acknowledged a batch at offset %d, after one that ended before offset %d: it is not in the log, or the log was cut or made anew",
				ErrAborted, q.topic.name, q.partition, rp.BaseOffset, q.next))
			return
		}
		q.sealed = append(q.sealed[:0], q.sealed[1:]...)
		p.buffered -= len(b.view)
		if rp.BaseOffset >= 0 {
			q.next, q.fresh = rp.BaseOffset+int64(b.count), true
		}
		if len(p.free) < maxPooled {
			p.free = append(p.free, b)
		}
	case retry:
		p.retry([]*part{q}, kerr.ErrorForCode(rp.ErrorCode), false)
	case retryElsewhere:
		p.retry([]*part{q}, kerr.ErrorForCode(rp.ErrorCode), true)
	default:
		p.fail(wrap(rp.ErrorCode, fmt.Sprintf("writing to topic %s partition %d", q.topic.name, q.partition)))
	}
}

// retry queues the first batch of each part again, unchanged.
func (p *Producer) retry(parts []*part, cause error, elsewhere bool) {
	now := time.Now()
	for _, q := range parts {
		b := q.sealed[0]
		if now.Sub(b.sealed) > p.cfg.Timeout {
			p.fail(fmt.Errorf("%w: topic %s partition %d took no batch for %v: %w", ErrAborted, q.topic.name, q.partition, p.cfg.Timeout, cause))
			return
		}
		b.retryAt, b.cause = now.Add(retryPause), cause
		if elsewhere {
			leaders, err := p.cfg.Cluster.Leaders(p.ctx, q.topic.name, true)
			if err == nil && int(q.partition) < len(leaders) && leaders[q.partition] >= 0 {
				q.leader = leaders[q.partition]
			}
		}
		p.enqueue(q)
	}
	p.cfg.Logger.Debug("produce retried", "partitions", len(parts), "err", cause)
}
