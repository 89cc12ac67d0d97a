package main

import (
	"slices"
	"strings"

	"github.com/thalweg/thalweg/internal/golden/random"
)

// shrink looks for a smaller program and input that differ too: fewer steps,
// fewer nodes. The difference stays of one sort: its text begins with the same
// word. It returns the smallest run found and its difference.
func shrink(java *server, a answer, diff string) (answer, string) {
	best, sort := a.asked, strings.Fields(diff)[0]
	differs := func(c random.Case) bool {
		b := java.record(c)
		if b.err != nil {
			return false
		}
		if d := compare(b); d != "" && strings.Fields(d)[0] == sort {
			a, best, diff = b, c, d
			return true
		}
		return false
	}
	for again := true; again; {
		again = fewerNodes(&best, differs)
		again = fewerSteps(&best, differs) || again
	}
	return a, diff
}

// fewerSteps leaves out runs of steps, shorter and shorter ones.
func fewerSteps(best *random.Case, differs func(random.Case) bool) (changed bool) {
	for size := len(best.Steps) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(best.Steps); {
			c := *best
			c.Steps = slices.Delete(slices.Clone(best.Steps), at, at+size)
			if differs(c) {
				changed = true
			} else {
				at += size
			}
		}
	}
	return changed
}

// fewerNodes leaves out nodes: those that nobody reads, and those whose readers
// can read what they read.
func fewerNodes(best *random.Case, differs func(random.Case) bool) (changed bool) {
	for id := len(best.Program.Nodes) - 1; id >= 0; id-- {
		if c, ok := without(*best, id); ok && differs(c) {
			changed = true
		}
	}
	return changed
}

func without(c random.Case, id int) (random.Case, bool) {
	nodes := slices.Clone(c.Program.Nodes)
	gone := nodes[id]
	for i := range nodes {
		in := slices.Clone(nodes[i].In)
		for j, x := range in {
			switch {
			case x == id && len(gone.In) == 0:
				return c, false
			case x == id:
				in[j] = gone.In[0]
			}
		}
		nodes[i].In = in
	}
	nodes = slices.Delete(nodes, id, id+1)
	for i := range nodes {
		for j, x := range nodes[i].In {
			if x > id {
				nodes[i].In[j]--
			}
		}
	}
	c.Program.Nodes = nodes
	if len(gone.In) == 0 {
		c.Steps = slices.Clone(c.Steps)
		for i := len(c.Steps) - 1; i >= 0; i-- {
			if c.Steps[i].Topic == gone.Topic {
				c.Steps = slices.Delete(c.Steps, i, i+1)
			}
		}
	}
	return c, true
}
