package broker

import (
	"context"
	"slices"

	"github.com/thalweg/thalweg/broker/meta"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeTopicPartitions (key 75, version 0): Metadata in pages (KIP-966).

// maxDescribedPartitions is Kafka's max.request.partition.size.limit.
const maxDescribedPartitions = 2000

func (b *Broker) describeTopicPartitions(_ context.Context, _ *call, req *kmsg.DescribeTopicPartitionsRequest) *kmsg.DescribeTopicPartitionsResponse {
	resp := req.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
	img := b.meta.Image()
	left := min(int(req.ResponsePartitionLimit), maxDescribedPartitions)
	if left <= 0 {
		left = maxDescribedPartitions
	}
	from, first := "", 0
	if req.Cursor != nil {
		from, first = req.Cursor.Topic, max(int(req.Cursor.Partition), 0)
	}
	for _, name := range describedNames(img, req, from) {
		if name != from {
			first = 0
		}
		if left == 0 {
			resp.NextCursor = cursor(name, first)
			break
		}
		out, next := describePartitions(img, name, first, left)
		left -= len(out.Partitions)
		resp.Topics = append(resp.Topics, out)
		if next >= 0 {
			resp.NextCursor = cursor(name, next)
			break
		}
	}
	return resp
}

// describedNames returns the topics to describe, in order, from the cursor on.
func describedNames(img *meta.Image, req *kmsg.DescribeTopicPartitionsRequest, from string) []string {
	var names []string
	if len(req.Topics) == 0 {
		for t := range img.Topics(from) {
			names = append(names, t.Name)
		}
		return names
	}
	for _, t := range req.Topics {
		if t.Topic >= from {
			names = append(names, t.Topic)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// describePartitions describes at most limit partitions of a topic from first
// on. next is the partition to continue with, -1 if there is none.
func describePartitions(img *meta.Image, name string, first, limit int) (out kmsg.DescribeTopicPartitionsResponseTopic, next int) {
	out = kmsg.NewDescribeTopicPartitionsResponseTopic()
	out.Topic, out.AuthorizedOperations = &name, topicOperations
	t := img.Topic(name)
	if t == nil {
		out.ErrorCode, out.AuthorizedOperations = kerr.UnknownTopicOrPartition.Code, noOperations
		return out, -1
	}
	out.TopicID, out.IsInternal = t.ID, t.Internal()
	for i := first; i < len(t.Partitions); i++ {
		if len(out.Partitions) == limit {
			return out, i
		}
		p := &t.Partitions[i]
		rp := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
		rp.Partition, rp.LeaderID, rp.LeaderEpoch = int32(i), p.Leader, p.LeaderEpoch
		rp.Replicas, rp.ISR = p.Replicas, p.ISR
		rp.EligibleLeaderReplicas, rp.LastKnownELR = []int32{}, []int32{}
		out.Partitions = append(out.Partitions, rp)
	}
	return out, -1
}

func cursor(name string, partition int) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	c := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	c.Topic, c.Partition = name, int32(partition)
	return &c
}
