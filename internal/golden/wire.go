package golden

import (
	stdcmp "cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// WireRecord is one record of an internal topic, with bytes in hex.
type WireRecord struct {
	Step    int          `json:"step"`
	Topic   string       `json:"topic"`
	Key     *string      `json:"key"`
	Value   *string      `json:"value"`
	TS      *int64       `json:"ts"`
	Headers [][2]*string `json:"headers"`
}

func (r WireRecord) String() string {
	hex := func(s *string) string {
		if s == nil {
			return "null"
		}
		return "0x" + *s
	}
	var b strings.Builder
	fmt.Fprintf(&b, "step %d %s=%s", r.Step, hex(r.Key), hex(r.Value))
	if r.TS != nil {
		fmt.Fprintf(&b, " @%d", *r.TS)
	}
	for _, h := range r.Headers {
		fmt.Fprintf(&b, " %s:%s", *h[0], hex(h[1]))
	}
	return b.String()
}

// wireOf writes one of our records as the recordings do.
func wireOf(o Output, timeless bool) WireRecord {
	hex := func(d Datum) *string {
		if h, ok := d.V.(Hex); ok {
			return new(fmt.Sprintf("%x", []byte(h)))
		}
		return nil
	}
	r := WireRecord{Step: o.Step, Topic: o.Topic, Key: hex(o.Key), Value: hex(o.Value)}
	if !timeless {
		r.TS = &o.TS
	}
	for _, h := range o.Headers {
		var v *string
		if h.Value != nil {
			v = new(fmt.Sprintf("%x", *h.Value))
		}
		r.Headers = append(r.Headers, [2]*string{&h.Name, v})
	}
	return r
}

// diffWire compares the bytes in internal topics, topic by topic, and tells
// the first difference, "" for none. Topics that the user did not name are
// found by their content.
func diffWire(recorded []WireRecord, internal []Output) string {
	want, got := map[string][]WireRecord{}, map[string][]Output{}
	for _, r := range recorded {
		want[r.Topic] = append(want[r.Topic], r)
	}
	for _, o := range internal {
		got[o.Topic] = append(got[o.Topic], o)
	}
	var unnamed []string
	for _, topic := range slices.Sorted(maps.Keys(want)) {
		if generated.MatchString(topic) {
			unnamed = append(unnamed, topic)
			continue
		}
		if diff := diffLines(wireLines(want[topic], got[topic])); diff != "" {
			return "topic " + topic + ": " + diff
		}
		delete(got, topic)
	}
	for _, topic := range unnamed {
		var like string
		var diffs []string
		for _, name := range slices.Sorted(maps.Keys(got)) {
			diff := diffLines(wireLines(want[topic], got[name]))
			if diff == "" {
				like = name
				break
			}
			diffs = append(diffs, "not "+name+": "+diff)
		}
		if like == "" {
			return fmt.Sprintf("no topic is like %s, %s", topic, strings.Join(diffs, "\n"))
		}
		delete(got, like)
	}
	if len(got) > 0 {
		return fmt.Sprintf("topics that should not be there: %v", slices.Sorted(maps.Keys(got)))
	}
	return ""
}

// wireLines writes the records of a topic as lines. A buffer's have no time,
// and are written with each commit in the order of a Java hash set, of keys that
// all differ: those lines are sorted.
func wireLines(recorded []WireRecord, internal []Output) (want, got []string) {
	timeless := slices.ContainsFunc(recorded, func(r WireRecord) bool { return r.TS == nil })
	for _, r := range recorded {
		want = append(want, r.String())
	}
	for _, o := range internal {
		got = append(got, wireOf(o, timeless).String())
	}
	if timeless {
		slices.SortFunc(want, byStep)
		slices.SortFunc(got, byStep)
	}
	return want, got
}

// byStep orders lines like "step 3 …" by step, then text.
func byStep(a, b string) int {
	var x, y int
	fmt.Sscanf(a, "step %d", &x)
	fmt.Sscanf(b, "step %d", &y)
	return stdcmp.Or(stdcmp.Compare(x, y), strings.Compare(a, b))
}

// diffCounts compares how many records each internal topic got. The counts of
// topics that the user did not name are compared as a set.
func diffCounts(want map[string]int, internal []Output) string {
	got := map[string]int{}
	for _, o := range internal {
		got[o.Topic]++
	}
	var unnamed, rest []int
	for _, topic := range slices.Sorted(maps.Keys(want)) {
		if generated.MatchString(topic) {
			unnamed = append(unnamed, want[topic])
			continue
		}
		if got[topic] != want[topic] {
			return fmt.Sprintf("topic %s got %d records, want %d", topic, got[topic], want[topic])
		}
		delete(got, topic)
	}
	for _, n := range got {
		rest = append(rest, n)
	}
	slices.Sort(unnamed)
	slices.Sort(rest)
	if !slices.Equal(rest, unnamed) {
		return fmt.Sprintf("topics without a given name: %v, want their counts to be %v", got, unnamed)
	}
	return ""
}
