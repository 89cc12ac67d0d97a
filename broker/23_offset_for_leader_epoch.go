package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetForLeaderEpoch (key 23)
//
//	v2 the client's leader epoch   v3 replica id   v4 flexible

func (b *Broker) offsetForLeaderEpoch(_ context.Context, _ *call, req *kmsg.OffsetForLeaderEpochRequest) *kmsg.OffsetForLeaderEpochResponse {
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	for i := range req.Topics {
		t := b.topics.named([]byte(req.Topics[i].Topic))
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = req.Topics[i].Topic
		for _, asked := range req.Topics[i].Partitions {
			rp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			rp.Partition, rp.LeaderEpoch, rp.EndOffset = asked.Partition, -1, -1
			epoch, end, err := endOfEpoch(t.partition(asked.Partition), asked.CurrentLeaderEpoch, asked.LeaderEpoch)
			if rp.ErrorCode = code(err); err == nil {
				rp.LeaderEpoch, rp.EndOffset = epoch, end
			}
			out.Partitions = append(out.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func endOfEpoch(p *partition, current, epoch int32) (known int32, end int64, err error) {
	if p == nil {
		return 0, 0, kerr.UnknownTopicOrPartition
	}
	if err := p.checkEpoch(current); err != nil {
		return 0, 0, err
	}
	l, err := p.log()
	if err != nil {
		return 0, 0, err
	}
	// The log learns of its leader's epoch with the first append.
	if epoch == p.epoch.Load() {
		return epoch, l.LogEnd(), nil
	}
	known, end = l.EndOffsetFor(epoch)
	return known, end, nil
}
