package txn

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
)

// TestRecordBytes compares records with what Apache Kafka 4.3.1's own
// serializers make of the same values.
func TestRecordBytes(t *testing.T) {
	for _, c := range []struct {
		name  string
		x     *metadata
		value string
	}{
		{"prepared, with all tags", &metadata{
			producerID: 4000, epoch: 5, previousID: 3000, nextID: 5000, timeout: 10 * time.Second,
			state: PrepareCommit, version: 2,
			partitions: []coord.TopicPartition{tp("a", 0), tp("a", 2), tp("b", 1)},
			updated:    1_700_000_000_123, started: 1_700_000_000_100,
		}, "00010000000000000fa0000500002710020302610300000000000000020002620200000001000000018bcfe5687b0000018bcfe568640300080000000000000bb80108000000000000138802020002"},
		{"empty", &metadata{
			producerID: 4000, previousID: -1, nextID: -1, timeout: 10 * time.Second,
			updated: 1_700_000_000_123, started: -1,
		}, "00010000000000000fa000000000271000000000018bcfe5687bffffffffffffffff00"},
		{"forgotten", nil, ""},
	} {
		r := record("x", c.x)
		require.Equal(t, "0000000178", hex.EncodeToString(r.Key), c.name)
		require.Equal(t, c.value, hex.EncodeToString(r.Value), c.name)
		require.Equal(t, c.value == "", r.Value == nil, c.name)
	}
}
