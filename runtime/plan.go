package runtime

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/thalweg/thalweg/runtime/internal/assign"
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
	// inputs are the topics that the topology reads, but for internal ones, by
	// name.
	inputs []assign.Topic
	ids    map[string][16]byte // of inputs
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
	inputs     []string // which its number of partitions comes from, for people
	versions   bool     // it is read for more than the last record of a key
}

// newPlan lays the topology over the topics it reads.
func newPlan(t *topology.Topology, appID string, inputs []assign.Topic) (*plan, error) {
	p := &plan{appID: appID, partitions: make(map[string]int32), subs: make(map[int32]*subPlan), inputs: inputs, ids: make(map[string][16]byte)}
	names := make([]string, len(inputs))
	for i, in := range inputs {
		names[i] = in.Name
		p.partitions[in.Name] = in.Partitions
		p.ids[in.Name] = in.ID
	}
	t, err := t.Over(appID, names)
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	p.topology = t
	repartition, err := t.RepartitionTopics(appID, func(topic string) (int32, error) { return p.partitions[topic], nil })
	if err != nil {
		return nil, fmt.Errorf("runtime: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(repartition)) {
		p.partitions[name] = repartition[name]
		p.internal = append(p.internal, internalTopic{name: name, partitions: repartition[name], config: map[string]string{
			"cleanup.policy": "delete", "segment.bytes": "52428800", "retention.ms": "-1", "retention.bytes": "-1", "message.timestamp.type": "CreateTime",
		}})
	}
	for i := range p.internal {
		p.internal[i].inputs = p.counts(p.writers(p.internal[i].name)...)
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
			it := internalTopic{name: sp.changelog, partitions: count, inputs: p.counts(sub.sources...), config: map[string]string{"message.timestamp.type": "CreateTime"}}
			it.versions = d.Spec().Type == state.TypeVersioned
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

// writers are the inputs of the sub-topologies that write an internal topic.
func (p *plan) writers(internal string) (inputs []string) {
	for _, s := range p.topology.SubTopologies() {
		if !slices.ContainsFunc(s.SinkTopics, func(t string) bool { return topology.FullName(p.appID, t, p.topology.Internal(t)) == internal }) {
			continue
		}
		for _, t := range s.SourceTopics {
			inputs = append(inputs, topology.FullName(p.appID, t, p.topology.Internal(t)))
		}
	}
	return inputs
}

// counts tells the numbers of partitions of topics.
func (p *plan) counts(topics ...string) (told []string) {
	for _, t := range topics {
		told = append(told, fmt.Sprintf("%s has %d", t, p.partitions[t]))
	}
	return told
}

// source is a topic of which a task reads its partition.
type source struct {
	topic string
	id    [16]byte // zero for internal topics
}

// reads are the topics that a task reads, by name.
func (p *plan) reads(t assign.Task) (in []source) {
	sub := p.subs[t.Sub]
	if sub == nil {
		return nil
	}
	for _, topic := range sub.sources {
		if t.Partition < p.partitions[topic] {
			in = append(in, source{topic, p.ids[topic]})
		}
	}
	return in
}

// place is which partitions a task reads, for tools that look at the group.
func (p *plan) place(t assign.Task) map[string][]int32 {
	in := make(map[string][]int32)
	for _, s := range p.reads(t) {
		in[s.topic] = []int32{t.Partition}
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

// keeps reports whether tasks that read a topic have stores.
func (p *plan) keeps(topic string) bool {
	for _, s := range p.subs {
		if !s.Global && len(s.stores) > 0 && slices.Contains(s.sources, topic) {
			return true
		}
	}
	return false
}

// MissingTopicsError names source topics that do not exist. The application
// makes its internal topics itself, never its inputs.
type MissingTopicsError struct{ Topics []string }

func (e *MissingTopicsError) Error() string {
	return fmt.Sprintf("runtime: source topics do not exist: %s: create them before the application starts", strings.Join(e.Topics, ", "))
}

// PartitionsError reports an internal topic that has another number of partitions
// than its inputs ask for: some input got more, or fewer, since the topic was
// made, or another application uses the ApplicationID. Keys of before are in the
// partitions they were hashed to then, so state and inputs do not fit together
// any more.
type PartitionsError struct {
	Topic  string
	Has    int
	Needs  int
	Inputs []string // as in "orders has 6"
}

func (e *PartitionsError) Error() string {
	return fmt.Sprintf("runtime: internal topic %s has %d partitions and needs %d (its inputs: %s): the number of partitions of an input changed, or another application uses the ApplicationID: reset the application (thalweg app reset), or choose another ApplicationID", e.Topic, e.Has, e.Needs, strings.Join(e.Inputs, ", "))
}

var errNoTasks = errors.New("runtime: the topology reads no topic")
