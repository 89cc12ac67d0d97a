package runtime

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestPartitionersSeeHeaders: a partitioner of an output and of a repartition
// topic decides by a header, from the first topic to the last.
func TestPartitionersSeeHeaders(t *testing.T) {
	r := newRig(t, map[string]int32{"lines": 1, "out": 3})
	byHeader := func(r processor.Record[string, string], n int32) int32 {
		v, _ := r.Headers.Get("shard")
		p, err := strconv.Atoi(string(v))
		if err != nil {
			return -1
		}
		return int32(p) % n
	}
	b := dsl.NewBuilder()
	b.Stream(linesTopic).
		Repartition("moved", dsl.Partitions(3), dsl.PartitionByRecord(byHeader)).
		TryMapValues(func(c *processor.Context, r processor.Record[string, string]) (string, error) {
			return fmt.Sprint(r.Value, " through ", c.Partition()), nil
		}).
		To(outTopic.WithRecordPartitioner(byHeader))
	topo, err := b.Build()
	require.NoError(t, err)
	p := r.start(topo, r.config("app"))
	for i := range 30 {
		require.NoError(t, r.client.ProduceSync(t.Context(), &kgo.Record{
			Topic: "lines", Key: []byte("k"), Value: []byte(strconv.Itoa(i)),
			Headers: []kgo.RecordHeader{{Key: "shard", Value: []byte(strconv.Itoa(i))}},
		}).FirstErr())
	}
	for part := range int32(3) {
		for i, rec := range r.committed("out", part, count(10)) {
			require.Equal(t, fmt.Sprint(3*i+int(part), " through ", part), string(rec.Value))
		}
	}
	require.NoError(t, p.stop())
}
