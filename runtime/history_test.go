package runtime

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/broker/brokertest"
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/internal/seeds"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/commit"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

var (
	eventsTopic  = topology.NewTopic("events", serde.String, serde.String)
	resultsTopic = topology.NewTopic("results", serde.String, serde.String)
)

// everyStore is a topology with each operator that forgets by time and each kind
// of store, over one topic, so that what it gives is decided by the order in it.
// Results are keyed by the operator.
func everyStore(t *testing.T) *topology.Topology {
	t.Helper()
	b := dsl.NewBuilder()
	events := b.Stream(eventsTopic)
	side := func(s string) dsl.Stream[string, string] {
		return events.Filter(func(_, v string) bool { return strings.HasPrefix(v, s) })
	}
	left, right, rows := side("L"), side("R"), side("T")
	const hour, grace = time.Hour, 30 * time.Minute

	windowed := func(op string, t dsl.Table[windowing.Windowed[string], int64]) {
		t.ToStream().Map(func(w windowing.Windowed[string], n int64) (string, string) {
			return op, fmt.Sprintf("%s %d-%d %d", w.Key, w.Start, w.End, n)
		}, dsl.KeepsPartition()).To(resultsTopic)
	}
	grouped := events.GroupByKey()
	tumbling := windowing.Tumbling(hour).WithGrace(grace)
	counts := grouped.WindowedBy(tumbling).Count("tumbling", dsl.Uncached())
	windowed("tumbling", counts)
	windowed("final", dsl.FinalOnly(counts))
	windowed("hopping", grouped.WindowedBy(windowing.Hopping(hour, 20*time.Minute).WithGrace(grace)).Count("hopping", dsl.Uncached()))
	windowed("memory", grouped.WindowedBy(tumbling).Count("memory", dsl.Uncached(), dsl.InMemory()))
	windowed("days", grouped.WindowedBy(windowing.Days(time.UTC).WithGrace(grace)).Count("days", dsl.Uncached(), dsl.Retention(72*hour)))
	windowed("sliding", grouped.SlidingBy(windowing.SlidingOf(hour).WithGrace(grace)).Count("sliding", dsl.Uncached()))
	windowed("session", grouped.SessionBy(windowing.Sessions(hour).WithGrace(grace)).Count("session", dsl.Uncached()))
	windowed("memory-session", grouped.SessionBy(windowing.Sessions(hour).WithGrace(grace)).Count("memory-session", dsl.Uncached(), dsl.InMemory()))
	windowed("close", grouped.WindowedBy(tumbling).EmitOnClose().Count("close", dsl.Uncached()))
	windowed("close-sliding", grouped.SlidingBy(windowing.SlidingOf(hour).WithGrace(grace)).EmitOnClose().Count("close-sliding", dsl.Uncached()))
	windowed("close-session", grouped.SessionBy(windowing.Sessions(hour).WithGrace(grace)).EmitOnClose().Count("close-session", dsl.Uncached()))

	within := windowing.Within(hour).WithGrace(grace)
	pair := func(l, r dsl.Maybe[string]) string { return fmt.Sprint(l, r) }
	to := func(op string, s dsl.Stream[string, string]) {
		s.Map(func(k, v string) (string, string) { return op, k + " " + v }, dsl.KeepsPartition()).To(resultsTopic)
	}
	to("join", left.Join("join", right, within, func(l, r string) string { return l + r }))
	to("left", left.LeftJoin("left", right, within, func(l string, r dsl.Maybe[string]) string { return fmt.Sprint(l, r) }))
	to("outer", left.OuterJoin("outer", right, within, pair))

	table := rows.ToTable("table", dsl.Uncached())
	to("suppressed", table.Suppress(dsl.Every(2*hour)).ToStream())
	to("table", left.LeftJoinTable(table, func(l string, r dsl.Maybe[string]) string { return fmt.Sprint(l, r) }))
	versioned := rows.ToTable("versioned", dsl.Versioned(6*hour))
	to("versioned", left.LeftJoinTable(versioned, func(l string, r dsl.Maybe[string]) string { return fmt.Sprint(l, r) }, dsl.JoinGrace(5*hour), dsl.Named("versioned-join")))
	to("expiring", rows.ToTable("expiring", dsl.Uncached(), dsl.ExpireAfter(3*hour)).ToStream())
	to("as-of", asOf(events))
	grouped.Count("count", dsl.Uncached()).ToStream().
		Map(func(k string, n int64) (string, string) { return "count", k + " " + strconv.FormatInt(n, 10) }, dsl.KeepsPartition()).To(resultsTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	return topo
}

// oldRows is what rows were, with a changelog that is rewritten all the time.
var oldRows = state.Versioned("old-rows", serde.String, serde.String, 6*time.Hour, state.RewriteAfter(30))

// asOf keeps rows and tells for other events what the row of their key was five
// hours before.
func asOf(events dsl.Stream[string, string]) dsl.Stream[string, string] {
	return events.ProcessFunc("as-of", func(c *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
		rows := oldRows.In(c)
		if strings.HasPrefix(r.Value, "T") {
			_, err := rows.Put(r.Key, r.Value, r.Timestamp)
			return err
		}
		v, ts, ok, err := rows.GetAsOf(r.Key, r.Timestamp-(5*time.Hour).Milliseconds())
		if err != nil {
			return err
		}
		r.Value = fmt.Sprint(r.Value, v, ts, ok)
		return out.Forward(r)
	}, oldRows)
}

// history makes events of some days, not quite in order, the last of which close
// every window.
func history(random *rand.Rand, begin time.Time, n int) []*kgo.Record {
	var rs []*kgo.Record
	for i := range n {
		late := time.Duration(random.IntN(25)) * time.Minute
		at := begin.Add(time.Duration(i)*10*time.Minute - late)
		key := string(rune('a' + random.IntN(5)))
		if i%37 == 0 {
			key = "rare" + strconv.Itoa(i/185)
		}
		rs = append(rs, &kgo.Record{
			Topic: "events", Key: []byte(key), Value: fmt.Appendf(nil, "%c%d", "LRT"[random.IntN(3)], i), Timestamp: at,
		})
	}
	return rs
}

// end closes everything, on both sides of joins. There may be several, so that
// those who look for what is closed only now and then see one.
func end(begin time.Time, n int) []*kgo.Record {
	at := begin.Add(time.Duration(n)*10*time.Minute + 20*time.Hour)
	return []*kgo.Record{
		{Topic: "events", Key: []byte("end"), Value: []byte("L"), Timestamp: at},
		{Topic: "events", Key: []byte("end"), Value: []byte("R"), Timestamp: at},
	}
}

// byOperator sorts results, without those of the end.
func byOperator(results map[string][]string) string {
	var lines []string
	for op, rs := range results {
		for _, r := range rs {
			if !strings.HasPrefix(r, "end ") {
				lines = append(lines, op+": "+r)
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// undisturbed runs the events through the test driver.
func undisturbed(t *testing.T, events []*kgo.Record) string {
	d := testdriver.New(t, everyStore(t))
	in := d.Input(eventsTopic)
	for _, e := range events {
		in.SendAt(e.Timestamp, string(e.Key), string(e.Value))
	}
	results := map[string][]string{}
	for _, r := range d.Output(resultsTopic).All() {
		results[r.Key] = append(results[r.Key], r.Value)
	}
	return byOperator(results)
}

// forgetful is a broker that deletes and compacts whatever its topics allow, all
// the time, and whose defaults allow everything.
func forgetful(t *testing.T) *rig {
	c := brokertest.Start(t, brokertest.With(func(c *broker.Config) {
		c.CoordinatorPartitions = 2
		c.RetentionCheck, c.CompactionCheck = 20*time.Millisecond, 20*time.Millisecond
		c.TopicDefaults = map[string]string{
			"retention.ms": "1000", "retention.bytes": "1", "segment.ms": "3600000", "min.cleanable.dirty.ratio": "0.01",
		}
	}))
	r := rigAt(t, c.Addrs(), nil)
	r.cluster, r.session = c, 6*time.Second
	r.create("events", "results")
	return r
}

// create makes topics of one partition that keep everything.
func (r *rig) create(names ...string) {
	r.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	for _, name := range names {
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, 1, 1
		for _, k := range []string{"retention.ms", "retention.bytes"} {
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			c.Name, c.Value = k, kmsg.StringPtr("-1")
			rt.Configs = append(rt.Configs, c)
		}
		req.Topics = append(req.Topics, rt)
	}
	resp, err := req.RequestWith(r.t.Context(), r.client)
	require.NoError(r.t, err)
	for _, rt := range resp.Topics {
		require.Zero(r.t, rt.ErrorCode)
	}
}

// replay runs events through an application whose tasks lose their state, find an
// old one, or move, while the owners of stores delete of the changelogs, with every
// commit, what they need no longer. It returns what came out when all windows are
// closed.
func (r *rig) replay(g Guarantee, begin time.Time, n int, seed uint64, internal map[string]string) (want, got string) {
	r.t.Helper()
	t, random := r.t, rand.New(rand.NewPCG(seed, 0))
	events := history(random, begin, n)
	want = undisturbed(t, slices.Concat(events, end(begin, n), end(begin, n)))
	const moves = 6
	disks := []state.Backend{new(disk), new(disk)} // of machines that keep theirs
	var app *process
	for move := range moves {
		share := events[move*n/moves : (move+1)*n/moves]
		require.NoError(t, r.client.ProduceSync(t.Context(), share...).FirstErr())
		cfg := r.config("history")
		cfg.Guarantee, cfg.InternalTopics = g, internal
		cfg.InstanceID = "one" // takes over from a crashed one at once
		if i := random.IntN(3); i < len(disks) {
			cfg.State = disks[i]
		}
		app = r.startHooked(everyStore(t), cfg, func(a *App, _ int, step commit.Step) {
			if step == commit.Flush {
				require.NoError(t, a.purger.purge(t.Context(), a.client))
			}
		})
		some := int64(random.IntN(n/moves) + 1)
		require.Eventually(t, func() bool { return app.Metrics().RecordsIn >= some }, 60*time.Second, time.Millisecond)
		switch {
		case move == moves-1:
		case random.IntN(2) == 0 && g == ExactlyOnce: // or records are counted again
			app.crash()
		default:
			require.NoError(t, app.stop())
		}
	}
	patience := time.Now().Add(20 * time.Second) // then the difference is shown
	results := map[string][]string{}
	r.committed("results", 0, func(rs []*kgo.Record) bool {
		require.NoError(t, r.client.ProduceSync(t.Context(), end(begin, n)...).FirstErr())
		clear(results)
		for _, rec := range rs {
			results[string(rec.Key)] = append(results[string(rec.Key)], string(rec.Value))
		}
		got = byOperator(results)
		return len(got) >= len(want) || time.Now().After(patience)
	})
	require.NoError(t, app.stop())
	for _, store := range []string{"tumbling", "memory", "session", "close", "join-this-join-store", "old-rows"} {
		require.Positive(t, r.logStart("history-"+store+"-changelog", 0), "nothing of the changelog of %s was deleted", store)
	}
	return want, got
}

// Events of any time give the same results, on a broker that deletes by its clock.
func TestSimHistory(t *testing.T) {
	const n = 500
	for name, begin := range map[string]time.Time{
		"2013":  time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC),
		"today": time.Now().Add(-n*10*time.Minute - 24*time.Hour).Truncate(time.Hour),
	} {
		for seed := range seeds.Upto(1) {
			for _, g := range []Guarantee{ExactlyOnce, AtLeastOnce} {
				t.Run(fmt.Sprintf("%s/%v/seed=%d", name, g, seed), func(t *testing.T) {
					want, got := forgetful(t).replay(g, begin, n, seed, nil)
					require.Equal(t, want, got)
				})
			}
		}
	}
}
