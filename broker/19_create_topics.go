package broker

import (
	"context"
	"maps"
	"slices"

	"github.com/thalweg/thalweg/broker/meta"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateTopics (key 19)
//
//	v4 -1 for the broker's default of partitions and replicas (KIP-464)
//	v5 flexible; configurations in the response (KIP-525)   v7 topic id

func (b *Broker) createTopics(ctx context.Context, _ *call, req *kmsg.CreateTopicsRequest) *kmsg.CreateTopicsResponse {
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	seen := map[string]int{}
	for i := range req.Topics {
		seen[req.Topics[i].Topic]++
	}
	for i := range req.Topics {
		in := &req.Topics[i]
		out := kmsg.NewCreateTopicsResponseTopic()
		out.Topic, out.NumPartitions, out.ReplicationFactor = in.Topic, -1, -1
		var t *meta.TopicRecord
		err := error(kerr.InvalidRequest)
		if seen[in.Topic] == 1 {
			t, err = b.createRequested(ctx, in, req.ValidateOnly)
		}
		if err != nil {
			out.ErrorCode, out.ErrorMessage = codeAndMessage(err)
			resp.Topics = append(resp.Topics, out)
			continue
		}
		out.NumPartitions, out.ReplicationFactor = int32(len(t.Partitions)), int16(len(t.Partitions[0].Replicas))
		if !req.ValidateOnly {
			out.TopicID = t.ID
		}
		for _, c := range b.describeTopic(t.Configs, nil, false, false) {
			rc := kmsg.NewCreateTopicsResponseTopicConfig()
			rc.Name, rc.Value, rc.Source = c.Name, c.Value, int8(c.Source)
			out.Configs = append(out.Configs, rc)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (b *Broker) createRequested(ctx context.Context, in *kmsg.CreateTopicsRequestTopic, validateOnly bool) (*meta.TopicRecord, error) {
	n := newTopic{name: in.Topic, partitions: in.NumPartitions, replicas: in.ReplicationFactor}
	if len(in.ReplicaAssignment) > 0 {
		if in.NumPartitions != -1 || in.ReplicationFactor != -1 {
			return nil, fail(kerr.InvalidRequest, "A manual partition assignment was specified, but numPartitions or replicationFactor was not set to -1.")
		}
		byPartition := map[int32][]int32{}
		for _, a := range in.ReplicaAssignment {
			byPartition[a.Partition] = a.Replicas
		}
		for i, index := range slices.Sorted(maps.Keys(byPartition)) {
			if int(index) != i {
				return nil, fail(kerr.InvalidReplicaAssignment, "Partitions should be a consecutive 0-based integer sequence.")
			}
			n.assignment = append(n.assignment, byPartition[index])
		}
		if len(byPartition) != len(in.ReplicaAssignment) {
			return nil, fail(kerr.InvalidReplicaAssignment, "A partition is assigned more than once.")
		}
	}
	for _, c := range in.Configs {
		if c.Value == nil {
			return nil, fail(kerr.InvalidConfig, "Null value not supported for topic configs: %s", c.Name)
		}
		if n.configs == nil {
			n.configs = map[string]string{}
		}
		n.configs[c.Name] = *c.Value
	}
	var t *meta.TopicRecord
	err := b.meta.Update(ctx, func(img *meta.Image) (_ []meta.Record, err error) {
		if t, err = b.planTopic(img, n); err != nil || validateOnly {
			return nil, err
		}
		return []meta.Record{{Topic: t}}, nil
	})
	return t, err
}
