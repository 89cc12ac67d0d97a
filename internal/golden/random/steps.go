package random

import (
	"fmt"
	"strings"

	"github.com/thalweg/thalweg/internal/golden"
)

// keys are the keys of the input.
var keys = []string{"a", "b", "c", "d", "a-key-that-is-much-longer-than-the-others"}

// input makes the steps of a case: mostly records in the order of time, with
// some that are late, or equal, or far ahead, and nulls, headers and long values
// among them.
func (g *generator) input(topics []string, manual bool) (steps []golden.Step) {
	now := int64(0)
	if g.oneIn(4) {
		now = g.between(1, 300_000)
	}
	queued := g.oneIn(4) // records wait for others
	known := keys[:2+g.rng.IntN(len(keys)-1)]
	for i := range 30 + g.rng.IntN(50) {
		switch {
		case manual && g.oneIn(7):
			steps = append(steps, golden.Step{Op: "commit"})
			continue
		case g.oneIn(40):
			steps = append(steps, golden.Step{Op: "advance", Ms: g.between(1, 50)})
			continue
		}
		ts := now
		switch g.rng.IntN(20) {
		case 0, 1, 2: // equal
		case 3, 4, 5:
			ts = now - g.between(1, 12)
		case 6:
			ts = now - g.between(1, 80)
		case 7:
			ts = now + g.between(20, 60)
		case 8:
			if g.oneIn(3) {
				ts = now + g.between(100, 600)
			}
		default:
			ts = now + g.between(1, 8)
		}
		ts = max(0, ts)
		now = max(now, ts)
		s := golden.Step{Op: "pipe", Topic: g.pick(topics), TS: ts, Key: golden.Datum{V: g.pick(known)}, Value: golden.Datum{V: fmt.Sprintf("v%d", i)}}
		if g.oneIn(30) {
			s.Key.V = nil
		}
		switch {
		case g.oneIn(10):
			s.Value.V = nil
		case g.oneIn(60):
			s.Value.V = ""
		case g.oneIn(40):
			s.Value.V = fmt.Sprintf("v%d%s%d", i, strings.Repeat("-long", 40), i%10)
		}
		if queued && g.oneIn(2) {
			s.Op = "enqueue"
		}
		for range g.rng.IntN(8) / 6 * (1 + g.rng.IntN(2)) {
			s.Headers = append(s.Headers, golden.Header{Name: fmt.Sprintf("h%d", g.rng.IntN(2)), Value: new(fmt.Sprintf("x%d", i))})
		}
		steps = append(steps, s)
	}
	if queued {
		steps = append(steps, golden.Step{Op: "run"})
	}
	if manual {
		steps = append(steps, golden.Step{Op: "commit"}, golden.Step{Op: "commit"})
	}
	return steps
}
