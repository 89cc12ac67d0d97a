package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/thalweg/thalweg/runtime/internal/assign"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// coordinator plays the broker for one member and writes down what happens.
type coordinator struct {
	mu         sync.Mutex
	events     []string
	generation int32
	heartbeat  []int16 // codes of the coming heartbeats, then 0
	refused    string
	done       func()
	enough     int // assignments after which the member is stopped
	rejoin     bool
	outcome    chan Outcome // of all assignments; nil: at once
	beats      int          // heartbeats still to come before outcome
}

func (c *coordinator) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, fmt.Sprintf(format, args...))
}

func (c *coordinator) Request(_ context.Context, r kmsg.Request) (kmsg.Response, error) {
	switch r := r.(type) {
	case *kmsg.JoinGroupRequest:
		c.note("join %q", r.MemberID)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.generation++
		resp := kmsg.NewPtrJoinGroupResponse()
		resp.Generation = c.generation
		resp.MemberID = r.MemberID
		if resp.MemberID == "" {
			resp.MemberID = fmt.Sprint("m", c.generation)
		}
		resp.LeaderID = resp.MemberID
		m := kmsg.NewJoinGroupResponseMember()
		m.MemberID, m.ProtocolMetadata = resp.MemberID, r.Protocols[0].Metadata
		resp.Members = append(resp.Members, m)
		return resp, nil
	case *kmsg.SyncGroupRequest:
		resp := kmsg.NewPtrSyncGroupResponse()
		resp.MemberAssignment = r.GroupAssignment[0].MemberAssignment
		return resp, nil
	case *kmsg.HeartbeatRequest:
		resp := kmsg.NewPtrHeartbeatResponse()
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.heartbeat) > 0 {
			resp.ErrorCode, c.heartbeat = c.heartbeat[0], c.heartbeat[1:]
		}
		if c.beats--; c.beats == 0 {
			c.events = append(c.events, "carried out")
			c.outcome <- Outcome{}
		}
		return resp, nil
	case *kmsg.LeaveGroupRequest:
		c.note("leave %q", r.Members[0].MemberID)
		return kmsg.NewPtrLeaveGroupResponse(), nil
	}
	return nil, fmt.Errorf("unexpected %T", r)
}

func (c *coordinator) Subscription() assign.Subscription { return assign.Subscription{Workers: 1} }

func (c *coordinator) Balance(_ context.Context, members map[string]assign.Subscription) (map[string]assign.Assignment, error) {
	out := make(map[string]assign.Assignment)
	for id := range members {
		out[id] = assign.Assignment{Refused: c.refused, Tasks: []assign.Task{{Sub: 0, Partition: 0}}}
	}
	return out, nil
}

func (c *coordinator) Assigned(_ context.Context, e Epoch) <-chan Outcome {
	c.note("assigned %s in %d", e.Member, e.Generation)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.enough--; c.enough == 0 {
		c.done()
	}
	if c.outcome != nil {
		return c.outcome
	}
	outcome := make(chan Outcome, 1)
	outcome <- Outcome{}
	return outcome
}

func (c *coordinator) Lost(error) { c.note("lost") }

func run(t *testing.T, c *coordinator) (*Member, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c.done = cancel
	m := New(Config{
		Client: c, Group: "g", Session: time.Second, Heartbeat: time.Millisecond, Rebalance: time.Second,
		Topics: func() []string { return nil },
		Place:  func(assign.Task) map[string][]int32 { return nil }, Handler: c, Logger: slog.New(slog.DiscardHandler),
	})
	if c.rejoin {
		m.Rejoin()
	}
	return m, m.Run(ctx)
}

// TestLostComesFirst: the handler hears of the loss before the member joins
// anew, and the new membership has a new id.
func TestLostComesFirst(t *testing.T) {
	c := &coordinator{heartbeat: []int16{0, kerr.UnknownMemberID.Code}, enough: 2}
	m, err := run(t, c)
	require.NoError(t, err)
	require.Equal(t, []string{`join ""`, "assigned m1 in 1", "lost", `join ""`, "assigned m2 in 2"}, c.events)
	require.NoError(t, m.Leave(t.Context()))
	require.Equal(t, `leave "m2"`, c.events[len(c.events)-1])
}

// TestRebalance: a rebalance is no loss.
func TestRebalance(t *testing.T) {
	c := &coordinator{heartbeat: []int16{0, kerr.RebalanceInProgress.Code}, enough: 2}
	_, err := run(t, c)
	require.NoError(t, err)
	require.Equal(t, []string{`join ""`, "assigned m1 in 1", `join "m1"`, "assigned m1 in 2"}, c.events)
}

// TestRejoin: a member may ask for the next generation itself.
func TestRejoin(t *testing.T) {
	c := &coordinator{rejoin: true, enough: 2}
	_, err := run(t, c)
	require.NoError(t, err)
	require.Equal(t, []string{`join ""`, "assigned m1 in 1", `join "m1"`, "assigned m1 in 2"}, c.events)
}

// TestHeartbeatsUntilCarriedOut: a member whose generation is over stays alive
// while it carries out its assignment, and does not join before.
func TestHeartbeatsUntilCarriedOut(t *testing.T) {
	over := kerr.RebalanceInProgress.Code
	c := &coordinator{heartbeat: []int16{0, over, over, over, over}, outcome: make(chan Outcome, 1), beats: 5, enough: 2}
	_, err := run(t, c)
	require.NoError(t, err)
	require.Equal(t, []string{`join ""`, "assigned m1 in 1", "carried out", `join "m1"`, "assigned m1 in 2"}, c.events)
}

// TestLostWhileCarryingOut: nobody waits for what will not be carried out.
func TestLostWhileCarryingOut(t *testing.T) {
	c := &coordinator{heartbeat: []int16{kerr.RebalanceInProgress.Code, kerr.IllegalGeneration.Code}, outcome: make(chan Outcome), enough: 2}
	_, err := run(t, c)
	require.NoError(t, err)
	require.Equal(t, []string{`join ""`, "assigned m1 in 1", "lost", `join "m1"`, "assigned m1 in 2"}, c.events)
}

// TestOutcomeFails: an assignment that cannot be carried out ends the membership.
func TestOutcomeFails(t *testing.T) {
	c := &coordinator{outcome: make(chan Outcome, 1)}
	c.outcome <- Outcome{Err: errors.New("no such plan")}
	_, err := run(t, c)
	require.ErrorContains(t, err, "no such plan")
}

func TestRefused(t *testing.T) {
	c := &coordinator{refused: "another topology"}
	m, err := run(t, c)
	require.ErrorContains(t, err, "another topology")
	require.NoError(t, m.Leave(t.Context())) // the others need not wait for the session
	require.Equal(t, `leave "m1"`, c.events[len(c.events)-1])
}

func TestFencedInstance(t *testing.T) {
	c := &coordinator{heartbeat: []int16{kerr.FencedInstanceID.Code}}
	_, err := run(t, c)
	require.ErrorIs(t, err, ErrFencedInstance)
	require.Contains(t, c.events, "lost")
}

// What the search for the coordinator is told is told of the group: a missing right is
// no reason to ask for ever.
func TestCoordinatorNotToldBecauseOfRights(t *testing.T) {
	err := failed(fmt.Errorf("unable to find the coordinator: %w", kerr.GroupAuthorizationFailed), "joining")
	require.True(t, isFatal(err))
	require.ErrorContains(t, err, "READ and DESCRIBE")
	require.False(t, isFatal(failed(kerr.CoordinatorNotAvailable, "joining")))
	require.False(t, isFatal(failed(context.DeadlineExceeded, "joining")))
}
