package topology

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
)

// A Pattern stands for all topics whose whole names match a regular expression,
// those that appear later included. They have the same types and are one
// source. The application's internal topics and the brokers' own never match.
// Like a Topic it is declared once; the With methods return changed copies.
type Pattern[K, V any] struct {
	Expr  string // in the syntax of package regexp
	topic Topic[K, V]
}

// NewPattern declares a pattern of topics. An expression that does not compile
// is reported by Build.
func NewPattern[K, V any](expr string, key serde.Serde[K], value serde.Serde[V]) Pattern[K, V] {
	return Pattern[K, V]{Expr: expr, topic: Topic[K, V]{Key: key, Value: value}}
}

// WithTime is Topic.WithTime for all topics of the pattern.
func (p Pattern[K, V]) WithTime(f func(RecordInfo[K, V]) (int64, error)) Pattern[K, V] {
	p.topic.time = f
	return p
}

// OnInvalidTime is Topic.OnInvalidTime for all topics of the pattern.
func (p Pattern[K, V]) OnInvalidTime(i InvalidTime) Pattern[K, V] {
	p.topic.onInvalid = i
	return p
}

// WithReset is Topic.WithReset for all topics of the pattern.
func (p Pattern[K, V]) WithReset(r Reset) Pattern[K, V] {
	p.topic.reset = r
	return p
}

// Topic returns one topic of the pattern: to write to it, or as the input of a
// test.
func (p Pattern[K, V]) Topic(name string) Topic[K, V] {
	t := p.topic
	t.Name = name
	return t
}

// matcher compiles an expression so that it has to match all of a name.
func matcher(expr string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(expr); err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + expr + `)\z`)
}

// PatternName is how descriptions and errors write a pattern among the names of
// topics, none of which has a slash.
func PatternName(expr string) string { return "/" + expr + "/" }

// AddPatternSource adds a node that reads all topics of a pattern.
func (b *Builder) AddPatternSource[K, V any](name string, p Pattern[K, V]) *Port[K, V] {
	n := Node{Name: name, Op: "source", Kind: SourceNode, Pattern: p.Expr, Reset: p.topic.reset}
	re, err := matcher(p.Expr)
	switch {
	case p.Expr == "":
		b.Fail("topology: node %q: a pattern is empty", name)
	case err != nil:
		b.Fail("topology: node %q: pattern: %w", name, err)
	}
	checkSerdes(b, name, p.Topic(PatternName(p.Expr)))
	id := b.add(n)
	port := &Port[K, V]{b: b, node: id}
	b.sources = append(b.sources, sourceEntry{id, re, func(w *Wiring) func(string) processor.RawNode {
		next := port.Next(w)
		return func(topic string) processor.RawNode { return newSource(w.Name(id), p.Topic(topic), next) }
	}})
	return port
}

// checkPatterns looks for patterns that read what another source reads. That
// two patterns match the same topic shows only when it is there: see Over.
func (b *Builder) checkPatterns(literal map[string]string) {
	first := map[string]string{}
	for _, s := range b.sources {
		n := b.nodes[s.node]
		if n.Pattern == "" || s.re == nil {
			continue
		}
		if other, ok := first[n.Pattern]; ok {
			b.Fail("topology: pattern %q is read by two sources, %q and %q: read it once and use the stream twice", n.Pattern, other, n.Name)
		}
		first[n.Pattern] = n.Name
		for _, t := range slices.Sorted(maps.Keys(literal)) {
			if s.re.MatchString(t) {
				b.Fail("topology: pattern %q of source %q matches topic %q, which source %q reads: a topic has one source", n.Pattern, n.Name, t, literal[t])
			}
		}
	}
}

// Patterned reports whether any source reads the topics of a pattern.
func (t *Topology) Patterned() bool {
	return slices.ContainsFunc(t.Nodes, func(n Node) bool { return n.Pattern != "" })
}

// Over lays the patterns over the topics there are: in the topology that it
// returns, a pattern's source reads those of the topics that match, and reads
// them for co-partitioning. Topics that match no pattern, and the internal ones
// of the application, are passed over. It fails when a topic matches two
// patterns.
func (t *Topology) Over(appID string, topics []string) (*Topology, error) {
	if !t.Patterned() {
		return t, nil
	}
	matched := make(map[int][]string)
	for _, topic := range slices.Compact(slices.Sorted(slices.Values(topics))) {
		s, err := t.match(appID, topic)
		if err != nil {
			return nil, err
		}
		if s != nil {
			matched[s.node] = append(matched[s.node], topic)
		}
	}
	over := &Topology{b: t.b, Nodes: slices.Clone(t.Nodes), Stores: t.Stores}
	for i := range over.Nodes {
		if n := &over.Nodes[i]; n.Pattern != "" {
			n.Topics = matched[n.ID]
		}
	}
	over.lay()
	return over, nil
}

// Matches reports whether the topic, named as on the broker, belongs to a
// pattern's source, whose sub-topology it returns.
func (t *Topology) Matches(appID, topic string) (sub int, ok bool, err error) {
	s, err := t.match(appID, topic)
	if s == nil || err != nil {
		return 0, false, err
	}
	return t.Nodes[s.node].Sub, true, nil
}

func (t *Topology) match(appID, topic string) (found *sourceEntry, err error) {
	for i := range t.b.sources {
		s := &t.b.sources[i]
		if s.re == nil || !s.re.MatchString(topic) || t.owns(appID, topic) {
			continue
		}
		if found != nil {
			a, b := t.Nodes[found.node], t.Nodes[s.node]
			return nil, fmt.Errorf("topology: topic %q matches pattern %q of source %q and pattern %q of source %q: a topic has one source", topic, a.Pattern, a.Name, b.Pattern, b.Name)
		}
		found = s
	}
	return found, nil
}

// owns reports whether a topic, named as on the broker, is an internal one of
// the application.
func (t *Topology) owns(appID, topic string) bool {
	short, ok := strings.CutPrefix(topic, appID+"-")
	if !ok {
		return false
	}
	if t.Internal(short) {
		return true
	}
	store, ok := strings.CutSuffix(short, "-changelog")
	if !ok {
		return false
	}
	s, ok := t.Store(store)
	return ok && !s.NoChangelog
}
