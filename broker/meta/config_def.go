package meta

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ConfigType is a configuration's type as DescribeConfigs numbers it.
type ConfigType int8

// The types that occur among topic configurations.
const (
	BoolConfig   ConfigType = 1
	StringConfig ConfigType = 2
	IntConfig    ConfigType = 3
	LongConfig   ConfigType = 5
	DoubleConfig ConfigType = 6
	ListConfig   ConfigType = 7
)

// ConfigDef describes one topic configuration.
type ConfigDef struct {
	Name    string
	Type    ConfigType
	Default string
	Doc     string
	// Broker is the name of the same setting on a broker.
	Broker string

	min, max float64
	oneOf    []string
}

// ErrUnknownConfig reports a configuration name that no topic has.
var ErrUnknownConfig = errors.New("meta: unknown topic config")

const anything = math.MaxFloat64

// topicConfigs are Kafka 4.3's topic configurations, ordered by name: tools
// print them all.
var topicConfigs = []ConfigDef{
	{Name: "cleanup.policy", Type: ListConfig, Default: "delete", Broker: "log.cleanup.policy",
		Doc: "What happens to old segments: delete, compact, or both.", oneOf: []string{"delete", "compact"}},
	{Name: "compression.gzip.level", Type: IntConfig, Default: "-1", Broker: "compression.gzip.level",
		Doc: "Compression level when the broker compresses with gzip.", min: -1, max: 9},
	{Name: "compression.lz4.level", Type: IntConfig, Default: "9", Broker: "compression.lz4.level",
		Doc: "Compression level when the broker compresses with lz4.", min: 1, max: 17},
	{Name: "compression.type", Type: StringConfig, Default: "producer", Broker: "compression.type",
		Doc:   "Codec of stored batches; producer keeps the client's.",
		oneOf: []string{"uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"}},
	{Name: "compression.zstd.level", Type: IntConfig, Default: "3", Broker: "compression.zstd.level",
		Doc: "Compression level when the broker compresses with zstd.", min: -131072, max: 22},
	{Name: "delete.retention.ms", Type: LongConfig, Default: "86400000", Broker: "log.cleaner.delete.retention.ms",
		Doc: "How long tombstones of compacted topics are kept.", min: 0, max: anything},
	{Name: "file.delete.delay.ms", Type: LongConfig, Default: "60000", Broker: "log.segment.delete.delay.ms",
		Doc: "How long a deleted segment's files stay.", min: 0, max: anything},
	{Name: "flush.messages", Type: LongConfig, Default: "9223372036854775807", Broker: "log.flush.interval.messages",
		Doc: "Number of records after which the log is flushed.", min: 1, max: anything},
	{Name: "flush.ms", Type: LongConfig, Default: "9223372036854775807", Broker: "log.flush.interval.ms",
		Doc: "Time after which the log is flushed.", min: 0, max: anything},
	{Name: "follower.replication.throttled.replicas", Type: ListConfig,
		Doc: "Replicas whose replication is throttled on the follower."},
	{Name: "index.interval.bytes", Type: IntConfig, Default: "4096", Broker: "log.index.interval.bytes",
		Doc: "Bytes of log between two index entries.", min: 0, max: anything},
	{Name: "leader.replication.throttled.replicas", Type: ListConfig,
		Doc: "Replicas whose replication is throttled on the leader."},
	{Name: "local.retention.bytes", Type: LongConfig, Default: "-2", Broker: "log.local.retention.bytes",
		Doc: "Local share of a tiered log; -2 means retention.bytes.", min: -2, max: anything},
	{Name: "local.retention.ms", Type: LongConfig, Default: "-2", Broker: "log.local.retention.ms",
		Doc: "Local time of a tiered log; -2 means retention.ms.", min: -2, max: anything},
	{Name: "max.compaction.lag.ms", Type: LongConfig, Default: "9223372036854775807", Broker: "log.cleaner.max.compaction.lag.ms",
		Doc: "Longest time a record stays uncompacted.", min: 1, max: anything},
	{Name: "max.message.bytes", Type: IntConfig, Default: "1048588", Broker: "message.max.bytes",
		Doc: "Largest record batch, as sent.", min: 0, max: math.MaxInt32},
	{Name: "message.timestamp.after.max.ms", Type: LongConfig, Default: "3600000", Broker: "log.message.timestamp.after.max.ms",
		Doc: "How far a record's timestamp may lie in the future.", min: 0, max: anything},
	{Name: "message.timestamp.before.max.ms", Type: LongConfig, Default: "9223372036854775807", Broker: "log.message.timestamp.before.max.ms",
		Doc: "How far a record's timestamp may lie in the past.", min: 0, max: anything},
	{Name: "message.timestamp.type", Type: StringConfig, Default: "CreateTime", Broker: "log.message.timestamp.type",
		Doc: "Whether the client or the broker sets timestamps.", oneOf: []string{"CreateTime", "LogAppendTime"}},
	{Name: "min.cleanable.dirty.ratio", Type: DoubleConfig, Default: "0.5", Broker: "log.cleaner.min.cleanable.ratio",
		Doc: "Share of uncompacted log that starts compaction.", min: 0, max: 1},
	{Name: "min.compaction.lag.ms", Type: LongConfig, Default: "0", Broker: "log.cleaner.min.compaction.lag.ms",
		Doc: "Shortest time a record stays uncompacted.", min: 0, max: anything},
	{Name: "min.insync.replicas", Type: IntConfig, Default: "1", Broker: "min.insync.replicas",
		Doc: "Replicas in sync that acks=all needs.", min: 1, max: math.MaxInt32},
	{Name: "preallocate", Type: BoolConfig, Default: "false", Broker: "log.preallocate",
		Doc: "Whether segments are allocated in advance."},
	{Name: "remote.storage.enable", Type: BoolConfig, Default: "false",
		Doc: "Tiered storage; this broker has none.", oneOf: []string{"false"}},
	{Name: "retention.bytes", Type: LongConfig, Default: "-1", Broker: "log.retention.bytes",
		Doc: "Size of a partition above which old segments are deleted; -1 is no limit.", min: -1, max: anything},
	{Name: "retention.ms", Type: LongConfig, Default: "604800000", Broker: "log.retention.ms",
		Doc: "Age above which old segments are deleted; -1 is no limit.", min: -1, max: anything},
	{Name: "segment.bytes", Type: IntConfig, Default: "1073741824", Broker: "log.segment.bytes",
		Doc: "Size of a segment file.", min: 14, max: math.MaxInt32},
	{Name: "segment.index.bytes", Type: IntConfig, Default: "10485760", Broker: "log.index.size.max.bytes",
		Doc: "Largest index of a segment.", min: 4, max: math.MaxInt32},
	{Name: "segment.jitter.ms", Type: LongConfig, Default: "0", Broker: "log.roll.jitter.ms",
		Doc: "Random part taken off segment.ms.", min: 0, max: anything},
	{Name: "segment.ms", Type: LongConfig, Default: "604800000", Broker: "log.roll.ms",
		Doc: "Age at which a segment is closed.", min: 1, max: anything},
	{Name: "unclean.leader.election.enable", Type: BoolConfig, Default: "false", Broker: "unclean.leader.election.enable",
		Doc: "Whether a replica that may lack records can become leader."},
}

// TopicConfigs returns all topic configurations ordered by name. The slice is
// shared and must not be changed.
func TopicConfigs() []ConfigDef { return topicConfigs }

// FindTopicConfig returns the definition of a topic configuration, or nil.
func FindTopicConfig(name string) *ConfigDef {
	i, ok := slices.BinarySearchFunc(topicConfigs, name, func(d ConfigDef, name string) int {
		return strings.Compare(d.Name, name)
	})
	if !ok {
		return nil
	}
	return &topicConfigs[i]
}

// CheckTopicConfig reports why value is not acceptable for the topic
// configuration name; ErrUnknownConfig if there is none of that name.
func CheckTopicConfig(name, value string) error {
	def := FindTopicConfig(name)
	if def == nil {
		return fmt.Errorf("%w %q", ErrUnknownConfig, name)
	}
	if err := def.check(value); err != nil {
		return fmt.Errorf("meta: %s=%q: %w", name, value, err)
	}
	return nil
}

func (d *ConfigDef) check(value string) error {
	switch d.Type {
	case BoolConfig:
		if value != "true" && value != "false" {
			return errors.New("must be true or false")
		}
		return d.checkChoice(value)
	case IntConfig:
		n, err := strconv.ParseInt(value, 10, 32)
		if err != nil {
			return errors.New("must be a 32-bit integer")
		}
		return d.checkRange(float64(n))
	case LongConfig:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return errors.New("must be a 64-bit integer")
		}
		return d.checkRange(float64(n))
	case DoubleConfig:
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(f) {
			return errors.New("must be a number")
		}
		return d.checkRange(f)
	case ListConfig:
		for _, item := range SplitList(value) {
			if err := d.checkChoice(item); err != nil {
				return err
			}
		}
		return nil
	default:
		return d.checkChoice(value)
	}
}

func (d *ConfigDef) checkRange(v float64) error {
	switch {
	case v < d.min:
		return fmt.Errorf("must be at least %v", d.min)
	case v > d.max:
		return fmt.Errorf("must be at most %v", d.max)
	}
	return nil
}

func (d *ConfigDef) checkChoice(v string) error {
	if d.oneOf != nil && !slices.Contains(d.oneOf, v) {
		return fmt.Errorf("must be one of %s", strings.Join(d.oneOf, ", "))
	}
	return nil
}

// SplitList splits the value of a list configuration.
func SplitList(value string) []string {
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// Configs are a topic's effective configurations: its overrides over the
// broker's defaults over Kafka's.
type Configs struct {
	overrides, defaults map[string]string
}

// EffectiveConfigs returns the configurations of a topic with these overrides
// on a broker with these defaults. Both must have passed CheckTopicConfig.
func EffectiveConfigs(overrides, defaults map[string]string) Configs {
	return Configs{overrides: overrides, defaults: defaults}
}

// String returns a configuration's value.
func (c Configs) String(name string) string {
	if v, ok := c.overrides[name]; ok {
		return v
	}
	if v, ok := c.defaults[name]; ok {
		return v
	}
	if def := FindTopicConfig(name); def != nil {
		return def.Default
	}
	return ""
}

// Int returns the value of an integer configuration.
func (c Configs) Int(name string) int64 {
	n, _ := strconv.ParseInt(c.String(name), 10, 64)
	return n
}

// Float returns the value of a double configuration.
func (c Configs) Float(name string) float64 {
	f, _ := strconv.ParseFloat(c.String(name), 64)
	return f
}

// Has reports whether a list configuration contains item.
func (c Configs) Has(name, item string) bool {
	return slices.Contains(SplitList(c.String(name)), item)
}
