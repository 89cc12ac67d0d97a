package broker

import (
	"context"
	"slices"

	"github.com/thalweg/thalweg/broker/meta"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ElectLeaders (key 43), AlterPartitionReassignments (key 45),
// ListPartitionReassignments (key 46) and DescribeQuorum (key 55), as far as
// they make sense with one replica: the leader is elected already, a partition
// can be moved only to where it is, and the quorum is this broker.

func (b *Broker) electLeaders(_ context.Context, _ *call, req *kmsg.ElectLeadersRequest) *kmsg.ElectLeadersResponse {
	resp := req.ResponseKind().(*kmsg.ElectLeadersResponse)
	img := b.meta.Image()
	for _, t := range req.Topics { // none stands for all, of which none needs it
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = t.Topic
		mt := img.Topic(t.Topic)
		for _, index := range t.Partitions {
			rp := kmsg.NewElectLeadersResponseTopicPartition()
			rp.Partition = index
			err := error(kerr.ElectionNotNeeded)
			if mt == nil || index < 0 || int(index) >= len(mt.Partitions) {
				err = kerr.UnknownTopicOrPartition
			}
			rp.ErrorCode, rp.ErrorMessage = codeAndMessage(err)
			out.Partitions = append(out.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (b *Broker) alterPartitionAssignments(_ context.Context, _ *call, req *kmsg.AlterPartitionAssignmentsRequest) *kmsg.AlterPartitionAssignmentsResponse {
	resp := req.ResponseKind().(*kmsg.AlterPartitionAssignmentsResponse)
	resp.AllowReplicationFactorChange = req.AllowReplicationFactorChange
	img := b.meta.Image()
	for _, t := range req.Topics {
		out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			rp.Partition = p.Partition
			rp.ErrorCode, rp.ErrorMessage = codeAndMessage(checkReassignment(img.Topic(t.Topic), p.Partition, p.Replicas))
			out.Partitions = append(out.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// checkReassignment reports why a partition cannot have these replicas; no
// replicas stand for cancelling a move.
func checkReassignment(t *meta.Topic, index int32, replicas []int32) error {
	switch {
	case t == nil || index < 0 || int(index) >= len(t.Partitions):
		return kerr.UnknownTopicOrPartition
	case replicas == nil:
		return kerr.NoReassignmentInProgress
	case !slices.Equal(replicas, t.Partitions[index].Replicas):
		return fail(kerr.InvalidReplicaAssignment, "There are no other brokers: the replicas must be %v.", t.Partitions[index].Replicas)
	}
	return nil
}

func (b *Broker) listPartitionReassignments(_ context.Context, _ *call, req *kmsg.ListPartitionReassignmentsRequest) *kmsg.ListPartitionReassignmentsResponse {
	return req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
}

// metadataTopic is how Kafka's tools call the metadata log.
const metadataLogTopic = "__cluster_metadata"

func (b *Broker) describeQuorum(_ context.Context, _ *call, req *kmsg.DescribeQuorumRequest) *kmsg.DescribeQuorumResponse {
	resp := req.ResponseKind().(*kmsg.DescribeQuorumResponse)
	end := int64(b.meta.Image().Index)
	for _, t := range req.Topics {
		out := kmsg.NewDescribeQuorumResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewDescribeQuorumResponseTopicPartition()
			rp.Partition = p.Partition
			if t.Topic != metadataLogTopic || p.Partition != 0 {
				rp.ErrorCode = kerr.UnknownTopicOrPartition.Code
				out.Partitions = append(out.Partitions, rp)
				continue
			}
			self := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
			now := b.now().UnixMilli()
			self.ReplicaID, self.LogEndOffset = b.cfg.NodeID, end
			self.LastFetchTimestamp, self.LastCaughtUpTimestamp = now, now
			rp.LeaderID, rp.LeaderEpoch, rp.HighWatermark = b.cfg.NodeID, int32(b.meta.Term()), end
			rp.CurrentVoters = append(rp.CurrentVoters, self)
			out.Partitions = append(out.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, out)
	}
	node := kmsg.NewDescribeQuorumResponseNode()
	node.NodeID = b.cfg.NodeID
	for _, l := range b.listeners {
		a := l.advertised(nil)
		nl := kmsg.NewDescribeQuorumResponseNodeListener()
		nl.Name, nl.Host, nl.Port = l.cfg.name(), a.host, uint16(a.port)
		node.Listeners = append(node.Listeners, nl)
	}
	resp.Nodes = append(resp.Nodes, node)
	return resp
}

// describeClientQuotas (key 48) answers that there are none.
func (b *Broker) describeClientQuotas(_ context.Context, _ *call, req *kmsg.DescribeClientQuotasRequest) *kmsg.DescribeClientQuotasResponse {
	resp := req.ResponseKind().(*kmsg.DescribeClientQuotasResponse)
	resp.Entries = []kmsg.DescribeClientQuotasResponseEntry{}
	return resp
}
