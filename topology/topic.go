package topology

import (
	"time"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
)

// A Topic is a Kafka topic with the types that travel on it. It is declared
// once and used by sources, sinks and tests, so that a wrong type does not
// compile. The With methods return changed copies.
type Topic[K, V any] struct {
	Name  string
	Key   serde.Serde[K]
	Value serde.Serde[V]

	time        func(RecordInfo[K, V]) (int64, error)
	onInvalid   InvalidTime
	partitioner partitioner[K, V]
	reset       Reset
}

// partitioner appends the partitions among n that a record goes to.
type partitioner[K, V any] func(dst []int32, r processor.Record[K, V], n int32) []int32

// NewTopic declares a topic.
func NewTopic[K, V any](name string, key serde.Serde[K], value serde.Serde[V]) Topic[K, V] {
	return Topic[K, V]{Name: name, Key: key, Value: value}
}

// RecordInfo is what a time function sees of a record.
type RecordInfo[K, V any] struct {
	processor.Record[K, V] // Timestamp is the record's own; -1 when it has none
	// PartitionTime is the largest timestamp taken from the record's partition
	// before it, in Unix milliseconds, or -1.
	PartitionTime int64
	Topic         string
	Partition     int32
	Offset        int64
}

// WithTime takes the event time, in Unix milliseconds, from the record itself.
// A negative time is invalid and treated as OnInvalidTime says; unless that is
// called, the record is skipped and counted. An error ends the task.
func (t Topic[K, V]) WithTime(f func(RecordInfo[K, V]) (int64, error)) Topic[K, V] {
	t.time = f
	return t
}

// InvalidTime says what happens to a record whose timestamp is negative.
type InvalidTime uint8

const (
	defaultInvalidTime InvalidTime = iota
	// FailInvalidTime ends the task. It is the default for record timestamps.
	FailInvalidTime
	// SkipInvalidTime drops the record and counts it. It is the default where
	// the topic has a time function.
	SkipInvalidTime
	// PartitionTimeForInvalid takes the largest timestamp seen in the
	// record's partition, and ends the task when there is none.
	PartitionTimeForInvalid
)

// OnInvalidTime says what happens to a record whose timestamp is negative.
func (t Topic[K, V]) OnInvalidTime(p InvalidTime) Topic[K, V] { t.onInvalid = p; return t }

// WithPartitioner chooses the partition of a record among n when it is
// written. A negative result drops the record and counts it.
func (t Topic[K, V]) WithPartitioner(f func(k K, v V, n int32) int32) Topic[K, V] {
	return t.WithRecordPartitioner(func(r processor.Record[K, V], n int32) int32 { return f(r.Key, r.Value, n) })
}

// WithRecordPartitioner is WithPartitioner for a function that sees the whole
// record as it is written, its timestamp and headers too. It must not change
// the headers.
func (t Topic[K, V]) WithRecordPartitioner(f func(r processor.Record[K, V], n int32) int32) Topic[K, V] {
	return t.WithRecordPartitions(func(dst []int32, r processor.Record[K, V], n int32) []int32 {
		if p := f(r, n); p >= 0 {
			dst = append(dst, p)
		}
		return dst
	})
}

// WithPartitions writes a record to each partition that f appends to dst. When
// it appends none the record is dropped and counted.
func (t Topic[K, V]) WithPartitions(f func(dst []int32, k K, v V, n int32) []int32) Topic[K, V] {
	return t.WithRecordPartitions(func(dst []int32, r processor.Record[K, V], n int32) []int32 {
		return f(dst, r.Key, r.Value, n)
	})
}

// WithRecordPartitions is WithPartitions for a function that sees the whole
// record, as that of WithRecordPartitioner does.
func (t Topic[K, V]) WithRecordPartitions(f func(dst []int32, r processor.Record[K, V], n int32) []int32) Topic[K, V] {
	t.partitioner = f
	return t
}

// Partitioned reports whether the topic has a partitioner of its own.
func (t Topic[K, V]) Partitioned() bool { return t.partitioner != nil }

// Reset says where reading begins when the group has no committed offset.
// The zero value leaves it to the application's configuration.
type Reset struct {
	Policy ResetPolicy
	Back   time.Duration // for ResetByDuration (KIP-1106)
}

// ResetPolicy is the kind of a Reset.
type ResetPolicy uint8

const (
	ResetDefault ResetPolicy = iota
	ResetEarliest
	ResetLatest
	ResetNone // no committed offset is an error
	ResetByDuration
)

// WithReset says where reading the topic begins without a committed offset.
func (t Topic[K, V]) WithReset(r Reset) Topic[K, V] { t.reset = r; return t }
