package group

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzReplay feeds the machine records of any content: it must refuse or skip
// what it cannot read and stay usable.
func FuzzReplay(f *testing.F) {
	o := &offset{offset: 3, metadata: "m", topicID: [16]byte{1}, committed: time.UnixMilli(5)}
	r := offsetRecord("g", topicPartition{"ta", 0}, o)
	f.Add(r.Key, r.Value, uint8(0), int64(1))
	f.Add(r.Key, r.Value, uint8(1), int64(1))
	f.Add(r.Key, []byte(nil), uint8(0), int64(1))
	g := newGroup("g")
	g.add(&member{id: "m", protocols: []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte("x")}}})
	g.protocol, g.protocolType = "range", "consumer"
	r = groupRecord("g", g.snapshot())
	f.Add(r.Key, r.Value, uint8(0), int64(1))
	f.Add([]byte{0, 9, 1}, []byte("future"), uint8(0), int64(1))
	f.Fuzz(func(t *testing.T, key, value []byte, kind uint8, pid int64) {
		m := NewMachine(Config{})
		now := time.UnixMilli(1_700_000_000_000)
		_ = m.Replay(coord.Record{Kind: coord.Kind(kind % 4), ProducerID: pid, Key: key, Value: value, Time: now})
		m.applyMarker(now, pid, 1, true, 0)
		st := &coord.Step{Now: now}
		m.Loaded(st)
		m.list(nil, nil)
		for id := range m.groups {
			m.describe(id, 6)
			m.offsetFetch(id, nil, true)
		}
		for range 100 { // members may ask for any timeouts
			at, ok := m.Next()
			if !ok {
				break
			}
			if at.After(st.Now) {
				st.Now = at
			}
			m.Tick(st)
		}
	})
}

// FuzzRequests decodes requests from any bytes and runs them one after the
// other: no input may make the coordinator panic.
func FuzzRequests(f *testing.F) {
	for _, key := range []int16{8, 9, 11, 12, 13, 14, 15, 16, 28, 42, 47} {
		f.Add(uint8(key), uint8(9), []byte{})
	}
	seed := joinRequest("g", "")
	seed.Version = 9
	f.Add(uint8(11), uint8(9), seed.AppendTo(nil))
	seed.Version = 3
	f.Add(uint8(11), uint8(3), seed.AppendTo(nil))
	commit := commitRequest("g", "", -1, "ta", 0, 1)
	f.Add(uint8(8), uint8(9), commit.AppendTo(nil))
	txn := kmsg.NewPtrTxnOffsetCommitRequest()
	txn.Version, txn.TransactionalID, txn.Group, txn.Generation = 6, "x", "g", -1
	txn.Topics = []kmsg.TxnOffsetCommitRequestTopic{{
		TopicID: [16]byte{1}, Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{Offset: 1}},
	}}
	f.Add(uint8(28), uint8(6), txn.AppendTo(nil))
	f.Fuzz(func(t *testing.T, key, version uint8, body []byte) {
		req := kmsg.RequestForKey(int16(key))
		if req == nil {
			return
		}
		req.SetVersion(int16(version) % (req.MaxVersion() + 1))
		if err := req.ReadFrom(body); err != nil {
			return
		}
		m := NewMachine(Config{})
		c := NewCoordinator(Config{}, topics{}, new(transactions))
		st := &coord.Step{Now: time.UnixMilli(1_700_000_000_000)}
		for range 2 {
			var resp kmsg.Response
			switch req := req.(type) {
			case *kmsg.JoinGroupRequest:
				m.joinGroup(st, client, req, coord.NewPromise[*kmsg.JoinGroupResponse]())
			case *kmsg.SyncGroupRequest:
				m.syncGroup(st, req, coord.NewPromise[*kmsg.SyncGroupResponse]())
			case *kmsg.HeartbeatRequest:
				m.heartbeat(st, req)
			case *kmsg.LeaveGroupRequest:
				resp = m.leaveGroup(st, req)
			case *kmsg.OffsetCommitRequest: // without a shard: everything up to it
				resp = c.OffsetCommit(t.Context(), client, req)
			case *kmsg.OffsetFetchRequest:
				resp = c.OffsetFetch(t.Context(), client, req)
			case *kmsg.TxnOffsetCommitRequest:
				resp = c.TxnOffsetCommit(t.Context(), client, req)
			case *kmsg.DescribeGroupsRequest:
				resp = c.DescribeGroups(t.Context(), client, req)
			case *kmsg.DeleteGroupsRequest:
				resp = c.DeleteGroups(t.Context(), client, req)
			case *kmsg.OffsetDeleteRequest:
				resp = m.offsetDelete(st, req)
			}
			if resp != nil {
				resp.AppendTo(nil)
			}
		}
		records, effects := st.Take()
		for _, e := range effects {
			e.Commit()
		}
		replayed := NewMachine(Config{})
		for _, r := range records {
			require.NoError(t, replayed.Replay(r))
		}
		require.True(t, sameDurable(replayed, m))
	})
}

// FuzzOffsetRecord checks that what is committed is what a replay reads.
func FuzzOffsetRecord(f *testing.F) {
	f.Add("g", "ta", int32(1), int64(5), int32(2), "meta", int64(7), byte(1))
	f.Fuzz(func(t *testing.T, group, topic string, partition int32, at int64, epoch int32, metadata string, ms int64, id byte) {
		if len(group) > 1<<15-1 || len(topic) > 1<<15-1 || len(metadata) > 1<<15-1 || ms < 0 || ms > 1<<50 {
			return
		}
		want := &offset{offset: at, leaderEpoch: epoch, metadata: metadata, topicID: [16]byte{id}, committed: time.UnixMilli(ms)}
		r := offsetRecord(group, topicPartition{topic, partition}, want)
		b := kbin.Reader{Src: r.Key}
		require.Equal(t, int16(keyOffset), b.Int16())
		m := NewMachine(Config{})
		require.NoError(t, m.Replay(r))
		require.Equal(t, want, m.groups[group].offsets[topicPartition{topic, partition}].offset)
	})
}
