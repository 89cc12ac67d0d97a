package verify

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/thalweg/thalweg/internal/trial/spec"
)

// chain compares an aggregate's values with the list that it has to come to. Exactly once, each value is the one before with
// further ids, and the last has all of them; where the records came through one partition, in their order. At least once, the last
// has all of them.
func (c *check) chain(topic, key string, want []string, ordered bool, got []string) {
	if len(got) == 0 {
		c.differ(topic, key, "no value", want, "nothing")
		return
	}
	last := split(got[len(got)-1])
	if !same(want, last) {
		c.differ(topic, key, "last value", want, got[len(got)-1])
		return
	}
	if !c.exactly {
		return
	}
	if len(last) != len(want) || ordered && !slices.Equal(want, last) {
		c.differ(topic, key, "last value, each id once", want, got[len(got)-1])
		return
	}
	for i, g := range got {
		if i > 0 && !strings.HasPrefix(g, got[i-1]+",") {
			c.differ(topic, key, fmt.Sprint("value ", i, " does not continue the one before"), got[i-1], g)
			return
		}
	}
}

// lists: of each key, and of each group that records of all partitions come to.
func (c *check) lists() {
	want := map[string][]string{}
	c.each(spec.Counted, func(_ int, r Record) { want[r.Key] = append(want[r.Key], r.Value) })
	c.chains(spec.ListOut, want, true)

	want = map[string][]string{}
	c.each(spec.Rekeyed, func(_ int, r Record) { want[spec.Group(r.Value)] = append(want[spec.Group(r.Value)], r.Value) })
	c.chains(spec.RekeyedOut, want, false)
}

func (c *check) chains(topic string, want map[string][]string, ordered bool) {
	got := c.byKey(topic)
	for _, k := range keys(want, got) {
		c.chain(topic, k, want[k], ordered, values(got[k]))
	}
}

// counts: each larger than the one before, up to how many there are.
func (c *check) counts() {
	want, got := map[string]int{}, c.byKey(spec.CountOut)
	c.each(spec.Counted, func(_ int, r Record) { want[r.Key]++ })
	for _, k := range keys(want, got) {
		n := 0
		for _, r := range got[k] {
			m, err := strconv.Atoi(r.Value)
			if err != nil || c.exactly && m <= n {
				c.differ(spec.CountOut, k, "count after "+strconv.Itoa(n), "more", r.Value)
			}
			n = m
		}
		if n < want[k] || c.exactly && n > want[k] {
			c.differ(spec.CountOut, k, "last count", want[k], tail(values(got[k])))
		}
	}
}

// windows: as lists, those that are updated; those that are final come once each, when they are closed.
func (c *check) windows() {
	want, closed := map[string][]string{}, map[string][]string{}
	size, grace := spec.Window.Milliseconds(), spec.Grace.Milliseconds()
	for _, records := range c.topics[spec.Events] {
		end := latest(records)
		for _, r := range records {
			start := r.Time - r.Time%size
			key := windowed(r.Key, start)
			want[key] = append(want[key], r.Value)
			if start+size+grace <= end {
				closed[key] = append(closed[key], r.Value)
			}
		}
	}
	c.chains(spec.WindowOut, want, true)
	c.finals(spec.WindowFinal, closed, nil)
	c.finals(spec.WindowHeld, closed, nil)
}

func windowed(key string, start int64) string { return fmt.Sprintf("%s@%d", key, start) }

func latest(records []Record) (t int64) {
	for _, r := range records {
		t = max(t, r.Time)
	}
	return t
}

// finals: exactly once, each key has one value, which has every id once. At least once there may also be parts of a session,
// under times of their own, of which owner knows the keys.
func (c *check) finals(topic string, want map[string][]string, owner map[string]string) {
	got := c.byKey(topic)
	for _, k := range keys(want, got) {
		switch vs := values(got[k]); {
		case len(vs) == 0:
			c.differ(topic, k, "no final result", want[k], "nothing")
		case len(want[k]) == 0 && !c.exactly && ownedBy(k, owner, vs):
		case len(want[k]) == 0:
			c.differ(topic, k, "a result of no closed window", "nothing", vs)
		case c.exactly && (len(vs) > 1 || len(split(vs[0])) != len(want[k]) || !same(want[k], split(vs[0]))):
			c.differ(topic, k, "one final result", want[k], vs)
		case !slices.ContainsFunc(vs, func(v string) bool { return same(want[k], split(v)) }):
			c.differ(topic, k, "a final result with all", want[k], vs)
		case !same(want[k], split(strings.Join(vs, ","))):
			c.differ(topic, k, "nothing else", want[k], vs)
		}
	}
}

// ownedBy reports whether all ids in the values are of records with the key of the window.
func ownedBy(window string, owner map[string]string, values []string) bool {
	key, _, _ := strings.Cut(window, "@")
	return !slices.ContainsFunc(split(strings.Join(values, ",")), func(id string) bool { return owner[id] != key })
}

// sessions: records of a key that are not further apart than the gap are one. Its key has the time of the first.
func (c *check) sessions() {
	want, owner := map[string][]string{}, map[string]string{}
	gap, grace := spec.Gap.Milliseconds(), spec.Grace.Milliseconds()
	for _, records := range c.topics[spec.Events] {
		end, byKey := latest(records), map[string][]Record{}
		for _, r := range records {
			byKey[r.Key] = append(byKey[r.Key], r)
			owner[r.Value] = r.Key
		}
		for key, rs := range byKey {
			slices.SortStableFunc(rs, func(a, b Record) int { return int(a.Time - b.Time) })
			for from, i := 0, 1; i <= len(rs); i++ {
				if i < len(rs) && rs[i].Time-rs[i-1].Time <= gap {
					continue
				}
				if rs[i-1].Time+gap+grace < end {
					want[windowed(key, rs[from].Time)] = values(rs[from:i])
				}
				from = i
			}
		}
	}
	c.finals(spec.SessionFinal, want, owner)
	c.finals(spec.SessionHeld, want, owner)
}

// wallets: each group has what its wallets hold, in any order.
func (c *check) wallets() {
	want := map[string][]string{}
	for _, records := range c.byKey(spec.Wallets) {
		for _, r := range records {
			group, _, _ := strings.Cut(r.Value, ":")
			if !r.Null {
				want[group] = append(want[group], "") // a group that was stays, empty
			}
		}
	}
	for k := range want {
		want[k] = nil
	}
	for wallet, v := range c.last(spec.Wallets) {
		group, _, _ := strings.Cut(v, ":")
		want[group] = append(want[group], wallet+"="+v)
	}
	got := c.last(spec.WalletsOut)
	for _, k := range keys(want, got) {
		w, g := slices.Sorted(slices.Values(want[k])), slices.Sorted(slices.Values(split(got[k])))
		if c.exactly && !slices.Equal(w, g) || !within(w, g) {
			c.differ(spec.WalletsOut, k, "what the group holds", w, g)
		}
	}
}
