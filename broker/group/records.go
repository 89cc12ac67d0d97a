package group

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Records of __consumer_offsets, byte for byte as Kafka writes them. The first
// two bytes of a key are its type:
//
//	0, 1  offset commit: group, topic, partition
//	2     group metadata: group
//
// Other types belong to group protocols that are not spoken here. They are
// skipped, so that a log written by another broker still loads.
const (
	keyOffset        = 1
	keyGroup         = 2
	offsetValue      = 3
	offsetValueForID = 4 // carries the topic id
	groupValue       = 3
)

// Replay implements [coord.Machine].
func (m *Machine) Replay(r coord.Record) error {
	if r.Kind == coord.CommitMarker || r.Kind == coord.AbortMarker {
		m.applyMarker(r.Time, r.ProducerID, r.ProducerEpoch, r.Kind == coord.CommitMarker, r.CoordinatorEpoch)
		return nil
	}
	if len(r.Key) < 2 {
		return fmt.Errorf("group: record key has %d bytes, want a type", len(r.Key))
	}
	switch binary.BigEndian.Uint16(r.Key) {
	case 0, keyOffset:
		return m.replayOffset(r)
	case keyGroup:
		return m.replayGroup(r)
	}
	return nil
}

func (m *Machine) replayOffset(r coord.Record) error {
	var k kmsg.OffsetCommitKey
	if err := k.ReadFrom(r.Key); err != nil {
		return fmt.Errorf("group: offset commit key: %w", err)
	}
	var o *offset
	if r.Value != nil {
		v := kmsg.NewOffsetCommitValue()
		if err := v.ReadFrom(r.Value); err != nil {
			return fmt.Errorf("group: offset of %q for %s-%d: %w", k.Group, k.Topic, k.Partition, err)
		}
		o = &offset{
			offset: v.Offset, leaderEpoch: v.LeaderEpoch, metadata: v.Metadata, topicID: v.TopicID,
			committed: time.UnixMilli(v.CommitTimestamp),
		}
		if v.Version < 3 {
			o.leaderEpoch = -1
		}
	}
	tp := topicPartition{k.Topic, k.Partition}
	if r.Kind == coord.Transactional {
		if o != nil {
			m.applyPending(r.Time, r.ProducerID, r.ProducerEpoch, k.Group, tp, o)
		}
		return nil
	}
	m.applyOffset(k.Group, tp, o)
	return nil
}

func (m *Machine) replayGroup(r coord.Record) error {
	var k kmsg.GroupMetadataKey
	if err := k.ReadFrom(r.Key); err != nil {
		return fmt.Errorf("group: group metadata key: %w", err)
	}
	if r.Value == nil {
		m.applyGroup(k.Group, nil)
		return nil
	}
	v := kmsg.NewGroupMetadataValue()
	// The record outlives the journal's read buffer.
	if err := v.ReadFrom(append([]byte(nil), r.Value...)); err != nil {
		return fmt.Errorf("group: metadata of %q: %w", k.Group, err)
	}
	if v.Version < 2 {
		v.CurrentStateTimestamp = -1
	}
	m.applyGroup(k.Group, &v)
	return nil
}

func offsetRecord(group string, tp topicPartition, o *offset) coord.Record {
	k := kmsg.OffsetCommitKey{Version: keyOffset, Group: group, Topic: tp.topic, Partition: tp.partition}
	r := coord.Record{Key: k.AppendTo(nil)}
	if o != nil {
		v := kmsg.OffsetCommitValue{
			Version: offsetValue, Offset: o.offset, LeaderEpoch: o.leaderEpoch, Metadata: o.metadata,
			CommitTimestamp: o.committed.UnixMilli(), TopicID: o.topicID,
		}
		if o.topicID != [16]byte{} {
			v.Version = offsetValueForID
		}
		r.Value = v.AppendTo(nil)
	}
	return r
}

func groupRecord(group string, v *kmsg.GroupMetadataValue) coord.Record {
	k := kmsg.GroupMetadataKey{Version: keyGroup, Group: group}
	r := coord.Record{Key: k.AppendTo(nil)}
	if v != nil {
		r.Value = v.AppendTo(nil)
	}
	return r
}

// putOffset commits (or, with nil, deletes) an offset.
func (m *Machine) putOffset(s *coord.Step, group string, tp topicPartition, o *offset) {
	s.Append(offsetRecord(group, tp, o))
	m.applyOffset(group, tp, o)
}

// putPending stores an offset in the producer's transaction.
func (m *Machine) putPending(s *coord.Step, pid int64, epoch int16, group string, tp topicPartition, o *offset) {
	r := offsetRecord(group, tp, o)
	r.Kind, r.ProducerID, r.ProducerEpoch = coord.Transactional, pid, epoch
	s.Append(r)
	m.applyPending(s.Now, pid, epoch, group, tp, o)
}

// putMarker ends the producer's transaction.
func (m *Machine) putMarker(s *coord.Step, pid int64, epoch int16, commit bool, coordinatorEpoch int32) {
	r := coord.Record{Kind: coord.AbortMarker, ProducerID: pid, ProducerEpoch: epoch, CoordinatorEpoch: coordinatorEpoch}
	if commit {
		r.Kind = coord.CommitMarker
	}
	s.Append(r)
	m.applyMarker(s.Now, pid, epoch, commit, coordinatorEpoch)
}

// putGroup stores the group's generation, or with nil deletes the group.
func (m *Machine) putGroup(s *coord.Step, group string, v *kmsg.GroupMetadataValue) {
	s.Append(groupRecord(group, v))
	m.applyGroup(group, v)
}
