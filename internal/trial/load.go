package trial

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/internal/murmur2"
	"github.com/thalweg/thalweg/internal/trial/spec"
)

// A chapter is a part of the input: rows of tables, which are sent and processed first, so that what joins with them is
// known; records of streams and changes of tables that are joined with each other; and records that move time on in each
// partition until all windows are closed. The last of these come apart, after a wait: unmatched records of joins are looked for
// once a second. Within a chapter no record is later than the grace.
type chapter struct {
	tables, streams, closing, last []*kgo.Record
}

// generator makes chapters from a seed.
type generator struct {
	random *rand.Rand
	now    time.Time // event time at which the next chapter begins
	ids    int
	size   int // records of each topic in a chapter
}

// chapters is how many there are.
const chapters = 3

func newGenerator(seed uint64, began time.Time, size int) *generator {
	return &generator{random: rand.New(rand.NewPCG(seed, 1)), now: began.Truncate(spec.Chapter), size: size}
}

func (g *generator) id() string {
	g.ids++
	return fmt.Sprint("i", g.ids)
}

// next makes the next chapter.
func (g *generator) next() (c chapter) {
	c.tables = slices.Concat(
		g.rows(spec.People, 16, func() *string { return g.maybe(0.8, g.id()) }),
		g.rows(spec.Quotes, 16, func() *string { return g.maybe(0.85, g.id()) }),
	)
	interleaved := [][]*kgo.Record{
		g.rows(spec.Pipe, 24, func() *string { return g.some(g.dashed()) }),
		g.rows(spec.Counted, 24, g.some0),
		g.rows(spec.Rekeyed, 24, g.some0),
		g.rows(spec.Events, 12, g.some0),
		g.rows(spec.Clicks, 12, g.some0),
		g.rows(spec.Views, 12, g.some0),
		g.rows(spec.Visits, 20, g.some0),
		g.rows(spec.Trades, 20, g.some0),
		g.rows(spec.Orders, 30, g.order),
		g.rows(spec.Customers, 8, func() *string { return g.maybe(0.7, g.id()) }),
		g.rows(spec.Wallets, 16, func() *string { return g.maybe(0.8, fmt.Sprintf("w%d:%s", g.random.IntN(5), g.id())) }),
	}
	for i := range g.size {
		for _, rows := range interleaved {
			c.streams = append(c.streams, rows[i])
		}
	}
	for at := 2 * time.Minute; at < spec.Chapter-2*time.Minute; at += time.Minute {
		c.closing = append(c.closing, g.rung(at)...)
	}
	c.last = g.rung(spec.Chapter - 2*time.Minute)
	g.now = g.now.Add(spec.Chapter)
	return c
}

// rung moves time on by one record in each partition.
func (g *generator) rung(at time.Duration) (out []*kgo.Record) {
	for _, topic := range []string{spec.Events, spec.Clicks, spec.Views} {
		for p := range int32(spec.Partitions) {
			out = append(out, &kgo.Record{
				Topic: topic, Partition: p, Key: fmt.Append(nil, "closing-", topic, "-", p), Value: []byte(g.id()), Timestamp: g.now.Add(at),
			})
		}
	}
	return out
}

// rows makes a chapter's records of a topic: over a minute of event time, not quite in order.
func (g *generator) rows(topic string, keys int, value func() *string) []*kgo.Record {
	out := make([]*kgo.Record, g.size)
	for i := range out {
		key := fmt.Appendf(nil, "k%d", g.random.IntN(keys))
		at := time.Minute*time.Duration(i)/time.Duration(g.size) + time.Duration(g.random.IntN(4000))*time.Millisecond
		r := &kgo.Record{Topic: topic, Partition: int32(murmur2.Sum(key)&0x7fffffff) % spec.Partitions, Key: key, Timestamp: g.now.Add(at)}
		if v := value(); v != nil {
			r.Value = []byte(*v)
		}
		out[i] = r
	}
	return out
}

func (g *generator) some(v string) *string { return &v }

func (g *generator) some0() *string { return g.some(g.id()) }

// maybe is v, or a deletion.
func (g *generator) maybe(p float64, v string) *string {
	if g.random.Float64() < p {
		return &v
	}
	return nil
}

func (g *generator) dashed() string {
	if g.random.IntN(7) == 0 {
		return spec.Dropped + g.id()
	}
	return g.id()
}

// order is a row with a customer that there may be or not, without one, or a deletion.
func (g *generator) order() *string {
	switch n := g.random.IntN(10); {
	case n < 5:
		return g.some(fmt.Sprintf("k%d:%s", g.random.IntN(8), g.id()))
	case n < 6:
		return g.some("unknown:" + g.id())
	case n < 8:
		return g.some(":" + g.id())
	default:
		return nil
	}
}
