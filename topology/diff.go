package topology

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/thalweg/thalweg/state"
)

// Shape is what of a topology must stay the same for state on disk and in
// topics to be kept: the stores with their types, the internal topics, and who
// reads what. It is plain data, to be stored and compared later.
type Shape struct {
	Stores []StoreShape `json:"stores"`
	Topics []TopicShape `json:"topics"`
}

// StoreShape describes a store. Kind is a text that names its type and the Go
// types of key and value.
type StoreShape struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`
	Changelog string   `json:"changelog,omitempty"` // the topic, without the application's id
	Sources   []string `json:"sources"`             // the topics its sub-topology reads; patterns in slashes
}

// TopicShape describes an internal topic.
type TopicShape struct {
	Name       string `json:"name"`
	Partitions int32  `json:"partitions,omitempty"` // 0: follows its inputs
}

// Shape returns what of the topology matters to its state.
func (t *Topology) Shape() Shape {
	var s Shape
	for _, st := range t.Stores {
		x := StoreShape{Name: st.Name, Kind: kindOf(st.Handle), Changelog: st.SourceTopic}
		if !st.NoChangelog {
			x.Changelog = st.Name + "-changelog"
		}
		x.Sources = t.inputs(st.Sub)
		s.Stores = append(s.Stores, x)
	}
	for _, it := range t.b.inter {
		s.Topics = append(s.Topics, TopicShape{it.Name, it.Partitions})
	}
	sort.Slice(s.Stores, func(i, j int) bool { return s.Stores[i].Name < s.Stores[j].Name })
	sort.Slice(s.Topics, func(i, j int) bool { return s.Topics[i].Name < s.Topics[j].Name })
	return s
}

// inputs names what a sub-topology reads, sorted: patterns as such, whatever
// topics match them.
func (t *Topology) inputs(sub int) (names []string) {
	for _, id := range t.subs[sub].Nodes {
		if n := t.Nodes[id]; n.Kind == SourceNode {
			names = append(names, n.inputs()...)
		}
	}
	slices.Sort(names)
	return names
}

// kindOf describes the rows of a store: what they are read as, and what must be
// the same for them to be found.
func kindOf(h Declared) string {
	d, ok := h.(state.Declared)
	if !ok {
		return fmt.Sprintf("%T", h)
	}
	s := d.Spec()
	k := fmt.Sprintf("%s of %s to %s", s.Type, s.KeyType, s.ValueType)
	if s.WindowSize > 0 {
		k += fmt.Sprintf(" in windows of %v", s.WindowSize)
	}
	for what, is := range []bool{s.Timestamped, s.Duplicates, s.TimeOrdered} {
		if is {
			k += [...]string{", timestamped", ", with duplicates", ", ordered by time"}[what]
		}
	}
	return k
}

// Fingerprint is a short hash of the topology's Shape: topologies with equal
// fingerprints can share a group and its state.
func (t *Topology) Fingerprint() string {
	h := sha256.New()
	s := t.Shape()
	for _, x := range s.Stores {
		fmt.Fprintf(h, "store %q %q %q %q\n", x.Name, x.Kind, x.Changelog, x.Sources)
	}
	for _, x := range s.Topics {
		fmt.Fprintf(h, "topic %q %d\n", x.Name, x.Partitions)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Change says what becomes of a store or internal topic in a new version.
type Change struct {
	Kind ChangeKind
	What string // "store" or "topic"
	Name string
	Why  string // for people; "" for Kept and New
}

// ChangeKind is the kind of a Change.
type ChangeKind uint8

const (
	// Kept state is used by the new version as it is.
	Kept ChangeKind = iota
	// New state begins empty.
	New
	// Orphaned state is left behind: nobody uses it any more.
	Orphaned
	// Broken state has the name of something else in the new version, which
	// must not use it.
	Broken
)

func (k ChangeKind) String() string { return [...]string{"kept", "new", "orphaned", "broken"}[k] }

func (c Change) String() string {
	s := fmt.Sprintf("%s %q is %s", c.What, c.Name, c.Kind)
	if c.Why != "" {
		s += ": " + c.Why
	}
	return s
}

// Diff says what becomes of the state of an old version in a new one, ordered
// by name.
func Diff(old, next Shape) []Change {
	var cs []Change
	was := map[string]StoreShape{}
	for _, s := range old.Stores {
		was[s.Name] = s
	}
	for _, s := range next.Stores {
		o, ok := was[s.Name]
		delete(was, s.Name)
		c := Change{What: "store", Name: s.Name, Kind: Kept}
		switch {
		case !ok:
			c.Kind = New
		case o.Kind != s.Kind:
			c.Kind, c.Why = Broken, fmt.Sprintf("it was %s and is to be %s", o.Kind, s.Kind)
		case o.Changelog != s.Changelog:
			c.Kind, c.Why = Broken, fmt.Sprintf("it was restored from %q and is to be from %q", o.Changelog, s.Changelog)
		case !slices.Equal(o.Sources, s.Sources):
			c.Why = fmt.Sprintf("its inputs were %s and are %s", strings.Join(o.Sources, ", "), strings.Join(s.Sources, ", "))
		}
		cs = append(cs, c)
	}
	for name := range was {
		cs = append(cs, Change{What: "store", Name: name, Kind: Orphaned, Why: "no operator has it any more"})
	}
	wasTopic := map[string]TopicShape{}
	for _, t := range old.Topics {
		wasTopic[t.Name] = t
	}
	for _, t := range next.Topics {
		o, ok := wasTopic[t.Name]
		delete(wasTopic, t.Name)
		c := Change{What: "topic", Name: t.Name, Kind: Kept}
		switch {
		case !ok:
			c.Kind = New
		case o.Partitions != t.Partitions:
			c.Kind, c.Why = Broken, fmt.Sprintf("it had %d partitions and is to have %d", o.Partitions, t.Partitions)
		}
		cs = append(cs, c)
	}
	for name := range wasTopic {
		cs = append(cs, Change{What: "topic", Name: name, Kind: Orphaned, Why: "nothing reads it any more: what is in it is not processed"})
	}
	sort.Slice(cs, func(i, j int) bool {
		if cs[i].What != cs[j].What {
			return cs[i].What < cs[j].What
		}
		return cs[i].Name < cs[j].Name
	})
	return cs
}
