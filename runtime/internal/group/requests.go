package group

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/runtime/internal/assign"
)

// codeError turns a coordinator's code into an error: fatal where asking again
// cannot help.
func codeError(code int16, what string) error {
	err := kerr.ErrorForCode(code)
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("group: %s: %w", what, err)
	switch err {
	case kerr.FencedInstanceID:
		return fmt.Errorf("%w: %s", ErrFencedInstance, what)
	case kerr.InconsistentGroupProtocol:
		return &fatalError{fmt.Errorf("%w: other members of the group are no members of this application: choose another ApplicationID", wrapped)}
	case kerr.GroupAuthorizationFailed:
		return &fatalError{fmt.Errorf("%w: the client needs the rights READ and DESCRIBE on the group, whose name is the ApplicationID", wrapped)}
	case kerr.InvalidGroupID, kerr.InvalidSessionTimeout, kerr.GroupMaxSizeReached, kerr.UnsupportedVersion:
		return &fatalError{wrapped}
	}
	return wrapped
}

// failed is a request that got no answer. What the search for the coordinator was
// told is judged as if the coordinator itself had said so.
func failed(err error, what string) error {
	if told := (*kerr.Error)(nil); errors.As(err, &told) {
		return codeError(told.Code, what)
	}
	return fmt.Errorf("group: %s: %w", what, err)
}

// join asks to be in the next generation and returns the answer, which is the
// member list on the leader.
func (m *Member) join(ctx context.Context) (*kmsg.JoinGroupResponse, error) {
	for {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group = m.cfg.Group
		req.SessionTimeoutMillis = int32(m.cfg.Session.Milliseconds())
		req.RebalanceTimeoutMillis = int32(m.cfg.Rebalance.Milliseconds())
		req.MemberID, req.InstanceID = m.id, m.instance()
		req.ProtocolType = "consumer"
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = protocol, m.metadata()
		req.Protocols = append(req.Protocols, p)
		r, err := m.cfg.Client.Request(ctx, req)
		if err != nil {
			return nil, failed(err, "joining")
		}
		resp := r.(*kmsg.JoinGroupResponse)
		if resp.ErrorCode == kerr.MemberIDRequired.Code {
			m.id = resp.MemberID
			continue
		}
		if err := codeError(resp.ErrorCode, "joining"); err != nil {
			return nil, err
		}
		m.id, m.generation = resp.MemberID, resp.Generation
		return resp, nil
	}
}

// metadata is the consumer protocol's blob, so that Kafka's tools understand
// it, with the subscription as user data.
func (m *Member) metadata() []byte {
	s := m.cfg.Handler.Subscription()
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version = 2
	meta.Topics = m.cfg.Topics()
	meta.Generation = s.Generation
	meta.UserData = s.AppendTo(nil)
	for topic, partitions := range m.partitions(s.Owned) {
		o := kmsg.NewConsumerMemberMetadataOwnedPartition()
		o.Topic, o.Partitions = topic, partitions
		meta.OwnedPartitions = append(meta.OwnedPartitions, o)
	}
	return meta.AppendTo(nil)
}

func (m *Member) partitions(tasks []assign.Task) map[string][]int32 {
	all := make(map[string][]int32)
	for _, t := range tasks {
		for topic, ps := range m.cfg.Place(t) {
			all[topic] = append(all[topic], ps...)
		}
	}
	return all
}

// sync sends the plan (on the leader) and returns this member's assignment.
func (m *Member) sync(ctx context.Context, join *kmsg.JoinGroupResponse) (assign.Assignment, error) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.Generation, req.MemberID, req.InstanceID = m.cfg.Group, m.generation, m.id, m.instance()
	req.ProtocolType = kmsg.StringPtr("consumer")
	req.Protocol = kmsg.StringPtr(protocol)
	if join.LeaderID == m.id && !join.SkipAssignment {
		plan, err := m.balance(ctx, join.Members)
		if err != nil {
			return assign.Assignment{}, err
		}
		req.GroupAssignment = plan
	}
	r, err := m.cfg.Client.Request(ctx, req)
	if err != nil {
		return assign.Assignment{}, failed(err, "syncing")
	}
	resp := r.(*kmsg.SyncGroupResponse)
	if err := codeError(resp.ErrorCode, "syncing"); err != nil {
		return assign.Assignment{}, err
	}
	blob := kmsg.NewConsumerMemberAssignment()
	if err := blob.ReadFrom(resp.MemberAssignment); err != nil {
		return assign.Assignment{}, errors.Join(kerr.UnknownMemberID, fmt.Errorf("group: malformed assignment: %w", err))
	}
	return assign.ParseAssignment(blob.UserData)
}

// balance plans the generation on the leader.
func (m *Member) balance(ctx context.Context, joined []kmsg.JoinGroupResponseMember) ([]kmsg.SyncGroupRequestGroupAssignment, error) {
	members := make(map[string]assign.Subscription, len(joined))
	for _, j := range joined {
		meta := kmsg.NewConsumerMemberMetadata()
		if err := meta.ReadFrom(j.ProtocolMetadata); err != nil {
			return nil, &fatalError{fmt.Errorf("group: metadata of member %s: %w", j.MemberID, err)}
		}
		s, err := assign.ParseSubscription(meta.UserData)
		if err != nil {
			return nil, &fatalError{fmt.Errorf("group: metadata of member %s: %w", j.MemberID, err)}
		}
		members[j.MemberID] = s
	}
	plan, err := m.cfg.Handler.Balance(ctx, members)
	if err != nil {
		return nil, &fatalError{err}
	}
	var out []kmsg.SyncGroupRequestGroupAssignment
	for _, id := range slices.Sorted(maps.Keys(members)) {
		a := plan[id]
		blob := kmsg.NewConsumerMemberAssignment()
		blob.Version = 1
		for topic, partitions := range m.partitions(a.Tasks) {
			t := kmsg.NewConsumerMemberAssignmentTopic()
			t.Topic, t.Partitions = topic, partitions
			blob.Topics = append(blob.Topics, t)
		}
		blob.UserData = a.AppendTo(nil)
		ga := kmsg.NewSyncGroupRequestGroupAssignment()
		ga.MemberID, ga.MemberAssignment = id, blob.AppendTo(nil)
		out = append(out, ga)
	}
	return out, nil
}

func (m *Member) heartbeat(ctx context.Context) error {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.Generation, req.MemberID, req.InstanceID = m.cfg.Group, m.generation, m.id, m.instance()
	r, err := m.cfg.Client.Request(ctx, req)
	if err != nil {
		return failed(err, "heartbeat")
	}
	return codeError(r.(*kmsg.HeartbeatResponse).ErrorCode, "heartbeat")
}
