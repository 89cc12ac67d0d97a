package txn

import (
	"context"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Producers reads the producer state of partitions led here.
type Producers interface {
	// Producers lists the active producers of a partition. Errors are
	// [*kerr.Error].
	Producers(topic string, partition int32) ([]kmsg.DescribeProducersResponseTopicPartitionActiveProducer, error)
}

// DescribeProducers answers API key 61 (v0, flexible).
func DescribeProducers(_ context.Context, local Producers, req *kmsg.DescribeProducersRequest) *kmsg.DescribeProducersResponse {
	resp := req.ResponseKind().(*kmsg.DescribeProducersResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewDescribeProducersResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewDescribeProducersResponseTopicPartition()
			rp.Partition = p
			active, err := local.Producers(t.Topic, p)
			if rp.ActiveProducers = active; err != nil {
				rp.ErrorCode, rp.ErrorMessage = coord.Code(err), kmsg.StringPtr(err.Error())
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
