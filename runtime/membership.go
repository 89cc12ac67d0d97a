package runtime

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/commit"
	"github.com/thalweg/thalweg/runtime/internal/group"
)

// membership is what the group's events mean to the workers. It is the group's
// Handler.
type membership struct {
	app         *App
	fingerprint string

	mu         sync.Mutex
	generation int32
	home       map[assign.Task]int // which worker runs it
	known      []string            // transactional ids of the last generation seen
	plan       *plan               // under which the tasks of home were opened
	balanced   bool                // this member planned the generation being assigned
	leads      bool                // or that it runs
}

// Subscription implements group.Handler.
func (m *membership) Subscription() assign.Subscription {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := assign.Subscription{
		Process: m.app.process, Fingerprint: m.fingerprint, Workers: len(m.app.workers), Generation: m.generation,
		Owned: slices.SortedFunc(maps.Keys(m.home), assign.Task.Compare),
		Local: m.app.localState(), Known: m.known,
	}
	if m.app.cfg.transactional() {
		for i := range m.app.workers {
			s.TxnIDs = append(s.TxnIDs, m.app.txnID(i))
		}
	}
	return s
}

// Balance implements group.Handler.
func (m *membership) Balance(ctx context.Context, subs map[string]assign.Subscription) (map[string]assign.Assignment, error) {
	plan, err := m.replan(ctx)
	if err != nil {
		return nil, err
	}
	var members []assign.Member
	var ids, known []string
	out := make(map[string]assign.Assignment, len(subs))
	for id, s := range subs {
		ids = append(ids, s.TxnIDs...)
		known = append(known, s.Known...)
		if s.Fingerprint != m.fingerprint {
			out[id] = assign.Assignment{Refused: fmt.Sprintf("its topology (fingerprint %s) and that of process %s, which leads the group (fingerprint %s), differ in what they read or keep: stop all processes of the old version first, or give the new one another ApplicationID; topology.Diff tells what changed", s.Fingerprint, m.app.process, m.fingerprint)}
			continue
		}
		owned := slices.DeleteFunc(slices.Clone(s.Owned), func(t assign.Task) bool { return !plan.has(t) })
		members = append(members, assign.Member{ID: id, Workers: s.Workers, Generation: s.Generation, Owned: owned, Local: s.Local})
	}
	left := m.fence(ctx, departed(known, ids))
	ids = append(ids, left...)
	slices.Sort(ids)

	p := assign.Decide(plan.tasks, plan.stateful, members)
	for id, tasks := range p.Given {
		out[id] = assign.Assignment{Tasks: tasks, Known: ids, Topics: plan.matched}
	}
	m.app.logger.Info("assigned tasks to the group", "members", len(members), "tasks", len(plan.tasks), "waiting", p.Withheld)
	return out, nil
}

// departed returns the ids that are known and not in use any more.
func departed(known, used []string) []string {
	in := make(map[string]bool, len(used))
	for _, id := range used {
		in[id] = true
	}
	slices.Sort(known)
	known = slices.Compact(known)
	return slices.DeleteFunc(known, func(id string) bool { return in[id] })
}

// fenceTimeout bounds how long a rebalance waits for the fencing of departed
// members.
const fenceTimeout = 2 * time.Second

// fence ends the transactions of members that are gone, so that their
// successors need not wait for the transaction timeout. It returns the ids for
// which that did not succeed; the next generation tries again.
func (m *membership) fence(ctx context.Context, ids []string) []string {
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, fenceTimeout)
	defer cancel()
	var mu sync.Mutex
	var left []string
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			if err := fenceOne(ctx, m.app, id); err != nil {
				m.app.logger.Warn("fencing a departed producer", "transactional_id", id, "err", err)
				mu.Lock()
				left = append(left, id)
				mu.Unlock()
				return
			}
			m.app.logger.Info("fenced a departed producer", "transactional_id", id)
		})
	}
	wg.Wait()
	return left
}

func fenceOne(ctx context.Context, a *App, id string) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = &id
	req.TransactionTimeoutMillis = int32(a.cfg.TransactionTimeout.Milliseconds())
	req.ProducerID, req.ProducerEpoch = -1, -1
	return again(ctx, a.logger, "the transaction of "+id+" to end", func() error {
		resp, err := req.RequestWith(ctx, a.client)
		if err != nil {
			return err
		}
		return codeErr(resp.ErrorCode)
	})
}

// Assigned implements group.Handler.
func (m *membership) Assigned(ctx context.Context, e group.Epoch) (gaveUp bool, err error) {
	plan, err := m.adopt(ctx, e.Topics)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	m.generation, m.known = e.Generation, e.Known
	m.leads, m.balanced = m.balanced, false
	old := m.plan
	m.plan = plan
	msgs := make([]epochMsg, len(m.app.workers))
	load := make([]int, len(m.app.workers))
	added := 0
	for i := range msgs {
		msgs[i].epoch, msgs[i].plan = commit.Epoch{Member: e.Member, Generation: e.Generation}, plan
	}
	for t, w := range m.home {
		if slices.Contains(e.Tasks, t) {
			load[w]++
			if plan != old && !maps.EqualFunc(old.inputs(t), plan.inputs(t), slices.Equal) {
				msgs[w].giveUp = append(msgs[w].giveUp, t)
				msgs[w].takeOn = append(msgs[w].takeOn, t)
				added++
			}
			continue
		}
		msgs[w].giveUp = append(msgs[w].giveUp, t)
		delete(m.home, t)
		gaveUp = true
	}
	for _, t := range e.Tasks {
		if _, running := m.home[t]; running {
			continue
		}
		w := leastLoaded(load, msgs, t)
		load[w]++
		added++
		m.home[t] = w
		msgs[w].takeOn = append(msgs[w].takeOn, t)
	}
	m.mu.Unlock()
	if gaveUp || added > 0 {
		m.app.logger.Info("assignment", "generation", e.Generation, "tasks", len(e.Tasks), "new", added, "given_up", gaveUp)
		m.app.tasks.rebalancing(true)
	}

	var wg sync.WaitGroup
	for i, w := range m.app.workers {
		wg.Add(1)
		msgs[i].done = sync.OnceFunc(wg.Done)
		w.post(msgs[i])
	}
	wg.Wait()
	m.app.tasks.rebalancing(false)
	return gaveUp, nil
}

// leastLoaded picks the worker for a task: with the fewest tasks, and among
// those the one with the fewest of the same sub-topology in this round.
func leastLoaded(load []int, msgs []epochMsg, t assign.Task) int {
	same := func(w int) (n int) {
		for _, o := range msgs[w].takeOn {
			if o.Sub == t.Sub {
				n++
			}
		}
		return n
	}
	best := 0
	for w := range load {
		if cmp.Or(cmp.Compare(load[w], load[best]), cmp.Compare(same(w), same(best))) < 0 {
			best = w
		}
	}
	return best
}

// Lost implements group.Handler. The workers learn it before they can learn of
// any later epoch, because both come through the same inbox.
func (m *membership) Lost(reason error) {
	m.mu.Lock()
	clear(m.home)
	m.generation = -1
	m.leads, m.balanced = false, false
	m.mu.Unlock()
	m.app.logger.Warn("tasks lost", "err", reason)
	for _, w := range m.app.workers {
		w.post(lostMsg{})
	}
}
