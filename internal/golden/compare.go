package golden

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Diff tells the first difference between a recorded run and ours, "" for none.
func Diff(c Case, got *Result) string {
	switch {
	case c.Error != nil && got.Failed != c.Error.Step:
		return fmt.Sprintf("failing step: %d, want %d (error: %v)", got.Failed, c.Error.Step, got.Err)
	case c.Error == nil && got.Err != nil:
		return fmt.Sprintf("step %d failed: %v", got.Failed, got.Err)
	}
	if _, ours := c.Config["processing.exception.handler"]; !ours {
		maskMessages(c.Outputs)
		maskMessages(got.Outputs)
	}
	if diff := diffLines(lines(c.Outputs), lines(got.Outputs)); diff != "" {
		return "outputs: " + diff
	}
	if c.Error != nil {
		return ""
	}
	if got.Dropped != c.Dropped {
		return fmt.Sprintf("dropped records: %d, want %d", got.Dropped, c.Dropped)
	}
	if diff := diffStores(c, got.Stores); diff != "" {
		return diff
	}
	if diff := diffCounts(c.Internal, got.Internal); diff != "" {
		return "internal topics: " + diff
	}
	if c.Records != nil {
		return diffWire(c.Records, got.Internal)
	}
	return ""
}

// diffStores compares the visible content of the stores. Stores that the user
// did not name are found by their content.
func diffStores(c Case, got map[string]Store) string {
	rest := maps.Clone(got)
	var unnamed []Store
	for _, name := range slices.Sorted(maps.Keys(c.Stores)) {
		want := c.Stores[name]
		if generated.MatchString(name) {
			unnamed = append(unnamed, want)
			continue
		}
		g, ok := rest[name]
		if !ok {
			return fmt.Sprintf("no store %q among %v", name, slices.Sorted(maps.Keys(got)))
		}
		delete(rest, name)
		if diff := diffStore(want, g); diff != "" {
			return fmt.Sprintf("store %q: %s", name, diff)
		}
	}
	for _, want := range unnamed {
		found := ""
		for _, name := range slices.Sorted(maps.Keys(rest)) {
			if diffStore(want, rest[name]) == "" {
				found = name
				break
			}
		}
		if found == "" {
			return fmt.Sprintf("no store like %v %d %v among %v", want.Type, want.Size, lines(want.Entries), rest)
		}
		delete(rest, found)
	}
	if len(rest) > 0 {
		return fmt.Sprintf("stores that should not be there: %v", slices.Sorted(maps.Keys(rest)))
	}
	return ""
}

// diffStore tells how two stores differ, "" when they do not. In a cached store
// with retention, what has expired may be there or not.
func diffStore(want, got Store) string {
	if want.Type == "buffer" || want.Type == "internal" {
		if want.Size != got.Size {
			return fmt.Sprintf("%d entries, want %d", got.Size, want.Size)
		}
		return ""
	}
	w, g := want.Entries, got.Entries
	if strings.HasSuffix(want.Type, "window") {
		w = timeless(w, g)
	}
	if got.Cached && got.Retention > 0 {
		w, g = got.alive(w), got.alive(g)
	}
	return diffLines(lines(w), lines(g))
}

// diffLines shows the first difference with what is before it.
func diffLines(want, got []string) string {
	for i := range max(len(want), len(got)) {
		w, g := "(nothing)", "(nothing)"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		if w != g {
			before := want[max(0, i-3):min(i, len(want))]
			return fmt.Sprintf("line %d of %d differs\n  %s\nwant:\n  %s\ngot:\n  %s", i, len(want), strings.Join(before, "\n  "), w, g)
		}
	}
	return ""
}

// maskMessages hides the texts of errors that no topology of the suite made:
// those of serdes.
func maskMessages(list []Output) {
	for i := range list {
		for j := range list[i].Headers {
			if h := &list[i].Headers[j]; h.Name == "__streams.errors.message" {
				h.Value = nil
			}
		}
	}
}

// timeless hides timestamps in the recording of a store that keeps none: some
// are shown with the windows' starts.
func timeless(want, got []Entry) []Entry {
	if slices.ContainsFunc(got, func(e Entry) bool { return e.TS != nil }) {
		return want
	}
	want = slices.Clone(want)
	for i := range want {
		if e := &want[i]; e.TS != nil && *e.TS == *e.Start {
			e.TS = nil
		}
	}
	return want
}

func lines[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = x.String()
	}
	return out
}
