package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/cluster"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/topology"
)

// plan is a topology laid over the topics as they are: what there is to run.
// It does not change.
type plan struct {
	topology *topology.Topology
	appID    string
	// partitions by full topic name, of all source and internal topics.
	partitions map[string]int32
	// tasks there are, sorted.
	tasks []assign.Task
	subs  map[int32]*subPlan
	// internal are the topics to be made.
	internal []internalTopic
	// sources are all source topics by full name, sorted.
	sources []string
	globals []string // full names of the topics of global stores
	// matched are the topics that the patterns of the topology read, by name.
	matched []assign.Topic
}

// subPlan is one sub-topology.
type subPlan struct {
	topology.SubTopology
	sources []string // full names
	resets  map[string]topology.Reset
	stores  []storePlan
}

// storePlan is one store of a sub-topology.
type storePlan struct {
	name      string
	changelog string // full name; "" when nothing restores it
	own       bool   // the task writes the changelog
}

type internalTopic struct {
	name       string
	partitions int32
	config     map[string]string
}

// newPlan asks for the source topics and lays the topology over them and the
// matched ones. It names all topics that are missing.
func newPlan(ctx context.Context, t *topology.Topology, appID string, meta *cluster.Cluster, matched []assign.Topic) (*plan, error) {
	names := make([]string, len(matched))
	p := &plan{appID: appID, partitions: make(map[string]int32), subs: make(map[int32]*subPlan), matched: matched}
	for i, m := range matched {
		names[i] = m.Name
		p.partitions[m.Name] = m.Partitions
	}
	t, err := t.Over(appID, names)
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	p.topology = t
	var external []string
	for _, s := range t.SubTopologies() {
		for _, topic := range s.SourceTopics {
			if _, known := p.partitions[topic]; !known && !t.Internal(topic) && !slices.Contains(external, topic) {
				external = append(external, topic)
			}
		}
	}
	found, err := meta.Topics(ctx, external...)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, topic := range external {
		if ct, ok := found[topic]; ok {
			p.partitions[topic] = int32(len(ct.Leaders))
		} else {
			missing = append(missing, topic)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return nil, &MissingTopicsError{Topics: missing}
	}
	repartition, err := t.RepartitionTopics(appID, func(topic string) (int32, error) { return p.partitions[topic], nil })
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(repartition)) {
		p.partitions[name] = repartition[name]
		p.internal = append(p.internal, internalTopic{name, repartition[name], map[string]string{
			"cleanup.policy": "delete", "segment.bytes": "52428800", "retention.ms": "-1", "message.timestamp.type": "CreateTime",
		}})
	}
	for _, s := range t.SubTopologies() {
		if err := p.add(s); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(p.tasks, assign.Task.Compare)
	slices.Sort(p.sources)
	p.sources = slices.Compact(p.sources)
	return p, nil
}

func (p *plan) add(s topology.SubTopology) error {
	sub := &subPlan{SubTopology: s, resets: make(map[string]topology.Reset)}
	var count int32
	for _, topic := range s.SourceTopics {
		full := topology.FullName(p.appID, topic, p.topology.Internal(topic))
		sub.sources = append(sub.sources, full)
		count = max(count, p.partitions[full])
	}
	slices.Sort(sub.sources)
	sub.sources = slices.Compact(sub.sources)
	for _, id := range s.Nodes {
		n := p.topology.Nodes[id]
		if n.Kind != topology.SourceNode {
			continue
		}
		for _, topic := range n.Topics {
			r := n.Reset
			if n.Internal {
				r = topology.Reset{Policy: topology.ResetEarliest}
			}
			sub.resets[topology.FullName(p.appID, topic, n.Internal)] = r
		}
	}
	if s.Global {
		p.globals = append(p.globals, sub.sources...)
		p.subs[int32(s.ID)] = sub
		return nil
	}
	for _, name := range s.Stores {
		st, _ := p.topology.Store(name)
		sp := storePlan{name: name}
		switch {
		case st.SourceTopic != "":
			sp.changelog = st.SourceTopic
		case !st.NoChangelog:
			d, ok := st.Handle.(state.Declared)
			if !ok || !d.Spec().Logged {
				break
			}
			sp.changelog, sp.own = st.Changelog(p.appID), true
			it := internalTopic{name: sp.changelog, partitions: count, config: map[string]string{"message.timestamp.type": "CreateTime"}}
			maps.Copy(it.config, d.Spec().TopicConfig())
			p.internal = append(p.internal, it)
		}
		sub.stores = append(sub.stores, sp)
	}
	for part := range count {
		p.tasks = append(p.tasks, assign.Task{Sub: int32(s.ID), Partition: part})
	}
	p.sources = append(p.sources, sub.sources...)
	p.subs[int32(s.ID)] = sub
	return nil
}

// inputs are the partitions a task reads, by full topic name.
func (p *plan) inputs(t assign.Task) map[string][]int32 {
	in := make(map[string][]int32)
	sub := p.subs[t.Sub]
	if sub == nil {
		return in
	}
	for _, topic := range sub.sources {
		if t.Partition < p.partitions[topic] {
			in[topic] = []int32{t.Partition}
		}
	}
	return in
}

// has reports whether there is such a task.
func (p *plan) has(t assign.Task) bool {
	_, ok := slices.BinarySearchFunc(p.tasks, t, assign.Task.Compare)
	return ok
}

// stateful reports whether a task has state that restoring brings back.
func (p *plan) stateful(t assign.Task) bool {
	sub := p.subs[t.Sub]
	return sub != nil && slices.ContainsFunc(sub.stores, func(s storePlan) bool { return s.changelog != "" })
}

// MissingTopicsError names source topics that do not exist. The application
// makes its internal topics itself, never its inputs.
type MissingTopicsError struct{ Topics []string }

func (e *MissingTopicsError) Error() string {
	return fmt.Sprintf("runtime: source topics do not exist: %s: create them before the application starts", strings.Join(e.Topics, ", "))
}

var errNoTasks = errors.New("runtime: the topology reads no topic")
