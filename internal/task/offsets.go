package task

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Committed is what a task commits for one input partition.
type Committed struct {
	Topic       string
	Partition   int32
	Offset      int64 // of the next record to process
	LeaderEpoch int32 // of the last processed record, -1 when unknown
	Metadata    string
}

// Position is the offset of the first record of an input that is neither processed
// nor skipped; ok is false before that is known.
func (t *Task) Position(topic string) (offset int64, ok bool) {
	q := t.byTopic[topic]
	if q == nil {
		return 0, false
	}
	return q.position, q.position >= 0
}

// Metadata is what travels in the metadata string of a committed offset: the
// partition time, and the numbers that processors keep there (the last closed
// window of an emit-on-close aggregation, for instance).
type Metadata struct {
	PartitionTime int64 // -1 when unknown
	Processor     map[string]int64
}

const (
	metadataV1 = 1 // partition time
	metadataV2 = 2 // partition time and processor metadata
)

var errMetadata = errors.New("task: malformed metadata of a committed offset")

// Encode gives Kafka Streams' format: Base64 of a version byte, the partition
// time and the processor metadata.
func (m Metadata) Encode() string {
	b := make([]byte, 0, 9+32*len(m.Processor))
	b = append(b, metadataV2)
	b = binary.BigEndian.AppendUint64(b, uint64(m.PartitionTime))
	if len(m.Processor) > 0 {
		b = binary.BigEndian.AppendUint32(b, uint32(len(m.Processor)))
		for _, k := range slices.Sorted(maps.Keys(m.Processor)) {
			b = binary.BigEndian.AppendUint32(b, uint32(len(k)))
			b = append(b, k...)
			b = binary.BigEndian.AppendUint64(b, uint64(m.Processor[k]))
		}
	}
	return base64.StdEncoding.EncodeToString(b)
}

// DecodeMetadata reads both versions of the format. The empty string is no
// error: nothing is known.
func DecodeMetadata(s string) (Metadata, error) {
	unknown := Metadata{PartitionTime: -1}
	if s == "" {
		return unknown, nil
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return unknown, fmt.Errorf("%w: %w", errMetadata, err)
	}
	if len(b) < 9 || (b[0] != metadataV1 && b[0] != metadataV2) {
		return unknown, errMetadata
	}
	m := Metadata{PartitionTime: int64(binary.BigEndian.Uint64(b[1:]))}
	rest := b[9:]
	if b[0] == metadataV1 || len(rest) == 0 {
		return m, nil
	}
	if len(rest) < 4 {
		return unknown, errMetadata
	}
	n := binary.BigEndian.Uint32(rest)
	rest = rest[4:]
	m.Processor = map[string]int64{}
	for range n {
		if len(rest) < 4 {
			return unknown, errMetadata
		}
		l := uint64(binary.BigEndian.Uint32(rest))
		rest = rest[4:]
		if uint64(len(rest)) < l+8 {
			return unknown, errMetadata
		}
		m.Processor[string(rest[:l])] = int64(binary.BigEndian.Uint64(rest[l:]))
		rest = rest[l+8:]
	}
	return m, nil
}
