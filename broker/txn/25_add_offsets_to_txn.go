package txn

import (
	"context"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AddOffsetsToTxn answers API key 25 (TV1): it adds the partition of
// __consumer_offsets that the group lives on.
//
//	v2 PRODUCER_FENCED   v3 flexible   v4 TRANSACTION_ABORTABLE may be returned
func (c *Coordinator) AddOffsetsToTxn(ctx context.Context, _ coord.Caller, req *kmsg.AddOffsetsToTxnRequest) *kmsg.AddOffsetsToTxnResponse {
	resp := req.ResponseKind().(*kmsg.AddOffsetsToTxnResponse)
	n, ok := c.topics.Partitions(coord.OffsetsTopic)
	switch {
	case req.Group == "":
		resp.ErrorCode = kerr.InvalidGroupID.Code
	case !ok:
		resp.ErrorCode = kerr.CoordinatorNotAvailable.Code // not created yet
	default:
		tp := coord.TopicPartition{Topic: coord.OffsetsTopic, Partition: coord.PartitionFor(req.Group, n)}
		resp.ErrorCode = c.add(ctx, addition{
			req.TransactionalID, req.ProducerID, req.ProducerEpoch, []coord.TopicPartition{tp}, 1,
		})
	}
	if resp.ErrorCode == kerr.ProducerFenced.Code && req.Version < 2 {
		resp.ErrorCode = kerr.InvalidProducerEpoch.Code
	}
	return resp
}
