package verify

import (
	"strings"

	"github.com/thalweg/thalweg/internal/trial/spec"
)

// pair is two records of the same key that are near enough.
type pair struct{ l, r Record }

// streamJoins: each pair comes once in all joins. A record that has found none comes once with nothing when its time is over,
// from the left in the left join, from both sides in the outer.
func (c *check) streamJoins() {
	var inner, left, right []string
	keep := spec.Within.Milliseconds() + spec.Grace.Milliseconds()
	for p := range c.topics[spec.Clicks] {
		clicks, views := c.topics[spec.Clicks][p], c.topics[spec.Views][p]
		pairs, matched := match(clicks, views, spec.Within.Milliseconds())
		for _, m := range pairs {
			inner = append(inner, m.l.Key+" "+m.l.Value+" "+m.r.Value)
		}
		over := max(latest(clicks), latest(views)) - keep
		for _, l := range clicks {
			if !matched[l.Value] && l.Time < over {
				left = append(left, l.Key+" "+l.Value+" nothing")
			}
		}
		for _, r := range views {
			if !matched[r.Value] && r.Time < over {
				right = append(right, r.Key+" nothing "+r.Value)
			}
		}
	}
	left = append(left, inner...)
	c.sameBag(spec.InnerOut, inner)
	c.sameBag(spec.LeftOut, left)
	c.sameBag(spec.OuterOut, append(right, left...))
}

func match(ls, rs []Record, within int64) (pairs []pair, matched map[string]bool) {
	matched = map[string]bool{}
	for _, l := range ls {
		for _, r := range rs {
			if l.Key == r.Key && r.Time-l.Time <= within && l.Time-r.Time <= within {
				pairs = append(pairs, pair{l, r})
				matched[l.Value], matched[r.Value] = true, true
			}
		}
	}
	return pairs, matched
}

// tableJoins: a chapter's rows are all in the table before its records come. A versioned table answers for the record's time, the
// other one with the row that was written last.
func (c *check) tableJoins() {
	c.sameBag(spec.VisitsOut, c.joined(spec.Visits, spec.People, "nobody", false))
	c.sameBag(spec.TradesOut, c.joined(spec.Trades, spec.Quotes, "none", true))
}

func (c *check) joined(stream, table, nothing string, versioned bool) (want []string) {
	rows := c.byKey(table)
	c.each(stream, func(_ int, r Record) {
		v, at := nothing, int64(-1)
		for _, row := range rows[r.Key] {
			if versioned && (row.Time > r.Time || row.Time < at) || !versioned && chapterOf(row) > chapterOf(r) {
				continue
			}
			if v, at = row.Value, row.Time; row.Null {
				v = nothing
			}
		}
		want = append(want, r.Key+" "+r.Value+" "+v)
	})
	return want
}

// chapterOf numbers the parts of the input, which begin at multiples of its length.
func chapterOf(r Record) int64 { return r.Time / spec.Chapter.Milliseconds() }

// foreignJoins: the last value of each row, with that of the row that it names last.
func (c *check) foreignJoins() {
	inner, left, customers := map[string]string{}, map[string]string{}, c.last(spec.Customers)
	for k, order := range c.last(spec.Orders) {
		customer, _, _ := strings.Cut(order, ":")
		v, ok := customers[customer]
		if ok {
			inner[k] = order + " " + v
		} else {
			v = "nobody"
		}
		left[k] = order + " " + v
	}
	c.sameLast(spec.ForeignInner, inner)
	c.sameLast(spec.ForeignLeft, left)
}
