package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/thalweg/thalweg/broker/api"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/thalweg/thalweg/broker/log"
	"github.com/thalweg/thalweg/broker/meta"
	"github.com/thalweg/thalweg/internal/batch"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Produce (key 0); package api lists what each version added.
//
// Batches go from the frame to the log as they are: the broker looks at their
// headers, assigns offsets in place and hands the same bytes to the file.

// produced is the reply to a Produce request. The appends have happened; it
// waits for them to be committed.
type produced struct {
	req     request
	header  api.Header
	body    api.ProduceRequest
	appends []appended
}

// appended is an append that the response waits for.
type appended struct {
	p         *partition
	log       *log.Log
	last      int64
	partition int // index into body.Partitions
}

// produce appends the batches of a request and queues its reply.
func (c *conn) produce(h api.Header, req request, body []byte) error {
	r, _ := c.b.producedPool.Get().(*produced)
	if r == nil {
		r = &produced{}
	}
	r.req, r.header, r.appends = req, h, r.appends[:0]
	if err := r.body.Decode(h.Version, body); err != nil {
		req.release()
		return err
	}
	in := &r.body
	validAcks := in.Acks >= -1 && in.Acks <= 1
	joinErr := c.b.joinTransaction(c.ctx, in)
	for i := range in.Topics {
		pt := &in.Topics[i]
		t, err := c.b.producedTopic(pt, in.Version)
		if err == nil {
			err = joinErr
		}
		for j := pt.First; j < pt.End; j++ {
			part := &in.Partitions[j]
			part.Result = api.ProduceResult{BaseOffset: -1, LogAppendTime: -1, LogStartOffset: -1, LeaderID: -1}
			perr := err
			if !validAcks {
				perr = kerr.InvalidRequiredAcks
			}
			if perr == nil {
				perr = c.produceTo(r, t, j)
			}
			if perr != nil {
				c.refuse(in.Version, part, perr)
			}
		}
	}
	return c.queue(r)
}

// producedTopic finds the topic a request writes to.
func (b *Broker) producedTopic(pt *api.ProduceTopic, version int16) (*topic, error) {
	t := (*topic)(nil)
	if version >= 13 {
		if t = b.topics.withID(meta.ID(pt.ID)); t == nil {
			return nil, kerr.UnknownTopicID
		}
	} else if t = b.topics.named(pt.Name); t == nil {
		return nil, kerr.UnknownTopicOrPartition
	}
	if t.Internal() {
		return nil, fail(kerr.InvalidTopicException, "Clients may not write to the internal topic %s.", t.Name)
	}
	return t, nil
}

// produceTo checks and appends the batch for one partition.
func (c *conn) produceTo(r *produced, t *topic, index int) error {
	part := &r.body.Partitions[index]
	p := t.partition(part.Index)
	if p == nil {
		return kerr.UnknownTopicOrPartition
	}
	rules := p.rules.Load()
	v, err := c.checkBatch(part.Records, rules, r.body.Version)
	if err != nil {
		return err
	}
	opts := log.AppendOptions{LogAppendTime: rules.logAppendTime, Verified: true}
	if v.ProducerID() >= 0 && v.IsTransactional() {
		if opts.TxnGuard, err = c.b.verifyTransaction(c.ctx, p, v, r.body.TransactionID, r.body.Version); err != nil {
			return err
		}
	}
	if v, err = c.recompress(v, rules); err != nil {
		return err
	}
	l, info, err := p.append(v, opts)
	if err != nil {
		return err
	}
	part.Result.BaseOffset = info.FirstOffset
	part.Result.LogAppendTime = info.LogAppendTime
	part.Result.LogStartOffset = info.LogStartOffset
	r.appends = append(r.appends, appended{p, l, info.LastOffset, index})
	return nil
}

// checkBatch applies the rules for the records of one partition entry. It may
// correct the batch's header.
//
// The records of a compressed batch are looked at only where something depends
// on them, namely on compacted topics: decompressing is most of what a broker
// could spend on producing, and a consumer checks them anyway.
func (c *conn) checkBatch(records []byte, rules *rules, version int16) (batch.View, error) {
	if len(records) == 0 {
		return nil, fail(kerr.InvalidRecord, "The request holds no record batch for the partition.")
	}
	v, rest, err := batch.Parse(records)
	switch {
	case errors.Is(err, batch.ErrTruncated):
		return nil, fail(kerr.CorruptMessage, "The record batch is cut off.")
	case err != nil && len(records) > 16 && records[16] < batch.Magic:
		return nil, fail(kerr.InvalidRecord, "Message format %d is not supported; use record batches (magic 2).", records[16])
	case err != nil:
		return nil, fail(kerr.CorruptMessage, "%v", err)
	case len(rest) > 0:
		return nil, fail(kerr.InvalidRecord, "A produce request may hold one record batch for a partition.")
	case len(v) > rules.maxBatch:
		return nil, fail(kerr.MessageTooLarge, "The record batch has %d bytes, max.message.bytes is %d.", len(v), rules.maxBatch)
	}
	if err := v.CheckProduced(); err != nil {
		return nil, err
	}
	if v.Codec() == batch.Zstd && version < 7 {
		return nil, kerr.UnsupportedCompressionType
	}
	low, high := rules.timestamps(c.b.now().UnixMilli())
	if v.Codec() != batch.None && !rules.compacted {
		if ts := v.MaxTimestamp(); !rules.logAppendTime && (ts > high || ts < low) {
			return nil, fail(kerr.InvalidTimestamp, "Timestamp %d is outside of [%d, %d].", ts, low, high)
		}
		return v, nil
	}
	newest, err := v.CheckRecords(&c.decompressor, batch.RecordRules{
		RequireKey: rules.compacted, BoundTime: !rules.logAppendTime, MinTimestamp: low, MaxTimestamp: high,
	})
	if err != nil {
		return nil, err
	}
	if newest != v.MaxTimestamp() && !rules.logAppendTime {
		v.SetMaxTimestamp(newest)
	}
	return v, nil
}

// refuse writes an error into a partition's result.
func (c *conn) refuse(version int16, part *api.ProducePartition, err error) {
	res := &part.Result
	var invalid *batch.InvalidError
	if errors.As(err, &invalid) {
		kind := kerr.InvalidRecord
		if invalid.Timestamp {
			kind = kerr.InvalidTimestamp
		}
		if invalid.Index >= 0 {
			res.RecordErrors = []api.RecordError{{Index: int32(invalid.Index), Message: invalid.Reason}}
		}
		err = &failure{kind, invalid.Reason}
	}
	var corrupt *batch.CorruptError
	if errors.As(err, &corrupt) {
		err = &failure{kerr.CorruptMessage, corrupt.Reason}
	}
	res.ErrorCode = code(err)
	if _, plain := err.(*kerr.Error); !plain {
		res.ErrorMessage = err.Error()
	}
	if res.ErrorCode == kerr.KafkaStorageError.Code && version <= 3 {
		res.ErrorCode = kerr.NotLeaderForPartition.Code
	}
	res.BaseOffset = -1
}

// finish waits for the commits and answers. With acks=0 there is no answer;
// the only thing a client can be told is that something went wrong, by closing
// its connection.
func (r *produced) finish(w *writer) {
	for _, a := range r.appends {
		if err := a.p.commit(a.log, a.last); err != nil {
			w.c.refuse(r.body.Version, &r.body.Partitions[a.partition], err)
		}
	}
	if r.body.Acks == 0 {
		r.checkUnacknowledged(w)
	} else {
		w.head = api.AppendResponseHeader(w.head[:0], r.header.CorrelationID, r.body.Version >= 9)
		w.head = r.body.AppendResponse(w.head, nil)
		api.FinishFrame(w.head, 0)
		w.send(w.head)
	}
	r.release(w.c.b)
}

func (r *produced) checkUnacknowledged(w *writer) {
	for i := range r.body.Partitions {
		if res := &r.body.Partitions[i].Result; res.ErrorCode != 0 && w.err == nil {
			w.fail(fmt.Errorf("%w: produce with acks=0 failed: %w", errProtocol, kerr.ErrorForCode(res.ErrorCode)))
			return
		}
	}
}

func (r *produced) release(b *Broker) {
	r.req.release()
	clear(r.appends)
	clear(r.body.Partitions)
	clear(r.body.Topics)
	b.producedPool.Put(r)
}

// verifyTransaction makes sure that the partition belongs to the producer's
// transaction before it is written to (KIP-890): it adds it for clients that
// leave that to the broker (v12), and checks that older ones have done so. Once
// a producer has written to the partition in this transaction, the log itself
// is the proof.
//
// The guard it returns makes the append fail if a marker comes in between.
// Clients from v12 on need none and must not have one: each of their
// transactions has an epoch of its own, so a marker that ends this one fences
// the batch, while that of the transaction before may well come only now.
func (b *Broker) verifyTransaction(ctx context.Context, p *partition, v batch.View, txnID []byte, version int16) (guard int64, err error) {
	if txnID == nil {
		return 0, fail(kerr.InvalidRequest, "A transactional batch needs the request's transactional id.")
	}
	l, err := p.log()
	if err != nil {
		return 0, err
	}
	if version < 12 {
		guard = l.LogEnd() + 1
	}
	if l.InTxn(v.ProducerID(), v.ProducerEpoch()) {
		return guard, nil
	}
	err = b.coordinators.AddPartition(ctx, string(txnID), v.ProducerID(), v.ProducerEpoch(), p.topic, p.index, version < 12)
	return guard, verificationError(err, version)
}

// joinTransaction adds all partitions of a request that are new to the
// producer's transaction in one go, where each alone would cost a write of the
// coordinator's journal. What each batch may do is checked when it is appended.
func (b *Broker) joinTransaction(ctx context.Context, in *api.ProduceRequest) error {
	if in.TransactionID == nil || in.Version < 12 || len(in.Partitions) < 2 {
		return nil
	}
	var (
		added []coord.TopicPartition
		first batch.View
	)
	for i := range in.Topics {
		pt := &in.Topics[i]
		t, err := b.producedTopic(pt, in.Version)
		if err != nil {
			continue
		}
		for j := pt.First; j < pt.End; j++ {
			part := &in.Partitions[j]
			v, _, err := batch.Parse(part.Records)
			p := t.partition(part.Index)
			if err != nil || p == nil || v.ProducerID() < 0 || !v.IsTransactional() {
				continue
			}
			if first == nil {
				first = v
			}
			if v.ProducerID() != first.ProducerID() || v.ProducerEpoch() != first.ProducerEpoch() {
				continue
			}
			if l, err := p.log(); err == nil && !l.InTxn(v.ProducerID(), v.ProducerEpoch()) {
				added = append(added, coord.TopicPartition{Topic: p.topic, Partition: p.index})
			}
		}
	}
	if len(added) < 2 {
		return nil
	}
	// All partitions get the same answer.
	code := b.coordinators.txns.AddPartitions(ctx, string(in.TransactionID), first.ProducerID(), first.ProducerEpoch(), added, false)[0]
	return verificationError(kerr.ErrorForCode(code), in.Version)
}

// verificationError translates what the transaction coordinator says to what a
// producer understands in a Produce response. Passing conditions become
// NOT_ENOUGH_REPLICAS, the one code that every producer retries.
func verificationError(err error, version int16) error {
	switch kind := (*kerr.Error)(nil); {
	case err == nil:
		return nil
	case !errors.As(err, &kind):
		return fmt.Errorf("%w: %w", kerr.NotEnoughReplicas, err)
	default:
		switch kind {
		case kerr.ConcurrentTransactions, kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable, kerr.NotCoordinator:
			return fmt.Errorf("%w: %w", kerr.NotEnoughReplicas, err)
		case kerr.ProducerFenced:
			return fmt.Errorf("%w: %w", kerr.InvalidProducerEpoch, err)
		case kerr.TransactionAbortable:
			if version < 11 {
				return fmt.Errorf("%w: %w", kerr.InvalidTxnState, err)
			}
		}
		return err
	}
}
