package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/thalweg/thalweg/broker/log"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListOffsets (key 2)
//
//	v2 isolation level   v4 leader epochs   v6 flexible
//	v7 -3, the record with the largest timestamp (KIP-734)
//	v8 -4, the first local offset   v9 -5, the last tiered one
//	v10 timeout   v11 -6, the first offset not tiered yet
//
// Nothing is tiered here: -4 is the log start, -5 has no answer.

// Timestamps with a meaning of their own.
const (
	latestOffset        = -1
	earliestOffset      = -2
	maxTimestampOffset  = -3
	earliestLocalOffset = -4
	latestTieredOffset  = -5
	earliestPending     = -6
)

func (b *Broker) listOffsets(_ context.Context, _ *call, req *kmsg.ListOffsetsRequest) *kmsg.ListOffsetsResponse {
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	for i := range req.Topics {
		t := b.topics.named([]byte(req.Topics[i].Topic))
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = req.Topics[i].Topic
		for _, asked := range req.Topics[i].Partitions {
			rp := kmsg.NewListOffsetsResponseTopicPartition()
			rp.Partition, rp.Timestamp, rp.Offset, rp.LeaderEpoch = asked.Partition, -1, -1, -1
			at, err := listOffset(t.partition(asked.Partition), asked, req)
			if err != nil {
				rp.ErrorCode = code(err)
			} else {
				rp.Timestamp, rp.Offset, rp.LeaderEpoch = at.Timestamp, at.Offset, at.LeaderEpoch
			}
			out.Partitions = append(out.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func listOffset(p *partition, asked kmsg.ListOffsetsRequestTopicPartition, req *kmsg.ListOffsetsRequest) (log.TimeOffset, error) {
	none := log.TimeOffset{Offset: -1, Timestamp: -1, LeaderEpoch: -1}
	if p == nil {
		return none, kerr.UnknownTopicOrPartition
	}
	if req.Version >= 4 {
		if err := p.checkEpoch(asked.CurrentLeaderEpoch); err != nil {
			return none, err
		}
	}
	l, err := p.log()
	if err != nil {
		return none, err
	}
	end := l.HighWatermark()
	if req.IsolationLevel == 1 {
		end = l.LastStable()
	}
	at := log.TimeOffset{Timestamp: -1}
	ok := true
	switch asked.Timestamp {
	case latestOffset:
		at.Offset, at.LeaderEpoch = end, p.epoch.Load()
	case earliestOffset, earliestLocalOffset, earliestPending:
		at.Offset = l.LogStart()
		if at.LeaderEpoch = l.EpochAt(at.Offset); at.Offset == l.LogEnd() {
			at.LeaderEpoch = p.epoch.Load() // of the record that will be there
		}
	case latestTieredOffset:
		return none, nil
	case maxTimestampOffset:
		at, ok, err = l.MaxTimestamp()
	default:
		if asked.Timestamp < 0 {
			return none, kerr.UnsupportedVersion
		}
		at, ok, err = l.OffsetForTimestamp(asked.Timestamp)
	}
	if err != nil {
		if errors.Is(err, log.ErrClosed) {
			return none, kerr.NotLeaderForPartition
		}
		return none, fmt.Errorf("%w: %w", kerr.KafkaStorageError, err)
	}
	if !ok || asked.Timestamp != latestOffset && asked.Timestamp > -1 && at.Offset >= end {
		return none, nil
	}
	return at, nil
}
