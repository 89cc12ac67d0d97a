package coord

import (
	"context"
	"fmt"
	"time"

	"github.com/thalweg/thalweg/internal/batch"
)

// A Journal is one partition of an internal topic, led by this broker. One
// shard is its only writer.
type Journal interface {
	// Append writes record batches, one or several end to end, and returns
	// when they are committed (durable on all replicas that count). The bytes
	// belong to the journal until it returns. When it fails, the shard assumes
	// nothing about what was written and replays.
	Append(ctx context.Context, batches []byte) error
	// Load hands over all committed batches in order, from the start of the
	// log. A batch is valid until fn returns.
	Load(ctx context.Context, fn func(batch.View) error) error
	// LeaderEpoch is the epoch of this broker's leadership. It is the
	// coordinator epoch of markers.
	LeaderEpoch() int32
}

// maxBatchBytes bounds the key and value bytes of one batch, so that it stays
// under the topics' max.message.bytes of 1 MiB with room for framing. A record
// that is larger gets a batch of its own.
const maxBatchBytes = 512 << 10

// encode turns records into batches end to end. Neighbours of the same kind
// and producer share a batch.
func encode(dst []byte, b *batch.Builder, records []Record, now time.Time) ([]byte, error) {
	ts := now.UnixMilli()
	for i := 0; i < len(records); {
		first := &records[i]
		if first.Kind == CommitMarker || first.Kind == AbortMarker {
			dst = batch.AppendMarker(dst, first.ProducerID, first.ProducerEpoch,
				first.Kind == CommitMarker, first.CoordinatorEpoch, ts)
			i++
			continue
		}
		size := 0
		o := batch.Plain()
		if first.Kind == Transactional {
			o.ProducerID, o.ProducerEpoch, o.Transactional = first.ProducerID, first.ProducerEpoch, true
		}
		b.Reset(o)
		for ; i < len(records); i++ {
			r := &records[i]
			size += len(r.Key) + len(r.Value)
			if b.Count() > 0 && size > maxBatchBytes || r.Kind != first.Kind ||
				r.ProducerID != first.ProducerID || r.ProducerEpoch != first.ProducerEpoch {
				break
			}
			b.Append(r.Key, r.Value, ts)
		}
		out, err := b.Finish(batch.None)
		if err != nil {
			return dst, fmt.Errorf("coord: encode batch: %w", err)
		}
		dst = append(dst, out...)
	}
	return dst, nil
}

// replay hands the records of one batch to the machine.
func replay(m Machine, d *batch.Decompressor, v batch.View) error {
	if err := replayBatch(m, d, v); err != nil {
		return fmt.Errorf("coord: journal offset %d: %w", v.BaseOffset(), err)
	}
	return nil
}

func replayBatch(m Machine, d *batch.Decompressor, v batch.View) error {
	r := Record{Time: time.UnixMilli(v.MaxTimestamp())}
	if v.IsTransactional() {
		r.Kind, r.ProducerID, r.ProducerEpoch = Transactional, v.ProducerID(), v.ProducerEpoch()
	}
	if v.IsControl() {
		marker, ok, err := v.Marker()
		if err != nil || !ok {
			return err
		}
		r.Kind, r.CoordinatorEpoch = AbortMarker, marker.CoordinatorEpoch
		if marker.Commit {
			r.Kind = CommitMarker
		}
		return m.Replay(r)
	}
	it, err := v.Records(d)
	if err != nil {
		return err
	}
	var rec batch.Record
	for it.Next(&rec) {
		r.Key, r.Value = rec.Key, rec.Value
		if err := m.Replay(r); err != nil {
			return err
		}
	}
	return it.Err()
}
