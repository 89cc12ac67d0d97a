package broker_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/brokertest"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAgreesWithKfake asks this broker and another implementation the same
// questions and compares the error codes and the content of the answers.
func TestAgreesWithKfake(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	require.NoError(t, err)
	defer fake.Close()
	ours, err := kgo.NewClient(kgo.SeedBrokers(brokertest.Start(t).Addrs()...))
	require.NoError(t, err)
	defer ours.Close()
	theirs, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	require.NoError(t, err)
	defer theirs.Close()

	topic := func(name string, partitions int32, replicas int16, configs ...kmsg.CreateTopicsRequestTopicConfig) kmsg.Request {
		req := kmsg.NewPtrCreateTopicsRequest()
		in := kmsg.NewCreateTopicsRequestTopic()
		in.Topic, in.NumPartitions, in.ReplicationFactor, in.Configs = name, partitions, replicas, configs
		req.Topics = append(req.Topics, in)
		return req
	}
	offsets := func(name string, partition int32, timestamp int64) kmsg.Request {
		req := kmsg.NewPtrListOffsetsRequest()
		in := kmsg.NewListOffsetsRequestTopic()
		in.Topic = name
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, timestamp, -1
		in.Partitions = append(in.Partitions, p)
		req.Topics = append(req.Topics, in)
		return req
	}
	remove := func(name string) kmsg.Request {
		req := kmsg.NewPtrDeleteTopicsRequest()
		in := kmsg.NewDeleteTopicsRequestTopic()
		in.Topic = &name
		req.TopicNames, req.Topics = []string{name}, append(req.Topics, in)
		return req
	}
	grow := func(name string, count int32) kmsg.Request {
		req := kmsg.NewPtrCreatePartitionsRequest()
		in := kmsg.NewCreatePartitionsRequestTopic()
		in.Topic, in.Count = name, count
		req.Topics = append(req.Topics, in)
		return req
	}
	describe := func(kind kmsg.ConfigResourceType, name string) kmsg.Request {
		req := kmsg.NewPtrDescribeConfigsRequest()
		in := kmsg.NewDescribeConfigsRequestResource()
		in.ResourceType, in.ResourceName, in.ConfigNames = kind, name, []string{"cleanup.policy", "retention.ms", "max.message.bytes"}
		req.Resources = append(req.Resources, in)
		return req
	}
	compact := kmsg.CreateTopicsRequestTopicConfig{Name: "cleanup.policy", Value: kmsg.StringPtr("compact")}
	for _, q := range []struct {
		name string
		req  kmsg.Request
	}{
		{"create", topic("a", 3, 1)},
		{"create again", topic("a", 3, 1)},
		{"create without partitions", topic("none", 0, 1)},
		{"create with too many replicas", topic("wide", 1, 3)},
		{"create with config", topic("table", 1, 1, compact)},
		{"latest offset", offsets("a", 0, -1)},
		{"earliest offset", offsets("a", 1, -2)},
		{"offset for time", offsets("a", 1, 1000)},
		{"offset of unknown partition", offsets("a", 9, -1)},
		{"offset of unknown topic", offsets("b", 0, -1)},
		{"describe topic", describe(kmsg.ConfigResourceTypeTopic, "table")},
		{"describe unknown topic", describe(kmsg.ConfigResourceTypeTopic, "b")},
		{"grow", grow("a", 5)},
		{"grow unknown", grow("b", 5)},
		{"shrink", grow("a", 1)},
		{"delete", remove("a")},
		{"delete again", remove("a")},
	} {
		t.Run(q.name, func(t *testing.T) {
			require.Equal(t, answer(t, theirs, q.req), answer(t, ours, q.req))
		})
	}
}

// answer asks and returns the answer without what may rightly differ: ids and
// texts.
func answer(t *testing.T, cl *kgo.Client, req kmsg.Request) string {
	t.Helper()
	resp, err := cl.Request(timeout(t), req)
	if err != nil {
		return err.Error() // the client found an error code while it looked for the leader
	}
	resp.SetVersion(0) // each answers in the newest version it knows
	switch r := resp.(type) {
	case *kmsg.CreateTopicsResponse:
		for i := range r.Topics {
			r.Topics[i].TopicID, r.Topics[i].ErrorMessage, r.Topics[i].Configs = [16]byte{}, nil, nil
			if r.Topics[i].ErrorCode != 0 {
				r.Topics[i].NumPartitions, r.Topics[i].ReplicationFactor = -1, -1
			}
		}
	case *kmsg.DeleteTopicsResponse:
		for i := range r.Topics {
			r.Topics[i].TopicID, r.Topics[i].ErrorMessage = [16]byte{}, nil
		}
	case *kmsg.CreatePartitionsResponse:
		for i := range r.Topics {
			r.Topics[i].ErrorMessage = nil
		}
	case *kmsg.DescribeConfigsResponse:
		for i := range r.Resources {
			r.Resources[i].ErrorMessage = nil
			slices.SortFunc(r.Resources[i].Configs, func(a, b kmsg.DescribeConfigsResponseResourceConfig) int {
				return strings.Compare(a.Name, b.Name)
			})
			for j := range r.Resources[i].Configs {
				c := &r.Resources[i].Configs[j]
				c.ConfigType, c.Documentation, c.ConfigSynonyms = 0, nil, nil
			}
		}
	}
	b, err := json.Marshal(resp)
	require.NoError(t, err)
	return string(b)
}
