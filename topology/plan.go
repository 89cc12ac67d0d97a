package topology

import (
	"fmt"
	"maps"
	"slices"
)

// Topology is a checked graph, ready to be run or drawn. It does not change.
type Topology struct {
	Nodes  []Node
	Stores []Store // in the order of the first node that uses each
	b      *Builder
	subs   []SubTopology
}

// SubTopologies returns the parts that share no node and no store. Their ids
// count from 0 in the order of their first nodes; global stores have parts of
// their own, which make no tasks.
func (t *Topology) SubTopologies() []SubTopology { return t.subs }

// Store returns a store by its name.
func (t *Topology) Store(name string) (Store, bool) {
	i := slices.IndexFunc(t.Stores, func(s Store) bool { return s.Name == name })
	if i < 0 {
		return Store{}, false
	}
	return t.Stores[i], true
}

// plan cuts the graph into sub-topologies: nodes belong together when they are
// linked, or share a store.
func (b *Builder) plan() *Topology {
	root := make([]int, len(b.nodes))
	for i := range root {
		root[i] = i
	}
	find := func(i int) int {
		for root[i] != i {
			root[i] = root[root[i]]
			i = root[i]
		}
		return i
	}
	union := func(i, j int) {
		i, j = find(i), find(j)
		root[max(i, j)] = min(i, j) // the root is the first node
	}
	for _, n := range b.nodes {
		for _, p := range n.Parents {
			union(n.ID, p)
		}
	}
	for _, s := range b.stores {
		for _, n := range s.Nodes[1:] {
			union(s.Nodes[0], n)
		}
	}
	t := &Topology{b: b}
	subOf := map[int]int{}
	for _, n := range b.nodes {
		if n.Kind == 0 {
			t.Nodes = append(t.Nodes, *n)
			continue
		}
		sub, ok := subOf[find(n.ID)]
		if !ok {
			sub = len(subOf)
			subOf[find(n.ID)] = sub
		}
		n.Sub = sub
		t.Nodes = append(t.Nodes, *n)
	}
	for _, s := range b.stores {
		s.Sub = b.nodes[s.Nodes[0]].Sub
		t.Stores = append(t.Stores, *s)
	}
	slices.SortStableFunc(t.Stores, func(x, y Store) int { return x.Nodes[0] - y.Nodes[0] })
	t.lay()
	return t
}

// lay makes the sub-topologies of nodes and stores that know theirs.
func (t *Topology) lay() {
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.Kind == 0 {
			continue
		}
		if n.Sub == len(t.subs) {
			t.subs = append(t.subs, SubTopology{ID: n.Sub})
		}
		t.subs[n.Sub].add(n)
	}
	for _, s := range t.Stores {
		t.subs[s.Sub].Stores = append(t.subs[s.Sub].Stores, s.Name)
	}
	for _, g := range t.b.groups {
		var topics []string
		for _, n := range g {
			topics = append(topics, t.Nodes[n].Topics...)
		}
		slices.Sort(topics)
		if topics = slices.Compact(topics); len(topics) > 1 {
			s := &t.subs[t.Nodes[g[0]].Sub]
			if !slices.ContainsFunc(s.CopartitionGroups, func(o []string) bool { return slices.Equal(o, topics) }) {
				s.CopartitionGroups = append(s.CopartitionGroups, topics)
			}
		}
	}
}

func (s *SubTopology) add(n *Node) {
	s.Nodes = append(s.Nodes, n.ID)
	s.Global = s.Global || n.Global
	switch n.Kind {
	case SourceNode:
		s.SourceTopics = append(s.SourceTopics, n.Topics...)
		if n.Pattern != "" {
			s.Patterns = append(s.Patterns, n.Pattern)
		}
		if n.Internal {
			s.RepartitionTopics = append(s.RepartitionTopics, n.Topics...)
		}
	case SinkNode:
		for _, t := range n.Topics {
			if !slices.Contains(s.SinkTopics, t) {
				s.SinkTopics = append(s.SinkTopics, t)
			}
		}
	}
}

// Internal reports whether the topic, named without the application's id, is a
// repartition topic.
func (t *Topology) Internal(topic string) bool { return t.b.inter[topic] != nil }

// RepartitionTopics returns the internal topics that carry records between
// sub-topologies, with full names and numbers of partitions.
//
// partitions gives the number of partitions of a user's topic, and fails when
// there is no such topic. It is asked for patterns too, by their PatternName,
// and may answer 0: then an internal topic that nothing but such patterns leads
// to is not among those returned. An internal topic has as many partitions as the
// largest input of the sub-topologies that write it, unless the user said
// otherwise; topics that must be co-partitioned get equal numbers. An error
// names the topics for which that is not possible.
func (t *Topology) RepartitionTopics(appID string, partitions func(topic string) (int32, error)) (map[string]int32, error) {
	count := map[string]int32{} // of all topics, by short name
	for _, s := range t.subs {
		for _, topic := range s.SourceTopics {
			if it := t.b.inter[topic]; it != nil {
				if it.Strict {
					count[topic] = it.Partitions
				}
				continue
			}
			n, err := partitions(topic)
			if err != nil {
				return nil, fmt.Errorf("topology: source topic %q: %w", topic, err)
			}
			count[topic] = n
		}
		for _, p := range s.Patterns {
			n, err := partitions(PatternName(p))
			if err != nil {
				return nil, fmt.Errorf("topology: source pattern %q: %w", p, err)
			}
			count[PatternName(p)] = n
		}
	}
	writers := map[string][]*SubTopology{}
	for i := range t.subs {
		for _, topic := range t.subs[i].SinkTopics {
			if t.Internal(topic) {
				writers[topic] = append(writers[topic], &t.subs[i])
			}
		}
	}
	for progress := true; progress; {
		progress = false
		for _, topic := range slices.Sorted(maps.Keys(t.b.inter)) {
			if _, ok := count[topic]; ok {
				continue
			}
			if n, ok := widest(writers[topic], count); ok {
				count[topic] = n
				progress = true
			}
		}
		if !progress {
			progress = t.follow(count)
		}
	}
	if err := t.copartition(count); err != nil {
		return nil, err
	}
	full := make(map[string]int32, len(t.b.inter))
	for topic := range t.b.inter {
		n := count[topic]
		if n == 0 && t.awaits(topic, writers, map[string]bool{}) {
			continue
		}
		if n == 0 {
			return nil, fmt.Errorf("topology: internal topic %q: its number of partitions follows from nothing: give it one with Partitions", topic)
		}
		full[FullName(appID, topic, true)] = n
	}
	return full, nil
}

// awaits reports whether what is written to an internal topic begins in a
// pattern, which may have no topics yet.
func (t *Topology) awaits(topic string, writers map[string][]*SubTopology, seen map[string]bool) bool {
	if seen[topic] {
		return false
	}
	seen[topic] = true
	return slices.ContainsFunc(writers[topic], func(s *SubTopology) bool {
		return len(s.Patterns) > 0 || slices.ContainsFunc(s.SourceTopics, func(u string) bool { return t.awaits(u, writers, seen) })
	})
}

// follow gives one internal topic as many partitions as a topic that it must be
// co-partitioned with. It breaks the circle between the two topics of a
// foreign-key join.
func (t *Topology) follow(count map[string]int32) bool {
	for _, s := range t.subs {
		for _, g := range s.CopartitionGroups {
			n := int32(0)
			for _, topic := range g {
				n = max(n, count[topic])
			}
			for _, topic := range g {
				if _, known := count[topic]; !known && n > 0 {
					count[topic] = n
					return true
				}
			}
		}
	}
	return false
}

// widest returns the largest number of partitions of the sources of subs, and
// whether all are known.
func widest(subs []*SubTopology, count map[string]int32) (n int32, ok bool) {
	for _, s := range subs {
		for _, topic := range s.SourceTopics {
			c, known := count[topic]
			if !known {
				return 0, false
			}
			n = max(n, c)
		}
		for _, p := range s.Patterns {
			n = max(n, count[PatternName(p)])
		}
	}
	return n, n > 0
}

// copartition gives the members of each group equal numbers of partitions.
func (t *Topology) copartition(count map[string]int32) error {
	for _, s := range t.subs {
		for _, g := range s.CopartitionGroups {
			var fixed string // a topic whose number cannot be changed
			n := int32(0)
			for _, topic := range g {
				it := t.b.inter[topic]
				if it != nil && !it.Strict {
					n = max(n, count[topic])
					continue
				}
				if fixed != "" && count[fixed] != count[topic] {
					return fmt.Errorf("topology: topics %q and %q are joined but have %d and %d partitions: make them equal, or put Repartition in front of the join", fixed, topic, count[fixed], count[topic])
				}
				fixed = topic
			}
			if fixed != "" {
				n = count[fixed]
			}
			for _, topic := range g {
				if it := t.b.inter[topic]; it != nil && !it.Strict {
					count[topic] = n
				}
			}
		}
	}
	return nil
}

// Changelog returns the full name of a store's changelog topic: its own
// internal topic, or the source topic that serves as one.
func (s Store) Changelog(appID string) string {
	if s.SourceTopic != "" {
		return s.SourceTopic
	}
	return appID + "-" + s.Name + "-changelog"
}
