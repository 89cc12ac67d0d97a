package group

import (
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

type topicPartition struct {
	topic     string
	partition int32
}

// offset is one committed position. It is never changed once it is stored.
type offset struct {
	offset      int64
	leaderEpoch int32 // −1: unknown
	metadata    string
	topicID     [16]byte // zero: committed by name
	committed   time.Time
}

// stored is an offset with its place in the journal's order.
type stored struct {
	*offset
	order int64
}

// producer is what the shard knows of a transactional producer.
type producer struct {
	epoch            int16
	coordinatorEpoch int32
	// ended counts markers: a verification that began before a marker must
	// not let an append pass after it (KIP-890).
	ended int64
	heard time.Time // last record
	// pending are the offsets of the open transaction, by group.
	pending map[string]map[topicPartition]stored
}

func (m *Machine) producer(pid int64) *producer {
	p := m.producers[pid]
	if p == nil {
		p = &producer{epoch: -1, coordinatorEpoch: -1}
		m.producers[pid] = p
	}
	return p
}

// applyOffset applies a plain commit, or a tombstone when o is nil.
func (m *Machine) applyOffset(groupID string, tp topicPartition, o *offset) {
	m.applied++
	if o == nil {
		g := m.groups[groupID]
		if g == nil {
			return
		}
		delete(g.offsets, tp)
		m.overtake(g, tp)
		m.release(g)
		return
	}
	m.group(groupID).offsets[tp] = stored{o, m.applied}
}

// overtake makes the tombstone that was just applied win against offsets that
// are pending for the partition: they come before it in the journal.
func (m *Machine) overtake(g *group, tp topicPartition) {
	if g.pending[tp] > 0 {
		g.deleted[tp] = m.applied
	}
}

// applyPending applies an offset commit inside a transaction. Offsets of an
// older epoch of the same producer can no longer commit and are dropped.
func (m *Machine) applyPending(at time.Time, pid int64, epoch int16, groupID string, tp topicPartition, o *offset) {
	m.applied++
	p := m.producer(pid)
	if epoch > p.epoch {
		m.clearPending(p)
	}
	p.epoch, p.heard = max(p.epoch, epoch), at
	g := m.group(groupID)
	if p.pending == nil {
		p.pending = make(map[string]map[topicPartition]stored)
	}
	if p.pending[groupID] == nil {
		p.pending[groupID] = make(map[topicPartition]stored)
	}
	if _, ok := p.pending[groupID][tp]; !ok {
		g.pending[tp]++
	}
	p.pending[groupID][tp] = stored{o, m.applied}
}

// applyMarker ends the producer's transaction. A pending offset becomes the
// committed one unless a plain commit or a tombstone came after it.
func (m *Machine) applyMarker(at time.Time, pid int64, epoch int16, commit bool, coordinatorEpoch int32) {
	m.applied++
	p := m.producer(pid)
	p.epoch, p.heard = max(p.epoch, epoch), at
	p.coordinatorEpoch = max(p.coordinatorEpoch, coordinatorEpoch)
	p.ended++
	if commit {
		for id, offsets := range p.pending {
			g := m.group(id)
			for tp, o := range offsets {
				if o.order > g.offsets[tp].order && o.order > g.deleted[tp] {
					g.offsets[tp] = o
				}
			}
		}
	}
	m.clearPending(p)
}

func (m *Machine) clearPending(p *producer) {
	for id, offsets := range p.pending {
		g := m.groups[id]
		for tp := range offsets {
			if g.pending[tp]--; g.pending[tp] == 0 {
				delete(g.pending, tp)
				delete(g.deleted, tp)
			}
		}
		m.release(g)
	}
	p.pending = nil
}

// applyGroup applies the group's last synced generation; nil deletes it.
func (m *Machine) applyGroup(id string, v *kmsg.GroupMetadataValue) {
	m.applied++
	if v != nil {
		m.group(id).stored = v
		return
	}
	if g := m.groups[id]; g != nil {
		g.stored = nil
		m.release(g)
	}
}

// sortedPartitions lists the group's committed partitions by topic and number.
func (g *group) sortedPartitions() []topicPartition {
	return slices.SortedFunc(maps.Keys(g.offsets), compareTopicPartition)
}

// allPartitions lists committed and pending partitions.
func (g *group) allPartitions() []topicPartition {
	all := slices.AppendSeq(g.sortedPartitions(), maps.Keys(g.pending))
	slices.SortFunc(all, compareTopicPartition)
	return slices.Compact(all)
}
