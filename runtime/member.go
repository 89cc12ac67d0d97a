package runtime

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/commit"
	"github.com/thalweg/thalweg/runtime/internal/group"
	"github.com/thalweg/thalweg/runtime/internal/membership"
)

// member is this process in its group. What the group says and what the workers
// answer comes into one inbox, whose owner, the goroutine of run, alone changes
// the machine and writes to the workers: so each of them learns everything in
// the order in which it happened, however long this process slept in between.
//
// It is the group's Handler; those methods belong to the goroutine of
// group.Member.Run.
type member struct {
	app         *App
	fingerprint string
	logger      *slog.Logger
	inbox       *inbox
	leads       atomic.Bool

	losses int // told by the group's goroutine

	// These belong to the goroutine of run.
	machine *membership.Machine
	plan    *plan    // under which tasks are opened
	known   []string // transactional ids of the last generation seen
	outcome chan<- group.Outcome
	laying  sync.WaitGroup
}

// Messages to a member, besides the workers' membership.Answer.
type (
	joinedMsg struct {
		ctx     context.Context
		losses  int // before it
		epoch   group.Epoch
		outcome chan<- group.Outcome
	}
	lostEpochMsg struct{ reason error }
	// laidMsg is the plan of an epoch, which took asking the brokers.
	laidMsg struct {
		joinedMsg
		plan *plan
		err  error
	}
	subscriptionMsg struct{ reply chan<- assign.Subscription }
)

func newMember(a *App) *member {
	return &member{
		app: a, fingerprint: a.topology.Fingerprint(), logger: a.logger, inbox: newInbox(make(chan struct{}, 1)),
		machine: membership.New(len(a.workers)), plan: a.plan.Load(),
	}
}

// Subscription implements group.Handler.
func (m *member) Subscription() assign.Subscription {
	reply := make(chan assign.Subscription, 1)
	m.inbox.put(subscriptionMsg{reply})
	s := <-reply
	s.Process, s.Fingerprint, s.Workers, s.Local = m.app.process, m.fingerprint, len(m.app.workers), m.app.localState()
	if m.app.cfg.transactional() {
		for i := range m.app.workers {
			s.TxnIDs = append(s.TxnIDs, m.app.txnID(i))
		}
	}
	return s
}

// Assigned implements group.Handler.
func (m *member) Assigned(ctx context.Context, e group.Epoch) <-chan group.Outcome {
	outcome := make(chan group.Outcome, 1)
	m.inbox.put(joinedMsg{ctx, m.losses, e, outcome})
	return outcome
}

// Lost implements group.Handler.
func (m *member) Lost(reason error) {
	m.losses++
	m.inbox.put(lostEpochMsg{reason})
}

// run is the owner of the inbox until done is closed, which has to be after the
// group and all workers have ended.
func (m *member) run(done <-chan struct{}) {
	defer m.laying.Wait()
	for {
		select {
		case <-m.inbox.wake:
		case <-done:
			return
		}
		for _, msg := range m.inbox.take() {
			m.receive(msg)
		}
	}
}

func (m *member) receive(msg any) {
	switch msg := msg.(type) {
	case joinedMsg:
		m.joined(msg)
	case laidMsg:
		switch {
		case msg.losses != m.machine.Losses(): // nobody waits for it any more
		case msg.err != nil:
			msg.outcome <- group.Outcome{Err: msg.err}
		default:
			m.assign(msg.joinedMsg, msg.plan)
		}
	case lostEpochMsg:
		m.logger.Warn("tasks lost", "err", msg.reason)
		m.leads.Store(false)
		m.outcome = nil
		m.app.tasks.rebalancing(true)
		m.tell(m.machine.Lost())
	case membership.Answer:
		m.tell(m.machine.Answered(msg))
	case subscriptionMsg:
		owned, generation := m.machine.Owned()
		msg.reply <- assign.Subscription{Owned: owned, Generation: generation, Known: m.known}
	}
}

// joined begins an epoch with the plan over the inputs that the leader saw.
func (m *member) joined(j joinedMsg) {
	m.known = j.epoch.Known
	m.leads.Store(j.epoch.Leader)
	if p := m.app.plan.Load(); slices.Equal(p.inputs, j.epoch.Topics) {
		m.assign(j, p)
		return
	}
	m.laying.Go(func() {
		p, err := m.app.lay(j.ctx, j.epoch.Topics)
		m.inbox.put(laidMsg{j, p, err})
	})
}

// assign hands an epoch to the workers.
func (m *member) assign(j joinedMsg, p *plan) {
	before := m.plan
	m.plan = p
	m.app.adopt(before, p)
	m.outcome = j.outcome
	e := membership.Epoch{
		Epoch:  commit.Epoch{Member: j.epoch.Member, Generation: j.epoch.Generation},
		Losses: j.losses, Tasks: j.epoch.Tasks,
	}
	if p != before {
		e.Changed = func(t assign.Task) bool { return !slices.Equal(before.reads(t), p.reads(t)) }
	}
	m.tell(m.machine.Joined(e))
}

// tell does what the machine says.
func (m *member) tell(out membership.Output) {
	if hook := m.app.beforeTell; hook != nil && len(out.Messages) > 0 {
		hook(out)
	}
	changes := 0
	for _, msg := range out.Messages {
		if !msg.Lost && (len(msg.Reopen) > 0 || !slices.Equal(msg.Before, msg.Tasks)) {
			m.logger.Info("assignment", "generation", msg.Epoch.Generation, "worker", msg.Worker, "tasks", len(msg.Tasks), "before", len(msg.Before), "inputs_changed", len(msg.Reopen))
			changes++
		}
	}
	if changes > 0 {
		m.app.tasks.rebalancing(true)
	}
	for _, msg := range out.Messages {
		m.app.workers[msg.Worker].post(tasksMsg{msg, m.plan})
	}
	if out.CarriedOut {
		m.app.tasks.rebalancing(false)
		m.outcome <- group.Outcome{GaveUp: out.GaveUp}
		m.outcome = nil
	}
}
