// Package group is the membership of one process in its consumer group: the
// classic protocol, spoken directly, so that each assignment is an epoch that
// can be handed over by message.
//
// Invariants:
//
//   - an Epoch is immutable: member, generation and tasks belong together;
//   - a member joins again only after the handler returned from the assignment
//     before, so nothing is given up while its transaction is open;
//   - Lost is called before anything that follows the loss, in particular
//     before the member joins anew: what was running must not commit under a
//     later generation.
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
	Known      []string       // transactional ids of the generation's members
	Topics     []assign.Topic // that match the topology's patterns
}

// Handler is told about the member's fate, from the goroutine of Run. Lost may
// be called while Assigned has not returned yet, from another goroutine.
type Handler interface {
	// Subscription is called before each join.
	Subscription() assign.Subscription
	// Balance is called on the leader: it plans the generation. members is by
	// member id. An error ends the membership.
	Balance(ctx context.Context, members map[string]assign.Subscription) (map[string]assign.Assignment, error)
	// Assigned is called with each new epoch. It returns once the tasks that
	// are not in the epoch any more are committed and closed, and reports
	// whether there were any: then the member joins again to hand them over.
	Assigned(ctx context.Context, e Epoch) (gaveUp bool, err error)
	// Lost is called when the group goes on without this member.
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
		case errors.Is(err, ErrFencedInstance), isFatal(err):
			m.lose(err)
			return err
		case isLost(err):
			report.Over(m.cfg.Logger, coordinator)
			m.cfg.Logger.Warn("lost the group membership, joining again", "group", m.cfg.Group, "member", m.id, "err", err)
			m.lose(err)
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
	if !errors.Is(reason, kerr.IllegalGeneration) {
		m.id = "" // the coordinator forgot it
	}
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
	e := Epoch{Member: m.id, Generation: m.generation, Tasks: a.Tasks, Known: a.Known, Topics: a.Topics}
	return m.stay(ctx, e)
}

// stay hands e over and heartbeats until the generation ends.
func (m *Member) stay(ctx context.Context, e Epoch) error {
	type outcome struct {
		gaveUp bool
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		gaveUp, err := m.cfg.Handler.Assigned(ctx, e)
		done <- outcome{gaveUp, err}
	}()
	handed := false
	wait := func() (bool, error) { // for the handler
		if handed {
			return false, nil
		}
		o := <-done
		handed = true
		if o.err != nil && ctx.Err() == nil {
			return false, &fatalError{o.err}
		}
		return o.gaveUp, nil
	}
	tick := time.NewTicker(m.cfg.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case o := <-done:
			handed = true
			if o.err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return &fatalError{o.err}
			}
			if o.gaveUp {
				return nil
			}
		case <-m.again:
			_, err := wait()
			return err
		case <-tick.C:
			err := m.heartbeat(ctx)
			switch {
			case err == nil:
			case errors.Is(err, kerr.RebalanceInProgress):
				_, err := wait()
				return err
			case isLost(err), errors.Is(err, ErrFencedInstance):
				// Before waiting for the handler: it may itself be
				// waiting for an epoch that will not come.
				m.cfg.Handler.Lost(err)
				m.joined = false
				if _, herr := wait(); herr != nil {
					return herr
				}
				return err
			default:
				m.cfg.Logger.Debug("heartbeat failed", "group", m.cfg.Group, "err", err)
			}
		case <-ctx.Done():
			_, err := wait()
			return err
		}
	}
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
