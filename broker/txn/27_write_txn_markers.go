package txn

import (
	"context"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// WriteTxnMarkers answers API key 27, from other brokers and from
// administrators who abort a hanging transaction. local writes to the
// partitions led here and reports NOT_LEADER_OR_FOLLOWER for all others.
//
//	v1 flexible   v2 transaction version (KIP-1228)
func WriteTxnMarkers(ctx context.Context, local Markers, req *kmsg.WriteTxnMarkersRequest) *kmsg.WriteTxnMarkersResponse {
	resp := req.ResponseKind().(*kmsg.WriteTxnMarkersResponse)
	for _, x := range req.Markers {
		var tps []coord.TopicPartition
		for _, t := range x.Topics {
			for _, p := range t.Partitions {
				tps = append(tps, coord.TopicPartition{Topic: t.Topic, Partition: p})
			}
		}
		codes := local.WriteMarkers(ctx, coord.Marker{
			ProducerID: x.ProducerID, ProducerEpoch: x.ProducerEpoch, Commit: x.Committed,
			CoordinatorEpoch: x.CoordinatorEpoch, Version: x.TransactionVersion,
		}, tps)
		out := kmsg.NewWriteTxnMarkersResponseMarker()
		out.ProducerID = x.ProducerID
		for _, t := range x.Topics {
			rt := kmsg.NewWriteTxnMarkersResponseMarkerTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewWriteTxnMarkersResponseMarkerTopicPartition()
				rp.Partition, rp.ErrorCode = p, codes[0]
				codes = codes[1:]
				rt.Partitions = append(rt.Partitions, rp)
			}
			out.Topics = append(out.Topics, rt)
		}
		resp.Markers = append(resp.Markers, out)
	}
	return resp
}
