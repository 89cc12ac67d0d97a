package topology

import "slices"

// Repartitioned is a stream that goes through an internal topic: from is the
// stream, filter the node below it that leads to the sink, and to the stream
// beyond the topic.
type Repartitioned[K, V any] struct {
	From, To     *Port[K, V]
	Filter, Sink int
}

// MergeRepartitions lets several streams that come of k, and differ from it in
// what records they have but not in the records, share the topic of the first:
// it moves directly below k, and what lay between k and the topics to behind it.
// The nodes of the other topics are removed.
func MergeRepartitions[K, V any](k *Port[K, V], all []Repartitioned[K, V]) {
	b := k.b
	first := all[0]
	between := map[int]bool{}
	for _, r := range all {
		b.between(r.From.node, k.node, between)
	}
	var own, moved []subscriber[K, V]
	var filter subscriber[K, V]
	for _, r := range all {
		i := slices.IndexFunc(r.From.subs, func(s subscriber[K, V]) bool { return s.node == r.Filter })
		if r.Filter == first.Filter {
			filter = r.From.subs[i]
		}
		if r.From != k {
			// What came behind the topic now follows directly.
			r.From.subs = slices.Replace(r.From.subs, i, i+1, r.To.subs...)
			b.unlink(r.From.node, r.Filter)
			b.adopt(r.To.node, r.From.node, r.To.subs)
			r.To.subs = nil
		}
	}
	for _, s := range k.subs {
		r := slices.IndexFunc(all, func(r Repartitioned[K, V]) bool { return r.Filter == s.node })
		switch {
		case r >= 0:
			moved = append(moved, all[r].To.subs...)
			b.unlink(k.node, s.node)
			b.adopt(all[r].To.node, first.To.node, all[r].To.subs)
		case between[s.node]:
			moved = append(moved, s)
			b.relink(s.node, k.node, first.To.node)
		default:
			own = append(own, s)
		}
	}
	first.To.subs = moved
	// The shared topic comes before what else is below k, as in Kafka Streams.
	k.subs = slices.Insert(own, 0, filter)
	b.link(k.node, first.Filter)
	for _, r := range all[1:] {
		for i, g := range b.groups {
			for x, n := range g {
				if n == r.To.node {
					b.groups[i][x] = first.To.node
				}
			}
		}
		for _, t := range b.nodes[r.To.node].Topics {
			delete(b.inter, t)
		}
		b.sources = slices.DeleteFunc(b.sources, func(s sourceEntry) bool { return s.node == r.To.node })
		for _, id := range []int{r.Filter, r.Sink, r.To.node} {
			b.remove(id)
		}
	}
}

// between adds the nodes on the ways up from id to top, id included and top not.
func (b *Builder) between(id, top int, set map[int]bool) {
	if id == top || set[id] {
		return
	}
	set[id] = true
	for _, p := range b.nodes[id].Parents {
		b.between(p, top, set)
	}
}

func (b *Builder) link(parent, child int) {
	b.nodes[parent].Children = append(b.nodes[parent].Children, child)
	b.nodes[child].Parents = append(b.nodes[child].Parents, parent)
}

func (b *Builder) unlink(parent, child int) {
	drop := func(from []int, id int) []int {
		return slices.DeleteFunc(from, func(x int) bool { return x == id })
	}
	b.nodes[parent].Children = drop(b.nodes[parent].Children, child)
	b.nodes[child].Parents = drop(b.nodes[child].Parents, parent)
}

// adopt makes the subscribers of one node those of another.
func (b *Builder) adopt[K, V any](from, to int, subs []subscriber[K, V]) {
	if from == to {
		return
	}
	for _, s := range subs {
		b.relink(s.node, from, to)
	}
}

// remove takes a node out of the graph. Its place in the list stays, so that
// the other nodes keep their ids.
func (b *Builder) remove(id int) {
	n := b.nodes[id]
	for _, p := range slices.Clone(n.Parents) {
		b.unlink(p, id)
	}
	for _, c := range slices.Clone(n.Children) {
		b.unlink(id, c)
	}
	delete(b.names, n.Name)
	*n = Node{ID: id, Name: n.Name, Sub: -1}
}
