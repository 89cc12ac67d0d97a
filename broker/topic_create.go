package broker

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/thalweg/thalweg/broker/meta"
	"github.com/twmb/franz-go/pkg/kerr"
)

// newTopic describes a topic to create.
type newTopic struct {
	name string
	// partitions and replicas are -1 for the broker's default.
	partitions int32
	replicas   int16
	// assignment lists the replicas of each partition, in place of the above.
	assignment [][]int32
	configs    map[string]string
}

// maxTopicPartitions bounds what one request may create, as in Kafka.
const maxTopicPartitions = 10_000

// createTopic creates a topic and returns when it can be used. Its errors
// carry Kafka's codes.
func (b *Broker) createTopic(ctx context.Context, n newTopic) error {
	return b.meta.Update(ctx, func(img *meta.Image) ([]meta.Record, error) {
		t, err := b.planTopic(img, n)
		if err != nil {
			return nil, err
		}
		return []meta.Record{{Topic: t}}, nil
	})
}

// planTopic checks n against img and returns the record that creates it.
func (b *Broker) planTopic(img *meta.Image, n newTopic) (*meta.TopicRecord, error) {
	if err := checkTopicName(n.name); err != nil {
		return nil, err
	}
	if img.Topic(n.name) != nil {
		return nil, fail(kerr.TopicAlreadyExists, "Topic '%s' already exists.", n.name)
	}
	if other := collidingTopic(img, n.name); other != "" {
		return nil, fail(kerr.InvalidTopicException, "Topic '%s' collides with existing topic: %s", n.name, other)
	}
	if err := checkTopicConfigs(n.configs); err != nil {
		return nil, err
	}
	partitions, err := b.assign(img, n)
	if err != nil {
		return nil, err
	}
	if have := b.topics.partitionCount(); have+len(partitions) > b.cfg.Limits.MaxPartitions {
		return nil, fail(kerr.PolicyViolation, "The broker has %d partitions and may have %d.", have, b.cfg.Limits.MaxPartitions)
	}
	return &meta.TopicRecord{Name: n.name, ID: meta.NewID(), Partitions: partitions, Configs: n.configs}, nil
}

// assign places the partitions of a new topic. With a single broker there is
// not much to choose.
func (b *Broker) assign(img *meta.Image, n newTopic) ([]meta.Partition, error) {
	brokers := img.Brokers()
	if n.assignment != nil {
		return assignManually(img, n.assignment)
	}
	count := n.partitions
	if count == -1 {
		count = b.cfg.DefaultPartitions
	}
	switch {
	case count <= 0:
		return nil, fail(kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.")
	case count > maxTopicPartitions:
		return nil, fail(kerr.PolicyViolation, "Excessively large number of partitions per request.")
	case n.replicas == 0 || n.replicas < -1:
		return nil, fail(kerr.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
	}
	replicas := max(int(n.replicas), 1)
	if replicas > len(brokers) {
		return nil, fail(kerr.InvalidReplicationFactor, "Unable to replicate the partition %d time(s): The target replication factor of %d cannot be reached because only %d broker(s) are registered.", replicas, replicas, len(brokers))
	}
	partitions := make([]meta.Partition, count)
	for i := range partitions {
		ids := make([]int32, replicas)
		for r := range ids {
			ids[r] = brokers[(i+r)%len(brokers)].ID
		}
		partitions[i] = newPartition(ids)
	}
	return partitions, nil
}

func assignManually(img *meta.Image, assignment [][]int32) ([]meta.Partition, error) {
	partitions := make([]meta.Partition, len(assignment))
	for i, ids := range assignment {
		if len(ids) == 0 || len(ids) != len(assignment[0]) {
			return nil, fail(kerr.InvalidReplicaAssignment, "Partition %d has %d replicas, partition 0 has %d.", i, len(ids), len(assignment[0]))
		}
		for j, id := range ids {
			if img.Broker(id) == nil || slices.Contains(ids[:j], id) {
				return nil, fail(kerr.InvalidReplicaAssignment, "The manual partition assignment includes broker %d, but no such broker is registered, or it is listed twice.", id)
			}
		}
		partitions[i] = newPartition(ids)
	}
	return partitions, nil
}

// newPartition is the state of a partition that was never written to.
func newPartition(replicas []int32) meta.Partition {
	return meta.Partition{Replicas: replicas, ISR: replicas, Leader: replicas[0]}
}

// checkTopicName applies Kafka's rules. They matter beyond taste: a topic's
// name becomes part of a directory's.
func checkTopicName(name string) error {
	switch {
	case name == "":
		return fail(kerr.InvalidTopicException, "Topic name is invalid: the empty string is not allowed")
	case name == "." || name == "..":
		return fail(kerr.InvalidTopicException, "Topic name is invalid: '.' or '..' is not allowed")
	case len(name) > 249:
		return fail(kerr.InvalidTopicException, "Topic name is invalid: the length of '%.20s...' is longer than the max allowed length 249", name)
	}
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return fail(kerr.InvalidTopicException, "Topic name is invalid: '%s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name)
		}
	}
	return nil
}

// collidingTopic returns a topic whose name differs from name only in dots and
// underscores, which are the same to metric names; "" if there is none.
func collidingTopic(img *meta.Image, name string) string {
	if !strings.ContainsAny(name, "._") {
		return ""
	}
	folded := strings.ReplaceAll(name, ".", "_")
	// Names with the same beginning up to the first of the two are neighbours.
	from := name[:strings.IndexAny(name, "._")]
	for t := range img.Topics(from) {
		if !strings.HasPrefix(t.Name, from) {
			break
		}
		if strings.ReplaceAll(t.Name, ".", "_") == folded {
			return t.Name
		}
	}
	return ""
}

func checkTopicConfigs(configs map[string]string) error {
	for name, value := range configs {
		if err := meta.CheckTopicConfig(name, value); err != nil {
			return configFailure(name, err)
		}
	}
	return nil
}

func configFailure(name string, err error) error {
	if errors.Is(err, meta.ErrUnknownConfig) {
		return fail(kerr.InvalidConfig, "Unknown topic config name: %s", name)
	}
	return fail(kerr.InvalidConfig, "%s", strings.TrimPrefix(err.Error(), "meta: "))
}

func internalTopic(name string) bool { return name == meta.GroupTopic || name == meta.TxnTopic }

// internalTopic returns an internal topic, which it creates at the first use.
func (b *Broker) internalTopic(ctx context.Context, name string) (*meta.Topic, error) {
	if t := b.meta.Image().Topic(name); t != nil {
		return t, nil
	}
	configs := map[string]string{"cleanup.policy": "compact", "segment.bytes": "104857600", "compression.type": "producer"}
	if name == meta.TxnTopic {
		configs["compression.type"] = "uncompressed"
		configs["unclean.leader.election.enable"] = "false"
	}
	err := b.createTopic(ctx, newTopic{name: name, partitions: b.cfg.CoordinatorPartitions, replicas: 1, configs: configs})
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return nil, err
	}
	return b.meta.Image().Topic(name), nil
}
