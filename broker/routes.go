package broker

import (
	"context"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/thalweg/thalweg/broker/txn"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// routes lists who answers which request. Produce and Fetch are not in it:
// connections dispatch them.
func (b *Broker) routes() map[kmsg.Key]handler {
	g, t := b.coordinators.groups, b.coordinators.txns
	return map[kmsg.Key]handler{
		kmsg.ListOffsets:                typed(b.listOffsets),
		kmsg.Metadata:                   typed(b.metadata),
		kmsg.ApiVersions:                typed(b.apiVersions),
		kmsg.CreateTopics:               typed(b.createTopics),
		kmsg.DeleteTopics:               typed(b.deleteTopics),
		kmsg.DeleteRecords:              typed(b.deleteRecords),
		kmsg.OffsetForLeaderEpoch:       typed(b.offsetForLeaderEpoch),
		kmsg.DescribeACLs:               typed(b.describeACLs),
		kmsg.CreateACLs:                 typed(b.createACLs),
		kmsg.DeleteACLs:                 typed(b.deleteACLs),
		kmsg.DescribeConfigs:            typed(b.describeConfigs),
		kmsg.AlterConfigs:               typed(b.alterConfigs),
		kmsg.DescribeLogDirs:            typed(b.describeLogDirs),
		kmsg.CreatePartitions:           typed(b.createPartitions),
		kmsg.ElectLeaders:               typed(b.electLeaders),
		kmsg.IncrementalAlterConfigs:    typed(b.incrementalAlterConfigs),
		kmsg.AlterPartitionAssignments:  typed(b.alterPartitionAssignments),
		kmsg.ListPartitionReassignments: typed(b.listPartitionReassignments),
		kmsg.DescribeClientQuotas:       typed(b.describeClientQuotas),
		kmsg.DescribeQuorum:             typed(b.describeQuorum),
		kmsg.DescribeCluster:            typed(b.describeCluster),
		kmsg.ListConfigResources:        typed(b.listConfigResources),
		kmsg.DescribeTopicPartitions:    typed(b.describeTopicPartitions),

		kmsg.OffsetCommit:   called(g.OffsetCommit),
		kmsg.OffsetFetch:    called(g.OffsetFetch),
		kmsg.JoinGroup:      called(g.JoinGroup),
		kmsg.Heartbeat:      called(g.Heartbeat),
		kmsg.LeaveGroup:     called(g.LeaveGroup),
		kmsg.SyncGroup:      called(g.SyncGroup),
		kmsg.DescribeGroups: called(g.DescribeGroups),
		kmsg.ListGroups:     called(g.ListGroups),
		kmsg.DeleteGroups:   called(g.DeleteGroups),
		kmsg.OffsetDelete:   called(g.OffsetDelete),

		kmsg.InitProducerID:       called(t.InitProducerID),
		kmsg.AddPartitionsToTxn:   called(t.AddPartitionsToTxn),
		kmsg.AddOffsetsToTxn:      called(t.AddOffsetsToTxn),
		kmsg.EndTxn:               called(t.EndTxn),
		kmsg.TxnOffsetCommit:      called(g.TxnOffsetCommit),
		kmsg.DescribeTransactions: called(t.DescribeTransactions),
		kmsg.ListTransactions:     called(t.ListTransactions),

		kmsg.FindCoordinator: typed(func(ctx context.Context, _ *call, req *kmsg.FindCoordinatorRequest) *kmsg.FindCoordinatorResponse {
			return coord.FindCoordinator(ctx, b.coordinators, req)
		}),
		kmsg.WriteTxnMarkers: typed(func(ctx context.Context, _ *call, req *kmsg.WriteTxnMarkersRequest) *kmsg.WriteTxnMarkersResponse {
			return txn.WriteTxnMarkers(ctx, b.coordinators, req)
		}),
		kmsg.DescribeProducers: typed(func(ctx context.Context, _ *call, req *kmsg.DescribeProducersRequest) *kmsg.DescribeProducersResponse {
			return txn.DescribeProducers(ctx, b.coordinators, req)
		}),
	}
}

// called adapts a coordinator's method.
func called[Q kmsg.Request, R kmsg.Response](fn func(context.Context, coord.Caller, Q) R) handler {
	return func(ctx context.Context, c *call, req kmsg.Request) kmsg.Response {
		return fn(ctx, coord.Caller{ClientID: c.clientID, Host: c.host}, req.(Q))
	}
}
