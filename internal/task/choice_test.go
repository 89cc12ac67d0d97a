package task

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestChoiceTies checks the order of equal timestamps against traces of
// java.util.PriorityQueue.
func TestChoiceTies(t *testing.T) {
	for _, c := range []struct {
		name  string
		times []int64
		want  string
	}{
		{"two equal keep their order", []int64{5, 5}, "ab"},
		{"three equal", []int64{5, 5, 5}, "acb"},
		{"four equal", []int64{5, 5, 5, 5}, "adcb"},
		{"a smaller one later", []int64{5, 5, 3}, "cab"},
		{"ascending", []int64{1, 2, 3, 4, 5}, "abcde"},
		{"seven equal", []int64{7, 7, 7, 7, 7, 7, 7}, "agfedcb"},
		{"two values", []int64{2, 1, 2, 1, 2, 1}, "bdfaec"},
		{"descending", []int64{5, 4, 3, 2, 1}, "edcba"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h choice
			for i, ts := range c.times {
				h.add(&queue{topic: string(rune('a' + i)), time: ts})
			}
			got := ""
			for q := h.take(); q != nil; q = h.take() {
				got += q.topic
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestChoiceTakesTheSmallest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h choice
		in := map[*queue]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				q := &queue{time: rapid.Int64Range(0, 9).Draw(t, "time")}
				h.add(q)
				in[q] = true
			},
			"take": func(t *rapid.T) {
				q := h.take()
				if q == nil {
					require.Empty(t, in)
					return
				}
				for o := range in {
					require.LessOrEqual(t, q.time, o.time)
				}
				require.True(t, in[q])
				delete(in, q)
			},
		})
	})
}
