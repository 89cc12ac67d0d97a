// Package group is the membership of one process in its consumer group: the
// classic protocol, spoken directly, so that each assignment is an epoch that
// can be handed over by message.
//
// Invariants:
//
//   - an Epoch is immutable: member, generation and tasks belong together;
//   - a member joins again only after the assignment before was carried out, or
//     lost, so nothing is given up while its transaction is open;
//   - the handler is called by one goroutine, in the order of what happened:
//     Lost comes before anything that follows the loss, in particular before the
//     member joins anew, since what was running must not commit under a later
//     generation;
//   - a member sends heartbeats for as long as its generation lives and while it
//     carries out an assignment after that.
package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/outage"
)

// protocol is the name members have to share. Its user data carries a version
// of its own.
const protocol = "thalweg"

// ErrFencedInstance: another process joined with the same instance id.
var ErrFencedInstance = errors.New("group: another process runs with the same instance id")

// Epoch is one assignment. It is never changed.
type Epoch struct {
	Member     string
	Generation int32
	Tasks      []assign.Task
	Leader     bool           // this member leads the group
	Known      []string       // transactional ids of the generation's members
	Topics     []assign.Topic // the topology's inputs, as the leader saw them
}

// Outcome is how an assignment was carried out.
type Outcome struct {
	// GaveUp reports that tasks were given up: the member joins again to hand
	// them over.
	GaveUp bool
	Err    error // ends the membership
}

// Handler is told about the member's fate, from the goroutine of Run.
type Handler interface {
	// Subscription is called before each join.
	Subscription() assign.Subscription
	// Balance is called on the leader: it plans the generation. members is by
	// member id. An error ends the membership.
	Balance(ctx context.Context, members map[string]assign.Subscription) (map[string]assign.Assignment, error)
	// Assigned is called with each new epoch and does not wait. The outcome
	// comes once the tasks that are not in the epoch any more are committed and
	// closed. Nobody waits for it after Lost or the end of ctx.
	Assigned(ctx context.Context, e Epoch) <-chan Outcome
	// Lost is called when the group goes on without this member. It does not
	// wait.
	Lost(reason error)
}

// Requestor sends requests to the group's coordinator; *kgo.Client is one.
type Requestor interface {
	Request(context.Context, kmsg.Request) (kmsg.Response, error)
}

// Config configures a Member. All fields are required except Instance.
type Config struct {
	Client    Requestor
	Group     string
	Instance  string // static membership (KIP-345); empty: none
	Session   time.Duration
	Heartbeat time.Duration
	Rebalance time.Duration   // how long the others wait for a member to join again
	Topics    func() []string // for tools that look at the group
	Place     func(assign.Task) map[string][]int32
	Handler   Handler
	Logger    *slog.Logger
}

// Member is one membership. Run may be called once.
type Member struct {
	cfg        Config
	id         string
	generation int32
	joined     bool
	again      chan struct{}
}

// New makes a Member.
func New(cfg Config) *Member {
	return &Member{cfg: cfg, generation: -1, again: make(chan struct{}, 1)}
}

// Rejoin has the member join again, soon, because there is something to be
// assigned anew. It may be called from any goroutine. Only the leader's joining
// begins a generation for all.
func (m *Member) Rejoin() {
	select {
	case m.again <- struct{}{}:
	default:
	}
}

func (m *Member) instance() *string {
	if m.cfg.Instance == "" {
		return nil
	}
	return &m.cfg.Instance
}

// Run is a member until ctx is done or the membership becomes impossible. It
// does not leave the group: see Leave.
func (m *Member) Run(ctx context.Context) error {
	const coordinator = "the group's coordinator"
	var report outage.Report
	for {
		err := m.generationOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case err == nil, errors.Is(err, kerr.RebalanceInProgress):
			report.Over(m.cfg.Logger, coordinator)
		case errors.Is(err, ErrFencedInstance):
			m.lose(err)
			m.id = "" // it is the other process's
			return err
		case isFatal(err):
			m.lose(err)
			return err
		case isLost(err):
			report.Over(m.cfg.Logger, coordinator)
			m.cfg.Logger.Warn("lost the group membership, joining again", "group", m.cfg.Group, "member", m.id, "err", err)
			m.lose(err)
			if !errors.Is(err, kerr.IllegalGeneration) {
				m.id = "" // the coordinator forgot it
			}
		default:
			// The coordinator cannot be reached or is moving. Whether the
			// membership still stands it will say when it answers.
			report.Waiting(m.cfg.Logger, coordinator, err)
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// lose forgets the membership, telling the handler first.
func (m *Member) lose(reason error) {
	if m.joined {
		m.cfg.Handler.Lost(reason)
	}
	m.joined = false
	m.generation = -1
}

// generationOnce joins, syncs, hands the assignment over and stays until the
// generation ends. A nil error means: join again.
func (m *Member) generationOnce(ctx context.Context) error {
	join, err := m.join(ctx)
	if err != nil {
		return err
	}
	a, err := m.sync(ctx, join)
	if err != nil {
		return err
	}
	if a.Refused != "" {
		return &fatalError{fmt.Errorf("group: refused by the group's leader: %s", a.Refused)}
	}
	m.joined = true
	return m.stay(ctx, Epoch{
		Member: m.id, Generation: m.generation, Tasks: a.Tasks,
		Leader: join.LeaderID == m.id, Known: a.Known, Topics: a.Topics,
	})
}

// stay hands e over and heartbeats until the generation ends and e is carried
// out.
func (m *Member) stay(ctx context.Context, e Epoch) error {
	outcome := m.cfg.Handler.Assigned(ctx, e)
	again := m.again
	over := false // the generation is: join again once e is carried out
	tick := time.NewTicker(m.cfg.Heartbeat)
	defer tick.Stop()
	for outcome != nil || !over {
		select {
		case o := <-outcome:
			if o.Err != nil {
				return &fatalError{o.Err}
			}
			outcome, over = nil, over || o.GaveUp
		case <-again:
			again, over = nil, true
		case <-tick.C:
			err := m.heartbeat(ctx)
			switch {
			case err == nil:
			case errors.Is(err, kerr.RebalanceInProgress):
				over = true
			case isLost(err), isFatal(err), errors.Is(err, ErrFencedInstance):
				return err
			default:
				m.cfg.Logger.Debug("heartbeat failed", "group", m.cfg.Group, "err", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// Leave tells the group that the member is gone for good, so that it does not
// wait for the session to expire. Run has to have returned.
func (m *Member) Leave(ctx context.Context) error {
	if m.id == "" {
		return nil
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = m.cfg.Group
	req.MemberID = m.id
	lm := kmsg.NewLeaveGroupRequestMember()
	lm.MemberID, lm.InstanceID = m.id, m.instance()
	lm.Reason = kmsg.StringPtr("the application stopped")
	req.Members = append(req.Members, lm)
	resp, err := m.cfg.Client.Request(ctx, req)
	if err != nil {
		return fmt.Errorf("group: leaving %s: %w", m.cfg.Group, err)
	}
	m.id = ""
	return kerr.ErrorForCode(resp.(*kmsg.LeaveGroupResponse).ErrorCode)
}

type fatalError struct{ error }

func (e *fatalError) Unwrap() error { return e.error }

func isFatal(err error) bool { return errors.As(err, new(*fatalError)) }

// isLost reports that the coordinator does not know the member in this
// generation any more.
func isLost(err error) bool {
	return errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.IllegalGeneration)
}
