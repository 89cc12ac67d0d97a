package golden

import (
	stdcmp "cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// wireRecord is one record of an internal topic, with bytes in hex.
type wireRecord struct {
	Step    int          `json:"step"`
	Topic   string       `json:"topic"`
	Key     *string      `json:"key"`
	Value   *string      `json:"value"`
	TS      *int64       `json:"ts"`
	Headers [][2]*string `json:"headers"`
}

func (r wireRecord) String() string {
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

// TestWire compares the bytes in internal topics, topic by topic, over the
// first 40 steps of a case. Topics that the user did not name are found by
// their content.
func TestWire(t *testing.T) {
	files, err := filepath.Glob("testdata/wire/*.json")
	require.NoError(t, err)
	cases, err := Load("testdata/cases")
	require.NoError(t, err)
	for _, file := range files {
		id := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(id, func(t *testing.T) {
			var recorded struct {
				Records []wireRecord `json:"records"`
			}
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(b, &recorded))
			c := cases[slices.IndexFunc(cases, func(c Case) bool { return c.ID == id && c.Seed == 1 })]
			topo, err := Build(c.ID, c.Config)
			require.NoError(t, err)
			require.NotNil(t, topo, "no topology is called %q", id)
			c.Steps = c.Steps[:min(40, len(c.Steps))]
			got, err := Replay(c, topo)
			require.NoError(t, err)

			want, have := map[string][]string{}, map[string][]string{}
			timeless := map[string]bool{} // topics whose records have no time in the recording
			for _, r := range recorded.Records {
				want[r.Topic] = append(want[r.Topic], r.String())
				timeless[r.Topic] = timeless[r.Topic] || r.TS == nil
			}
			for _, o := range got.Internal {
				have[o.Topic] = append(have[o.Topic], wireOf(o, timeless[o.Topic]).String())
			}
			// A buffer writes its changes with each commit in the order of a Java
			// hash set, of keys that all differ.
			for topic := range timeless {
				if timeless[topic] {
					slices.SortFunc(want[topic], byStep)
					slices.SortFunc(have[topic], byStep)
				}
			}
			for _, topic := range slices.Sorted(maps.Keys(want)) {
				if !generated.MatchString(topic) {
					if diff := cmp.Diff(want[topic], have[topic]); diff != "" {
						t.Errorf("topic %s:\n%s", topic, diff)
					}
					delete(have, topic)
				}
			}
			for _, topic := range slices.Sorted(maps.Keys(want)) {
				if generated.MatchString(topic) {
					like := ""
					for name := range have {
						if slices.Equal(have[name], want[topic]) {
							like = name
						}
					}
					if like == "" {
						t.Errorf("no topic is like %s:\n%s\nthere are:\n%s", topic, strings.Join(want[topic], "\n"), tell(have))
					}
					delete(have, like)
				}
			}
			require.Empty(t, slices.Collect(maps.Keys(have)), "topics that should not be there")
		})
	}
}

func tell(topics map[string][]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		fmt.Fprintf(&b, "%s\n  %s\n", name, strings.Join(topics[name], "\n  "))
	}
	return b.String()
}

func wireOf(o Output, timeless bool) wireRecord {
	hex := func(d Datum) *string {
		if h, ok := d.V.(Hex); ok {
			return new(fmt.Sprintf("%x", []byte(h)))
		}
		return nil
	}
	r := wireRecord{Step: o.Step, Topic: o.Topic, Key: hex(o.Key), Value: hex(o.Value)}
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

// byStep orders lines like "step 3 …" by step, then text.
func byStep(a, b string) int {
	var x, y int
	fmt.Sscanf(a, "step %d", &x)
	fmt.Sscanf(b, "step %d", &y)
	return stdcmp.Or(stdcmp.Compare(x, y), strings.Compare(a, b))
}
