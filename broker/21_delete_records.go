package broker

import (
	"context"
	"errors"

	"github.com/thalweg/thalweg/broker/log"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteRecords (key 21)
//
//	v2 flexible

func (b *Broker) deleteRecords(_ context.Context, _ *call, req *kmsg.DeleteRecordsRequest) *kmsg.DeleteRecordsResponse {
	resp := req.ResponseKind().(*kmsg.DeleteRecordsResponse)
	for i := range req.Topics {
		t := b.topics.named([]byte(req.Topics[i].Topic))
		out := kmsg.NewDeleteRecordsResponseTopic()
		out.Topic = req.Topics[i].Topic
		for _, asked := range req.Topics[i].Partitions {
			rp := kmsg.NewDeleteRecordsResponseTopicPartition()
			rp.Partition, rp.LowWatermark = asked.Partition, -1
			low, err := deleteBefore(t.partition(asked.Partition), asked.Offset)
			if rp.ErrorCode = code(err); err == nil {
				rp.LowWatermark = low
			}
			out.Partitions = append(out.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// deleteBefore deletes the records below offset, or all committed ones if it is
// -1, and returns the new log start.
func deleteBefore(p *partition, offset int64) (int64, error) {
	if p == nil {
		return 0, kerr.UnknownTopicOrPartition
	}
	if internalTopic(p.topic) {
		return 0, kerr.InvalidTopicException
	}
	if !p.rules.Load().deletes {
		return 0, kerr.PolicyViolation
	}
	l, err := p.log()
	if err != nil {
		return 0, err
	}
	if offset == -1 {
		offset = l.HighWatermark()
	}
	if offset < 0 {
		return 0, kerr.OffsetOutOfRange
	}
	low, err := l.DeleteRecords(offset)
	switch {
	case errors.Is(err, log.ErrOffsetOutOfRange):
		return 0, kerr.OffsetOutOfRange
	case err != nil:
		return 0, p.appendError(err)
	}
	return low, nil
}
