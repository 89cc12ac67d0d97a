package runtime

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/commit"
	"github.com/thalweg/thalweg/topology"
)

// abortMode is a guarantee and a transaction protocol.
type abortMode struct {
	name      string
	guarantee Guarantee
	protocol1 bool
}

var abortModes = []abortMode{
	{"exactly-once", ExactlyOnce, false}, {"exactly-once-protocol-1", ExactlyOnce, true}, {"at-least-once", AtLeastOnce, false},
}

// abortWay is a way to an abort. It is gone when a record is processed, after
// others of its transaction; strike reports whether the record fails.
type abortWay struct {
	name     string
	txn      bool // needs transactions
	outage   bool // kills the broker, which this module's can be; it may go without an abort
	prepare  func(*Config)
	strike   func(x *abortRun) bool
	atCommit bool // gone when offsets are about to be committed instead
	begun    bool // there has to be a transaction at the brokers
}

// fits reports whether the way can be gone in a mode.
func (w abortWay) fits(m abortMode) bool { return !w.txn || m.guarantee == ExactlyOnce }

func always(*abortRun) bool { return true }

var abortWays = []abortWay{
	{name: "user error", strike: always, prepare: func(c *Config) {
		c.OnUncaught = func(error) UncaughtAction { return RestartTasks }
	}},
	{name: "retry", strike: always, prepare: func(c *Config) {
		c.OnError = func(*processor.Context, *processor.Failure) processor.Action { return processor.Retry }
	}},
	{name: "lost membership", strike: (*abortRun).expel},
	{name: "refused commit", strike: (*abortRun).expel, atCommit: true},
	{name: "fenced", txn: true, strike: (*abortRun).fence},
	{name: "fenced at the commit", txn: true, strike: (*abortRun).fence, atCommit: true},
	{
		name: "transaction timeout", txn: true, begun: true,
		prepare: func(c *Config) { c.TransactionTimeout = 300 * time.Millisecond },
		strike:  func(*abortRun) bool { time.Sleep(700 * time.Millisecond); return false },
	},
	{name: "broker outage", outage: true, strike: (*abortRun).outage},
}

// abortRun is one application that goes one way to an abort again and again.
type abortRun struct {
	*rig
	admin *kadm.Client
	app   *process
	kill  chan struct{} // asks the test's goroutine to kill the broker, which answers
	armed atomic.Bool
	// shipped has what was produced in the transaction acknowledged before the
	// strike. It changes while armed is not set.
	shipped bool
}

// expel removes the application from its group behind its back.
func (x *abortRun) expel() bool {
	ctx := context.Background()
	groups, err := x.admin.DescribeGroups(ctx, "app")
	if err != nil {
		x.t.Error(err)
		return false
	}
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = "app"
	for _, m := range groups["app"].Members {
		member := kmsg.NewLeaveGroupRequestMember()
		member.MemberID = m.MemberID
		leave.Members = append(leave.Members, member)
	}
	if _, err := leave.RequestWith(ctx, x.client); err != nil {
		x.t.Error(err)
	}
	return false
}

// fence takes the application's transactional id.
func (x *abortRun) fence() bool {
	if err := fenceOne(context.Background(), x.app.App, x.app.txnID(0)); err != nil {
		x.t.Error(err)
	}
	return false
}

func (x *abortRun) outage() bool {
	x.kill <- struct{}{}
	<-x.kill
	return false
}

func (x *abortRun) eventually(cond func() bool, what string) {
	x.t.Helper()
	require.Eventually(x.t, cond, 60*time.Second, 5*time.Millisecond, what)
}

// follower reads what is committed to partition 0 of topic "out".
type follower struct {
	client *kgo.Client
	got    []string
}

func (r *rig) follow() *follower {
	client, err := kgo.NewClient(kgo.SeedBrokers(r.addrs...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.AlwaysRetryEOF(),
		kgo.FetchMaxWait(50*time.Millisecond), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"out": {0: kgo.NewOffset().AtStart()}}))
	require.NoError(r.t, err)
	r.t.Cleanup(client.Close)
	return &follower{client: client}
}

// until reads until a value is there.
func (f *follower) until(t *testing.T, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for !slices.Contains(f.got, value) {
		fetches := f.client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%q did not come: %d values, the last %q", value, len(f.got), f.got[max(0, len(f.got)-8):])
		}
		fetches.EachRecord(func(r *kgo.Record) { f.got = append(f.got, string(r.Value)) })
	}
}

// TestNothingLostByAborts goes every way to an abort, after some batches that were
// acknowledged, within and beyond the number that brokers remember, in both
// guarantees and both transaction protocols, on two brokers of different authors.
// Exactly once every output comes once and in order, and every input is counted
// once; at least once none is missing. Offsets, local state and changelog agree.
func TestNothingLostByAborts(t *testing.T) {
	for _, m := range abortModes {
		for _, way := range abortWays {
			if !way.fits(m) {
				continue
			}
			t.Run(m.name+"/"+way.name, func(t *testing.T) {
				t.Parallel()
				topics, before := map[string]int32{"lines": 1, "out": 1}, []int{1, 5, 6, 10}
				if way.outage {
					goToAbort(t, newRig(t, topics), m, way, before)
					return
				}
				eachRig(t, topics, func(t *testing.T, r *rig) { goToAbort(t, r, m, way, before) })
			})
		}
	}
}

// goToAbort goes a way after each of some numbers of committed batches.
func goToAbort(t *testing.T, r *rig, m abortMode, way abortWay, before []int) {
	r.protocol1 = m.protocol1
	x := &abortRun{rig: r, admin: kadm.NewClient(r.client), kill: make(chan struct{})}
	topo := remembering(t, func(v string) bool {
		if way.atCommit || !strings.HasPrefix(v, "strike") || !x.armed.CompareAndSwap(true, false) {
			return false
		}
		if x.shipped { // what came before in the transaction is in the log, or else still in an open batch
			w := x.app.workers[0]
			if err := w.producer.Flush(context.Background(), w.wake); err != nil {
				t.Error(err)
			}
		}
		return way.strike(x)
	})
	cfg := r.config("app")
	backend := new(disk)
	cfg.State, cfg.Guarantee, cfg.Workers, cfg.RetryAfter, cfg.CommitInterval = backend, m.guarantee, 1, 5*time.Millisecond, 5*time.Millisecond
	if way.prepare != nil {
		way.prepare(&cfg)
	}
	x.app = r.startPrepared(topo, cfg, func(app *App) {
		x.app = &process{App: app}
		app.hook = func(_ int, step commit.Step) {
			if way.atCommit && (step == commit.SendOffsets || step == commit.CommitOffsets) && x.armed.CompareAndSwap(true, false) {
				way.strike(x)
			}
		}
	})
	out := r.follow()
	var want []string
	send := func(values ...string) {
		var rs []kv
		for _, v := range values {
			rs = append(rs, kv{v, v})
		}
		want = append(want, values...)
		r.produce("lines", 0, rs...)
	}
	for i, n := range before {
		for j := range n {
			v := fmt.Sprintf("fine-%d-%d", i, j)
			send(v)
			out.until(t, v)
		}
		aborts := x.app.Metrics().Aborts
		x.shipped = i%2 == 0 || way.begun
		x.armed.Store(true)
		send(fmt.Sprint("before-", i), fmt.Sprint("strike-", i))
		if way.outage {
			<-x.kill
			r.cluster.Kill()
			r.cluster.Restart()
			x.kill <- struct{}{}
		}
		out.until(t, fmt.Sprint("strike-", i))
		if !way.outage { // at least once, the outputs are there before
			x.eventually(func() bool { return x.app.Metrics().Aborts > aborts }, "there is no abort")
		}
	}
	send("last")
	out.until(t, "last")
	x.eventually(func() bool {
		offsets, err := x.admin.FetchOffsets(t.Context(), "app")
		at, ok := offsets.Lookup("lines", 0)
		return err == nil && ok && at.At == int64(len(want))
	}, "what was processed is not committed")
	require.NoError(t, x.app.stop())
	if m.guarantee == AtLeastOnce {
		out.got = firsts(out.got)
	}
	require.Equal(t, want, out.got)
	require.Less(t, x.app.Metrics().Aborts, int64(4*len(before)), "it goes round and round")
	seen := stored(t, backend)
	require.ElementsMatch(t, want, slices.Collect(maps.Keys(seen)))
	for v, n := range seen {
		require.True(t, n == 1 || n > 1 && m.guarantee == AtLeastOnce, "%s was counted %d times", v, n)
	}
	r.committed("app-seen-changelog", 0, func(rs []*kgo.Record) bool { return maps.Equal(last(rs), seen) })
}

// remembering is fragile, and counts what it has seen.
func remembering(t *testing.T, fails func(string) bool) *topology.Topology {
	t.Helper()
	b := dsl.NewBuilder()
	s := b.Stream(linesTopic).TryMapValues(func(_ *processor.Context, r processor.Record[string, string]) (string, error) {
		if fails(r.Value) {
			return "", errBroken
		}
		return r.Value, nil
	})
	s.GroupByKey().Count("seen")
	s.To(outTopic)
	topo, err := b.Build()
	require.NoError(t, err)
	return topo
}

// firsts leaves out what came before.
func firsts(values []string) (out []string) {
	for _, v := range values {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}
