package topology

// check looks for mistakes that only the whole graph shows.
func (b *Builder) check() {
	readers := map[string]string{}
	for _, n := range b.nodes {
		if n.Kind != SourceNode {
			continue
		}
		for _, t := range n.Topics {
			if first, ok := readers[t]; ok {
				b.Fail("topology: topic %q is read by two sources, %q and %q: read it once and use the stream twice", t, first, n.Name)
			}
			readers[t] = n.Name
		}
	}
	b.checkPatterns(readers)
	if len(b.sources) == 0 {
		b.Fail("topology: no source: nothing to do")
	}
	for _, s := range b.stores {
		if len(s.Nodes) == 0 {
			b.Fail("topology: store %q is not used by any node", s.Name)
		}
	}
	for t := range b.inter {
		if err := CheckName(t); err != nil {
			b.Fail("topology: internal topic: %w", err)
		}
	}
	for _, s := range b.stores {
		if err := CheckName(s.Name); err != nil {
			b.Fail("topology: store: %w", err)
		}
	}
}
