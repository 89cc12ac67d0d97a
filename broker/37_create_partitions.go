package broker

import (
	"context"

	"github.com/thalweg/thalweg/broker/meta"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreatePartitions (key 37)
//
//	v2 flexible   v3 THROTTLING_QUOTA_EXCEEDED may be returned

func (b *Broker) createPartitions(ctx context.Context, _ *call, req *kmsg.CreatePartitionsRequest) *kmsg.CreatePartitionsResponse {
	resp := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewCreatePartitionsResponseTopic()
		out.Topic = in.Topic
		err := b.meta.Update(ctx, func(img *meta.Image) ([]meta.Record, error) {
			records, err := b.planPartitions(img, in)
			if err != nil || req.ValidateOnly {
				return nil, err
			}
			return records, nil
		})
		out.ErrorCode, out.ErrorMessage = codeAndMessage(err)
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// planPartitions returns the records that give a topic more partitions.
func (b *Broker) planPartitions(img *meta.Image, in *kmsg.CreatePartitionsRequestTopic) ([]meta.Record, error) {
	t := img.Topic(in.Topic)
	if t == nil {
		return nil, kerr.UnknownTopicOrPartition
	}
	have := int32(len(t.Partitions))
	more := in.Count - have
	switch {
	case t.Internal():
		return nil, fail(kerr.InvalidTopicException, "The number of partitions of %s is fixed.", t.Name)
	case more == 0:
		return nil, fail(kerr.InvalidPartitions, "Topic already has %d partition(s).", have)
	case more < 0:
		return nil, fail(kerr.InvalidPartitions, "The topic %s currently has %d partition(s); %d would not be an increase.", t.Name, have, in.Count)
	case more > maxTopicPartitions || b.topics.partitionCount()+int(more) > b.cfg.Limits.MaxPartitions:
		return nil, fail(kerr.PolicyViolation, "The broker may have %d partitions.", b.cfg.Limits.MaxPartitions)
	case in.Assignment != nil && len(in.Assignment) != int(more):
		return nil, fail(kerr.InvalidReplicaAssignment, "Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", more, len(in.Assignment))
	}
	n := newTopic{partitions: more, replicas: int16(len(t.Partitions[0].Replicas))}
	for _, a := range in.Assignment {
		n.assignment = append(n.assignment, a.Replicas)
	}
	added, err := b.assign(img, n)
	if err != nil {
		return nil, err
	}
	records := make([]meta.Record, len(added))
	for i := range added {
		records[i].Partition = &meta.PartitionRecord{Topic: t.ID, Index: have + int32(i), Partition: added[i]}
	}
	return records, nil
}
