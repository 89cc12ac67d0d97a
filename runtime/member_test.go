package runtime

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/cluster"
	"github.com/thalweg/thalweg/runtime/internal/commit"
	"github.com/thalweg/thalweg/runtime/internal/membership"
	"github.com/thalweg/thalweg/topology"
)

// members are the ids of the members of a group, and the group's state.
func (r *rig) members(group string) (ids []string, state string) {
	r.t.Helper()
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{group}
	resp, err := req.RequestWith(r.t.Context(), r.client)
	require.NoError(r.t, err)
	for _, m := range resp.Groups[0].Members {
		ids = append(ids, m.MemberID)
	}
	return ids, resp.Groups[0].State
}

// expel makes the group forget a member.
func (r *rig) expel(group, id string) {
	r.t.Helper()
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = group, id
	lm := kmsg.NewLeaveGroupRequestMember()
	lm.MemberID = id
	req.Members = append(req.Members, lm)
	resp, err := req.RequestWith(r.t.Context(), r.client)
	require.NoError(r.t, err)
	require.Zero(r.t, resp.ErrorCode)
}

func (p *process) running() (n int) {
	for _, t := range p.Metrics().Tasks {
		if t.Running {
			n++
		}
	}
	return n
}

// run waits until each process runs n tasks.
func run(t *testing.T, n int, ps ...*process) {
	t.Helper()
	for _, p := range ps {
		require.Eventually(t, func() bool { return p.running() == n && p.State() == Running }, 20*time.Second, 5*time.Millisecond)
	}
}

// The group forgets a process that sleeps between the decision what its workers
// are to run and their being told, and gives the tasks to others: none of them
// may run there when it wakes.
func TestLostBetweenDecisionAndMessages(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 2, "out": 1})
	topo, cfg := upper(t), r.config("app")
	cfg.Workers = 1
	var armed atomic.Bool
	held, release := make(chan struct{}), make(chan struct{})
	hold := func(out membership.Output) {
		if slices.ContainsFunc(out.Messages, func(m membership.Message) bool { return len(m.Tasks) > len(m.Before) }) && armed.CompareAndSwap(true, false) {
			close(held)
			<-release
		}
	}
	sleeper := r.startTold(topo, cfg, hold)
	run(t, 2, sleeper)
	other := r.start(topo, cfg)
	run(t, 1, sleeper, other)
	armed.Store(true)
	require.NoError(t, other.stop())
	<-held
	ids, _ := r.members("app")
	require.Len(t, ids, 1)
	r.expel("app", ids[0])
	c := r.start(topo, cfg)
	run(t, 2, c)
	d := r.start(topo, cfg)
	run(t, 1, c, d)
	close(release)
	require.Eventually(t, func() bool {
		ids, state := r.members("app")
		return len(ids) == 3 && state == "Stable"
	}, 20*time.Second, 5*time.Millisecond)
	run(t, 0, sleeper)

	var want []string
	for round := range 10 {
		want = append(want, r.sendEach("lines", 2, round)...)
		require.ElementsMatch(t, want, values(r.committed("out", 0, count(len(want)))))
	}
	run(t, 1, c, d)
	run(t, 0, sleeper)
}

// startTold is start with a hook before the workers are told of the membership.
func (r *rig) startTold(topo *topology.Topology, cfg Config, hook func(membership.Output)) *process {
	return r.startPrepared(topo, cfg, func(a *App) { a.beforeTell = hook })
}

// A process that the group refuses leaves at once, and has made nothing.
func TestRefusedLeavesNothing(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "out": 1, "counts": 1})
	first := r.start(upper(t), r.config("app"))
	run(t, 1, first)
	err := r.start(wordCount(t), r.config("app")).wait()
	require.ErrorContains(t, err, "refused by the group's leader")
	ids, _ := r.members("app")
	require.Len(t, ids, 1)
	found, err := first.meta.Topics(t.Context(), "app-counts-repartition", "app-counts-changelog")
	require.NoError(t, err)
	require.Empty(t, found)
	r.produce("lines", 0, kv{"k", "a"})
	r.committed("out", 0, count(1))
}

// A process with an instance id stays a member when it stops: its tasks wait for
// its restart, unless it is not to come back.
func TestStaticMemberStays(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 4, "out": 1})
	topo := upper(t)
	start := func(id string, leave bool) *process {
		cfg := r.config("app")
		cfg.InstanceID, cfg.LeaveOnStop, cfg.SessionTimeout = id, leave, 30*time.Second
		return r.start(topo, cfg)
	}
	one, two := start("one", false), start("two", false)
	run(t, 2, one, two)
	require.NoError(t, two.stop())
	ids, state := r.members("app")
	require.Len(t, ids, 2)
	require.Equal(t, "Stable", state)
	two = start("two", true)
	run(t, 2, one, two)
	want := r.sendEach("lines", 4, 1)
	require.ElementsMatch(t, want, values(r.committed("out", 0, count(4))))
	require.NoError(t, two.stop())
	run(t, 4, one)
}

// An epoch that does not come, while the leader takes its time, costs one abort:
// the worker waits for it before it processes again.
func TestLongRebalance(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "out": 1})
	topo, cfg := upper(t), r.config("app")
	cfg.Workers, cfg.TransactionTimeout = 1, 200*time.Millisecond
	var turns atomic.Int64
	leader := r.lead(topo)
	p := r.startHooked(topo, cfg, func(_ *App, _ int, step commit.Step) {
		if step == commit.Done {
			turns.Add(1)
		}
	})
	leader.assign(leader.join(2), assign.Task{})
	want := r.sendEach("lines", 1, 1)
	r.committed("out", 0, count(1))

	generation := leader.join(2)
	want = append(want, r.sendEach("lines", 1, 2)...)
	require.Eventually(t, func() bool { return p.Metrics().Aborts > 0 }, 20*time.Second, 5*time.Millisecond)
	under := turns.Load()
	require.Eventually(t, func() bool { return turns.Load() > under+20 }, 20*time.Second, 5*time.Millisecond)
	leader.assign(generation, assign.Task{})
	require.Equal(t, want, values(r.committed("out", 0, count(2))))
	require.Equal(t, int64(1), p.Metrics().Aborts)
}

// leader is a member that runs nothing and, as it is the first, leads the group.
type leader struct {
	r        *rig
	id       string
	protocol kmsg.JoinGroupRequestProtocol
	inputs   []assign.Topic
	members  []string
}

// lead joins the group.
func (r *rig) lead(topo *topology.Topology) *leader {
	l := &leader{r: r, protocol: kmsg.NewJoinGroupRequestProtocol()}
	found, err := cluster.New(r.client).Topics(r.t.Context(), "lines")
	require.NoError(r.t, err)
	l.inputs = []assign.Topic{{Name: "lines", Partitions: int32(len(found["lines"].Leaders)), ID: found["lines"].ID}}
	meta := kmsg.NewConsumerMemberMetadata()
	meta.UserData = assign.Subscription{Process: "leader", Fingerprint: topo.Fingerprint(), Workers: 1}.AppendTo(nil)
	l.protocol.Name, l.protocol.Metadata = "thalweg", meta.AppendTo(nil)
	l.assign(l.join(1))
	return l
}

// join joins until the group has n members, and returns the generation.
func (l *leader) join(n int) int32 {
	l.r.t.Helper()
	for {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.MemberID, req.ProtocolType = "app", l.id, "consumer"
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 30_000, 30_000
		req.Protocols = append(req.Protocols, l.protocol)
		resp, err := req.RequestWith(l.r.t.Context(), l.r.client)
		require.NoError(l.r.t, err)
		l.id = resp.MemberID
		if resp.ErrorCode == kerr.MemberIDRequired.Code {
			continue
		}
		require.Zero(l.r.t, resp.ErrorCode)
		require.Equal(l.r.t, l.id, resp.LeaderID)
		l.members = nil
		for _, m := range resp.Members {
			l.members = append(l.members, m.MemberID)
		}
		if len(l.members) == n {
			return resp.Generation
		}
		l.sync(resp.Generation) // another may be joining already
	}
}

// assign gives tasks to the other member.
func (l *leader) assign(generation int32, tasks ...assign.Task) {
	l.r.t.Helper()
	require.Zero(l.r.t, l.sync(generation, tasks...))
}

func (l *leader) sync(generation int32, tasks ...assign.Task) (code int16) {
	l.r.t.Helper()
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.Generation = "app", l.id, generation
	req.ProtocolType, req.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("thalweg")
	for _, id := range l.members {
		a := assign.Assignment{Topics: l.inputs}
		if id != l.id {
			a.Tasks = tasks
		}
		blob := kmsg.NewConsumerMemberAssignment()
		blob.UserData = a.AppendTo(nil)
		ga := kmsg.NewSyncGroupRequestGroupAssignment()
		ga.MemberID, ga.MemberAssignment = id, blob.AppendTo(nil)
		req.GroupAssignment = append(req.GroupAssignment, ga)
	}
	resp, err := req.RequestWith(l.r.t.Context(), l.r.client)
	require.NoError(l.r.t, err)
	return resp.ErrorCode
}
