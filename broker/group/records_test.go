package group

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestRecordBytes compares records with what Apache Kafka 4.3.1's own
// serializers make of the same values.
func TestRecordBytes(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123)
	o := &offset{offset: 42, leaderEpoch: 3, metadata: "meta", committed: at}
	withID := *o
	withID.topicID = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	g := newGroup("my-group")
	g.protocolType, g.generation, g.since = "consumer", 8, at
	empty := g.snapshot()
	g.generation, g.protocol = 7, "range"
	g.add(&member{
		id: "m-1", instance: kmsg.StringPtr("i"), clientID: "c", host: "/127.0.0.1",
		session: 10 * time.Second, rebalance: 30 * time.Second,
		protocols: []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{1, 2}}}, assignment: []byte{3},
	})
	tp := topicPartition{"in", 3}
	const offsetKey = "000100086d792d67726f75700002696e00000003"
	const groupKey = "000200086d792d67726f7570"
	for _, c := range []struct {
		name       string
		record     coord.Record
		key, value string
	}{
		{"offset", offsetRecord("my-group", tp, o), offsetKey, "0003000000000000002a0000000300046d6574610000018bcfe5687b"},
		{"offset by topic id", offsetRecord("my-group", tp, &withID), offsetKey, "0004000000000000002a00000003056d6574610000018bcfe5687b0100100102030405060708090a0b0c0d0e0f10"},
		{"offset deleted", offsetRecord("my-group", tp, nil), offsetKey, ""},
		{"group", groupRecord("my-group", g.snapshot()), groupKey, "00030008636f6e73756d657200000007000572616e676500036d2d310000018bcfe5687b0000000100036d2d31000169000163000a2f3132372e302e302e3100007530000027100000000201020000000103"},
		{"group without members", groupRecord("my-group", empty), groupKey, "00030008636f6e73756d657200000008ffffffff0000018bcfe5687b00000000"},
		{"group deleted", groupRecord("my-group", nil), groupKey, ""},
	} {
		require.Equal(t, c.key, hex.EncodeToString(c.record.Key), c.name)
		require.Equal(t, c.value, hex.EncodeToString(c.record.Value), c.name)
		require.Equal(t, c.value == "", c.record.Value == nil, c.name)
	}
}

// TestReplayOldRecords reads versions this package does not write.
func TestReplayOldRecords(t *testing.T) {
	m := NewMachine(Config{})
	tp := topicPartition{"in", 3}
	k := kmsg.OffsetCommitKey{Version: 0, Group: "g", Topic: tp.topic, Partition: tp.partition}
	for version := int16(0); version <= 2; version++ {
		v := kmsg.NewOffsetCommitValue()
		v.Version, v.Offset = version, int64(version)
		require.NoError(t, m.Replay(coord.Record{Key: k.AppendTo(nil), Value: v.AppendTo(nil)}))
		require.Equal(t, int64(version), m.groups["g"].offsets[tp].offset.offset)
		require.Equal(t, int32(-1), m.groups["g"].offsets[tp].leaderEpoch)
	}
	require.NoError(t, m.Replay(coord.Record{Key: []byte{0, 3, 1, 2}, Value: []byte{9}}), "records of other group types are skipped")
	require.Error(t, m.Replay(coord.Record{Key: []byte{0}}))
	require.Error(t, m.Replay(coord.Record{Key: []byte{0, 1, 0, 9, 'x'}}))
}
