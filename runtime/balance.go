package runtime

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/runtime/internal/assign"
)

// What follows is the leader's: it plans a generation for the whole group.

// Balance implements group.Handler.
func (m *member) Balance(ctx context.Context, subs map[string]assign.Subscription) (map[string]assign.Assignment, error) {
	plan, err := m.app.replan(ctx)
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
		out[id] = assign.Assignment{Tasks: tasks, Known: ids, Topics: plan.inputs}
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
func (m *member) fence(ctx context.Context, ids []string) []string {
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
