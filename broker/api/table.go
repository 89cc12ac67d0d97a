package api

import "github.com/twmb/franz-go/pkg/kmsg"

// LargestFrame is the most bytes a request may have.
const LargestFrame = 100 << 20

// Frame limits by kind of request. Kafka has one limit of 100 MiB for all;
// only Produce can need it.
const (
	smallFrame   = 1 << 20
	mediumFrame  = 4 << 20
	produceFrame = LargestFrame
)

// Spec is what the broker promises about one request.
type Spec struct {
	Key kmsg.Key
	// Min and Max are the versions listed in the ApiVersions response.
	Min, Max int16
	// First is the lowest version that is really served. It differs from Min
	// for Produce alone: librdkafka compresses only if version 0 lies in the
	// advertised range (KAFKA-18659).
	First int16
	// Flexible is the first version with tagged fields (KIP-482), or never.
	Flexible int16
	// MaxFrame bounds the frame, in bytes, without its length prefix.
	MaxFrame int32

	schema schema
}

const never = 1<<15 - 1

// Serves reports whether the broker can decode this version.
func (s *Spec) Serves(version int16) bool { return version >= s.First && version <= s.Max }

// IsFlexible reports whether the version uses tagged fields, in the request
// header and in the response header alike.
func (s *Spec) IsFlexible(version int16) bool { return version >= s.Flexible }

// Lookup returns the spec of a request, or nil if the broker does not serve it.
func Lookup(key int16) *Spec {
	if key < 0 || int(key) >= len(byKey) {
		return nil
	}
	return byKey[key]
}

// Specs returns every request the broker serves in the order of their keys.
// The slice is shared and must not be changed.
func Specs() []Spec { return specs[:] }

// The versions are those of Apache Kafka 4.4.0, for the requests it has here.
//
// The table is written out rather than taken from kmsg's maximum versions:
// kmsg knows requests and versions that no released Kafka has and that this
// broker does not implement. A version is raised here when, and only when, its
// handler does what the version added.
var specs = [...]Spec{
	{Key: kmsg.Produce, Min: 0, First: 3, Max: 13, Flexible: 9, MaxFrame: produceFrame},
	{Key: kmsg.Fetch, Min: 4, Max: 18, Flexible: 12, MaxFrame: mediumFrame},
	{Key: kmsg.ListOffsets, Min: 1, Max: 11, Flexible: 6, MaxFrame: mediumFrame},
	{Key: kmsg.Metadata, Min: 0, Max: 13, Flexible: 9, MaxFrame: smallFrame},
	{Key: kmsg.OffsetCommit, Min: 2, Max: 10, Flexible: 8, MaxFrame: mediumFrame},
	{Key: kmsg.OffsetFetch, Min: 1, Max: 10, Flexible: 6, MaxFrame: smallFrame},
	{Key: kmsg.FindCoordinator, Min: 0, Max: 6, Flexible: 3, MaxFrame: smallFrame},
	{Key: kmsg.JoinGroup, Min: 0, Max: 9, Flexible: 6, MaxFrame: mediumFrame},
	{Key: kmsg.Heartbeat, Min: 0, Max: 4, Flexible: 4, MaxFrame: smallFrame},
	{Key: kmsg.LeaveGroup, Min: 0, Max: 5, Flexible: 4, MaxFrame: smallFrame},
	{Key: kmsg.SyncGroup, Min: 0, Max: 5, Flexible: 4, MaxFrame: mediumFrame},
	{Key: kmsg.DescribeGroups, Min: 0, Max: 6, Flexible: 5, MaxFrame: smallFrame},
	{Key: kmsg.ListGroups, Min: 0, Max: 5, Flexible: 3, MaxFrame: smallFrame},
	{Key: kmsg.ApiVersions, Min: 0, Max: 5, Flexible: 3, MaxFrame: smallFrame},
	{Key: kmsg.CreateTopics, Min: 2, Max: 7, Flexible: 5, MaxFrame: mediumFrame},
	{Key: kmsg.DeleteTopics, Min: 1, Max: 6, Flexible: 4, MaxFrame: smallFrame},
	{Key: kmsg.DeleteRecords, Min: 0, Max: 2, Flexible: 2, MaxFrame: smallFrame},
	{Key: kmsg.InitProducerID, Min: 0, Max: 5, Flexible: 2, MaxFrame: smallFrame},
	{Key: kmsg.OffsetForLeaderEpoch, Min: 2, Max: 4, Flexible: 4, MaxFrame: smallFrame},
	{Key: kmsg.AddPartitionsToTxn, Min: 0, Max: 5, Flexible: 3, MaxFrame: smallFrame},
	{Key: kmsg.AddOffsetsToTxn, Min: 0, Max: 4, Flexible: 3, MaxFrame: smallFrame},
	{Key: kmsg.EndTxn, Min: 0, Max: 5, Flexible: 3, MaxFrame: smallFrame},
	{Key: kmsg.WriteTxnMarkers, Min: 1, Max: 2, Flexible: 1, MaxFrame: smallFrame},
	{Key: kmsg.TxnOffsetCommit, Min: 0, Max: 6, Flexible: 3, MaxFrame: mediumFrame},
	{Key: kmsg.DescribeACLs, Min: 1, Max: 3, Flexible: 2, MaxFrame: smallFrame},
	{Key: kmsg.CreateACLs, Min: 1, Max: 3, Flexible: 2, MaxFrame: smallFrame},
	{Key: kmsg.DeleteACLs, Min: 1, Max: 3, Flexible: 2, MaxFrame: smallFrame},
	{Key: kmsg.DescribeConfigs, Min: 1, Max: 4, Flexible: 4, MaxFrame: smallFrame},
	{Key: kmsg.AlterConfigs, Min: 0, Max: 2, Flexible: 2, MaxFrame: smallFrame},
	{Key: kmsg.DescribeLogDirs, Min: 1, Max: 5, Flexible: 2, MaxFrame: smallFrame},
	{Key: kmsg.CreatePartitions, Min: 0, Max: 3, Flexible: 2, MaxFrame: smallFrame},
	{Key: kmsg.DeleteGroups, Min: 0, Max: 3, Flexible: 2, MaxFrame: smallFrame},
	{Key: kmsg.ElectLeaders, Min: 0, Max: 2, Flexible: 2, MaxFrame: smallFrame},
	{Key: kmsg.IncrementalAlterConfigs, Min: 0, Max: 1, Flexible: 1, MaxFrame: smallFrame},
	{Key: kmsg.AlterPartitionAssignments, Min: 0, Max: 1, Flexible: 0, MaxFrame: smallFrame},
	{Key: kmsg.ListPartitionReassignments, Min: 0, Max: 0, Flexible: 0, MaxFrame: smallFrame},
	{Key: kmsg.OffsetDelete, Min: 0, Max: 0, Flexible: never, MaxFrame: smallFrame},
	{Key: kmsg.DescribeClientQuotas, Min: 0, Max: 1, Flexible: 1, MaxFrame: smallFrame},
	{Key: kmsg.DescribeQuorum, Min: 0, Max: 2, Flexible: 0, MaxFrame: smallFrame},
	{Key: kmsg.DescribeCluster, Min: 0, Max: 2, Flexible: 0, MaxFrame: smallFrame},
	{Key: kmsg.DescribeProducers, Min: 0, Max: 0, Flexible: 0, MaxFrame: smallFrame},
	{Key: kmsg.DescribeTransactions, Min: 0, Max: 0, Flexible: 0, MaxFrame: smallFrame},
	{Key: kmsg.ListTransactions, Min: 0, Max: 2, Flexible: 0, MaxFrame: smallFrame},
	{Key: kmsg.ListConfigResources, Min: 0, Max: 1, Flexible: 0, MaxFrame: smallFrame},
	{Key: kmsg.DescribeTopicPartitions, Min: 0, Max: 0, Flexible: 0, MaxFrame: smallFrame},
}

var byKey = func() []*Spec {
	table := make([]*Spec, specs[len(specs)-1].Key+1)
	for i := range specs {
		s := &specs[i]
		s.First = max(s.First, s.Min)
		table[s.Key] = s
	}
	for _, s := range schemas {
		table[s.key].schema = parseSchema(s.text)
	}
	return table
}()
