package fetch

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// TestSession plays the broker's side of a fetch session: after each request it
// has to hold exactly what was wanted.
func TestSession(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s session
		held := map[key]int64{}
		id := int32(0)
		for range rapid.IntRange(1, 20).Draw(t, "requests") {
			wants := map[key]want{}
			for range rapid.IntRange(0, 6).Draw(t, "wants") {
				k := key{topic: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "topic"), partition: rapid.Int32Range(0, 3).Draw(t, "partition")}
				wants[k] = want{offset: rapid.Int64Range(0, 3).Draw(t, "offset")}
			}
			req := kmsg.NewPtrFetchRequest()
			s.fill(req, wants)
			if req.SessionEpoch == 0 {
				require.Zero(t, req.SessionID)
				require.Empty(t, req.ForgottenTopics)
				clear(held)
				id++
			} else {
				require.Equal(t, id, req.SessionID)
			}
			for _, f := range req.ForgottenTopics {
				for _, p := range f.Partitions {
					delete(held, key{topic: f.Topic, partition: p})
				}
			}
			for _, rt := range req.Topics {
				for _, p := range rt.Partitions {
					held[key{topic: rt.Topic, partition: p.Partition}] = p.FetchOffset
				}
			}
			require.Len(t, held, len(wants))
			for k, w := range wants {
				require.Equal(t, w.offset, held[k])
			}
			if rapid.IntRange(0, 4).Draw(t, "outcome") == 0 {
				s.reset() // no answer, or the broker forgot the session
			} else {
				s.advance(id)
			}
		}
	})
}

// A cursor that takes the place of another is told of its partition, though
// nothing changed there.
func TestSessionOfANewCursor(t *testing.T) {
	var s session
	a, b := new(Cursor), new(Cursor)
	k := key{topic: "t"}
	ask := func(c *Cursor) *kmsg.FetchRequest {
		req := kmsg.NewPtrFetchRequest()
		s.fill(req, map[key]want{k: {cursor: c}})
		s.advance(5)
		return req
	}
	require.Zero(t, ask(a).SessionEpoch)
	require.Empty(t, ask(a).Topics)
	again := ask(b)
	require.Zero(t, again.SessionEpoch)
	require.Len(t, again.Topics, 1)
	require.Empty(t, ask(b).Topics)
}
