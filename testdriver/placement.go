package testdriver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/thalweg/thalweg/internal/murmur2"
	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// With several partitions the driver looks at the key of each row that an
// operator of package dsl stores: the partition of the task must be the one
// that records with this key go to. Otherwise another task keeps another row
// of the same key, which is what a forgotten repartition or a wrong
// dsl.KeepsPartition leads to.
//
// Not looked at are stores of processors, which may have keys of any kind, and
// those below topics with a partitioner of their own.

// suffix tells for each changelog to look at how many bytes follow the key.
func suffixes(d *Driver, u *unit) map[string]int {
	m := map[string]int{}
	if d.cfg.partitions < 2 {
		return m
	}
	for _, s := range u.task.Stores() {
		if n, ok := suffixOf(d.topo, s); ok && s.Logged {
			m[s.Changelog] = n
		}
	}
	return m
}

func suffixOf(t *topology.Topology, s *task.Store) (n int, ok bool) {
	if strings.HasPrefix(s.Spec.KeyType, "windowing.Windowed[") || slices.ContainsFunc(s.Declared.Nodes, func(id int) bool {
		op := t.Nodes[id].Op
		return strings.HasPrefix(op, "process") || strings.HasPrefix(op, "fk-") || op == "transform-values"
	}) {
		return 0, false
	}
	switch s.Spec.Type {
	case state.TypeKeyValue, state.TypeTimestamped, state.TypeVersioned:
		return 0, true
	case state.TypeWindow:
		return 8 + 4, true
	case state.TypeSession:
		return 8 + 8, true
	}
	return 0, false
}

// checkPlace reports a row that lies in the wrong partition.
func (u *unit) checkPlace(changelog string, key []byte) error {
	n, ok := u.suffix[changelog]
	if !ok || len(key) < n || u.placed() {
		return nil
	}
	key = key[:len(key)-n]
	if p := murmur2.Partition(key, u.d.partitionsOf(changelog)); p != u.partition {
		return fmt.Errorf("testdriver: task %s: the row %q of %s is stored in partition %d, but its key belongs to partition %d: put Repartition where the key changes, or check KeepsPartition",
			u.id, key, changelog, u.partition, p)
	}
	return nil
}

// placed reports whether an input of the task has partitions of its own making.
func (u *unit) placed() bool {
	return slices.ContainsFunc(u.task.Topics(), func(t string) bool { return u.d.topic(t).placed })
}
