package meta

import (
	"encoding/json/v2"
	"fmt"
)

// Record is one change of the metadata: exactly one of its fields is set.
// The encoding is JSON, so that fields can be added and a log can be read by
// eye; changes of metadata are rare and small.
type Record struct {
	Cluster     *ClusterRecord     `json:"cluster,omitzero"`
	Broker      *BrokerRecord      `json:"broker,omitzero"`
	Feature     *FeatureRecord     `json:"feature,omitzero"`
	Topic       *TopicRecord       `json:"topic,omitzero"`
	Partition   *PartitionRecord   `json:"partition,omitzero"`
	RemoveTopic *RemoveTopicRecord `json:"removeTopic,omitzero"`
	Config      *ConfigRecord      `json:"config,omitzero"`
	ProducerIDs *ProducerIDsRecord `json:"producerIds,omitzero"`
}

// ClusterRecord names the cluster. It is the first record of every log.
type ClusterRecord struct {
	ID string `json:"id"`
}

// BrokerRecord registers a broker or renews its registration. The broker epoch
// is the Raft index of the record.
type BrokerRecord struct {
	ID        int32      `json:"id"`
	Listeners []Listener `json:"listeners"`
	Rack      string     `json:"rack,omitzero"`
}

// Listener is an address under which clients reach a broker.
type Listener struct {
	Name string `json:"name"`
	Host string `json:"host"`
	Port int32  `json:"port"`
}

// FeatureRecord finalizes a feature level (KIP-584).
type FeatureRecord struct {
	Name  string `json:"name"`
	Level int16  `json:"level"`
}

// TopicRecord creates a topic with all its partitions.
type TopicRecord struct {
	Name       string            `json:"name"`
	ID         ID                `json:"id"`
	Partitions []Partition       `json:"partitions"`
	Configs    map[string]string `json:"configs,omitzero"`
}

// PartitionRecord adds a partition, if its index is the next one of the topic,
// or replaces the state of one.
type PartitionRecord struct {
	Topic     ID        `json:"topic"`
	Index     int32     `json:"index"`
	Partition Partition `json:"partition"`
}

// RemoveTopicRecord deletes a topic.
type RemoveTopicRecord struct {
	ID ID `json:"id"`
}

// Resource is the kind of thing a configuration belongs to.
type Resource string

// The resources that have dynamic configurations.
const (
	TopicResource  Resource = "topic"
	BrokerResource Resource = "broker" // the name is a broker id, or "" for the default of all
	GroupResource  Resource = "group"
)

// ConfigRecord sets a configuration, or removes it when Value is nil.
type ConfigRecord struct {
	Resource Resource `json:"resource"`
	Name     string   `json:"name"`
	Key      string   `json:"key"`
	Value    *string  `json:"value,omitzero"`
}

// ProducerIDsRecord hands out producer ids up to, but not including, Next.
type ProducerIDsRecord struct {
	Next int64 `json:"next"`
}

// formatVersion is the version of the encoding below. A reader refuses a higher
// one instead of guessing.
const formatVersion = 1

// change is the payload of one Raft entry: records that take effect together.
type change struct {
	Version int `json:"v"`
	// Proposal tells the proposer its own entry apart; it is unique within
	// one life of a node.
	Proposal uint64   `json:"p,omitzero"`
	Records  []Record `json:"records"`
}

func (c *change) encode() ([]byte, error) {
	c.Version = formatVersion
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("meta: encode change: %w", err)
	}
	return b, nil
}

func decodeChange(b []byte) (change, error) {
	var c change
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("meta: decode change: %w", err)
	}
	if c.Version != formatVersion {
		return c, fmt.Errorf("meta: the metadata log has format %d, this build reads %d: use the version that wrote it", c.Version, formatVersion)
	}
	return c, nil
}
