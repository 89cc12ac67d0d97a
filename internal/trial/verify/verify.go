// Package verify computes what the trial's program has to come to from its input alone, and compares it with what it wrote.
// It shares no code with the program or what runs it: it reads topics with franz-go, and the rest is plain Go over lists of
// records.
package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/thalweg/thalweg/internal/trial/spec"
)

// Record is a record of a topic.
type Record struct {
	Key, Value string
	Null       bool // the value is
	Time       int64
	Offset     int64
}

// Topics are the records of each topic and partition, in order.
type Topics map[string][][]Record

// Difference is something in an output that does not follow from the input.
type Difference struct {
	Topic, Key, What string
	Want, Got        any
}

func (d Difference) String() string {
	return fmt.Sprintf("%s, key %q: %s\n    want %v\n    got  %v", d.Topic, d.Key, d.What, d.Want, d.Got)
}

// check is a comparison at work.
type check struct {
	topics      Topics
	exactly     bool // once; at least once otherwise
	differences []Difference
}

// Check compares all outputs. Exactly once, results are the true ones, each once. At least once, all true results are there;
// they may come again, and aggregates may have counted again what is in the input. What was taken back may be there as well,
// where one row or session replaces another: a store that was ahead of the committed offsets when its process died does not know
// any more what it replaced.
func Check(topics Topics, exactly bool) []Difference {
	c := &check{topics: topics, exactly: exactly}
	c.pipe()
	c.counts()
	c.lists()
	c.windows()
	c.sessions()
	c.streamJoins()
	c.tableJoins()
	c.wallets()
	c.foreignJoins()
	return c.differences
}

func (c *check) differ(topic, key, what string, want, got any) {
	c.differences = append(c.differences, Difference{topic, key, what, want, got})
}

// each calls f for each record of a topic.
func (c *check) each(topic string, f func(partition int, r Record)) {
	for p, records := range c.topics[topic] {
		for _, r := range records {
			f(p, r)
		}
	}
}

// byKey are the records of each key, in order. A key in two partitions is a difference.
func (c *check) byKey(topic string) map[string][]Record {
	at, out := map[string]int{}, map[string][]Record{}
	c.each(topic, func(p int, r Record) {
		if was, ok := at[r.Key]; ok && was != p {
			c.differ(topic, r.Key, "in two partitions", was, p)
		}
		at[r.Key] = p
		out[r.Key] = append(out[r.Key], r)
	})
	return out
}

// last is the last value of each key that is not deleted.
func (c *check) last(topic string) map[string]string {
	out := map[string]string{}
	for k, records := range c.byKey(topic) {
		if r := records[len(records)-1]; !r.Null {
			out[k] = r.Value
		}
	}
	return out
}

func values(records []Record) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = r.Value
		if r.Null {
			out[i] = "null"
		}
	}
	return out
}

// sameLast compares the last value of each key.
func (c *check) sameLast(topic string, want map[string]string) {
	got, all := c.last(topic), c.byKey(topic)
	for _, k := range keys(want, got) {
		w, inWant := want[k]
		g, inGot := got[k]
		if inWant != inGot || w != g {
			c.differ(topic, k, "last value", orNone(w, inWant), fmt.Sprint(orNone(g, inGot), " after ", tail(values(all[k]))))
		}
	}
}

func orNone(v string, ok bool) string {
	if !ok {
		return "none"
	}
	return v
}

// tail are the last values, as many as are of use in a report.
func tail(vs []string) []string { return vs[max(0, len(vs)-6):] }

// sameBag compares records without regard to their order: exactly once, how often each comes; at least once, that it does.
func (c *check) sameBag(topic string, want []string) {
	n, got := map[string]int{}, map[string]int{}
	for _, w := range want {
		n[w]++
	}
	c.each(topic, func(_ int, r Record) { got[r.Key+" "+r.Value]++ })
	for _, k := range keys(n, got) {
		if n[k] != got[k] && (c.exactly || n[k] == 0 || got[k] == 0) {
			c.differ(topic, k, "how often", n[k], got[k])
		}
	}
}

// keys are the keys of both, sorted.
func keys[K cmp.Ordered, A, B any](a map[K]A, b map[K]B) []K {
	all := map[K]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func split(ids string) []string {
	if ids == "" {
		return nil
	}
	return strings.Split(ids, ",")
}

// same reports whether got has every one of want, however often, and nothing else.
func same(want, got []string) bool { return maps.Equal(set(want), set(got)) }

// within reports whether got has every one of want.
func within(want, got []string) bool {
	g := set(got)
	return !slices.ContainsFunc(want, func(w string) bool { return !g[w] })
}

func set(ids []string) map[string]bool {
	out := map[string]bool{}
	for _, id := range ids {
		out[id] = true
	}
	return out
}

// pipe: exactly once, each partition is the input's, record for record.
func (c *check) pipe() {
	for p, records := range c.topics[spec.Pipe] {
		var want, got []string
		for _, r := range records {
			if !strings.HasPrefix(r.Value, spec.Dropped) {
				want = append(want, r.Key+" piped "+r.Value)
			}
		}
		for _, r := range c.topics[spec.PipeOut][p] {
			got = append(got, r.Key+" "+r.Value)
		}
		if !c.exactly {
			got = firsts(got)
		}
		if at := mismatch(want, got); at >= 0 {
			c.differ(spec.PipeOut, fmt.Sprint("partition ", p), fmt.Sprint("record ", at, " of ", len(want), ", ", len(got), " came"), around(want, at), around(got, at))
		}
	}
}

// firsts leaves out what has come before.
func firsts(s []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(s), func(x string) bool {
		was := seen[x]
		seen[x] = true
		return was
	})
}

// mismatch is where two lists differ first, or -1.
func mismatch(a, b []string) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}

func around(s []string, i int) []string { return s[min(len(s), max(0, i-1)):min(len(s), i+3)] }

// Report writes differences for people: how many each topic has, and the first few of each.
func Report(differences []Difference) string {
	const shown = 5
	byTopic := map[string][]Difference{}
	for _, d := range differences {
		byTopic[d.Topic] = append(byTopic[d.Topic], d)
	}
	var b strings.Builder
	for _, topic := range slices.Sorted(maps.Keys(byTopic)) {
		ds := byTopic[topic]
		fmt.Fprintf(&b, "%s: %d differences\n", topic, len(ds))
		for _, d := range ds[:min(shown, len(ds))] {
			fmt.Fprintf(&b, "  %v\n", d)
		}
	}
	return b.String()
}
