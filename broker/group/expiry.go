package group

import (
	"slices"
	"time"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// expireOffsets deletes offsets that nobody has used for the retention time,
// and then groups that hold nothing any more. The clock of an offset runs
//
//   - for a group with members, from its commit, if no member subscribes to
//     the topic and the group is stable;
//   - for a group that had members, from when the last one left;
//   - for offsets without membership, from their commit.
//
// Partitions with an offset in an open transaction are left alone.
func (m *Machine) expireOffsets(s *coord.Step) {
	limit := s.Now.Add(-m.cfg.Retention)
	for _, g := range m.sortedGroups() {
		since, ok := g.expiryClock()
		if !ok {
			continue
		}
		for _, tp := range g.sortedPartitions() {
			o := g.offsets[tp]
			if g.pending[tp] == 0 && !since(tp, o.offset).After(limit) {
				m.putOffset(s, g.id, tp, nil)
			}
		}
		if g.stored != nil && g.state == Empty && len(g.offsets) == 0 && len(g.pending) == 0 {
			m.putGroup(s, g.id, nil)
		}
	}
	m.expireProducers(limit)
}

// expiryClock tells from when a partition's offset ages; ok is false while the
// group must be left alone.
func (g *group) expiryClock() (since func(topicPartition, *offset) time.Time, ok bool) {
	switch {
	case g.state == Empty && g.protocolType != "":
		return func(_ topicPartition, o *offset) time.Time {
			if o.committed.After(g.since) {
				return o.committed
			}
			return g.since
		}, true
	case g.state == Empty:
		return func(_ topicPartition, o *offset) time.Time { return o.committed }, true
	case g.state != Stable:
		return nil, false
	}
	topics, known := g.subscribed()
	if !known {
		return nil, false
	}
	return func(tp topicPartition, o *offset) time.Time {
		if slices.Contains(topics, tp.topic) {
			return time.Unix(1<<40, 0) // in use
		}
		return o.committed
	}, true
}

// subscribed lists the topics of all members. It is known only for consumers
// whose subscription can be read.
func (g *group) subscribed() (topics []string, known bool) {
	if g.protocolType != "consumer" {
		return nil, false
	}
	for _, mb := range g.members {
		var sub kmsg.ConsumerMemberMetadata
		if err := sub.ReadFrom(mb.metadata(g.protocol)); err != nil {
			return nil, false
		}
		topics = append(topics, sub.Topics...)
	}
	return topics, true
}

// expireProducers forgets producers that have no transaction here and have
// not been heard of for the retention time.
func (m *Machine) expireProducers(limit time.Time) {
	for pid, p := range m.producers {
		if p.pending == nil && !p.heard.After(limit) {
			delete(m.producers, pid)
		}
	}
}

// deleteTopics removes the offsets of deleted topics from all groups of the
// shard.
func (m *Machine) deleteTopics(s *coord.Step, topics []string) {
	for _, g := range m.sortedGroups() {
		for _, tp := range g.allPartitions() {
			if slices.Contains(topics, tp.topic) {
				m.putOffset(s, g.id, tp, nil)
			}
		}
	}
}
