package testdriver_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
)

func shard(h processor.Headers) int32 {
	v, _ := h.Get("shard")
	n, err := strconv.Atoi(string(v))
	if err != nil {
		return -1
	}
	return int32(n)
}

func sharded(k, v, shard string) processor.Record[string, string] {
	return processor.Record[string, string]{Key: k, Value: v, Headers: processor.Headers{{Key: "shard", Value: []byte(shard)}}}
}

// placed lists the records of a topic as key@partition.
func placed(d *testdriver.Driver, topic string) (all []string) {
	for _, r := range d.Records() {
		if r.Topic == topic {
			all = append(all, string(r.Key)+"@"+strconv.Itoa(int(r.Partition)))
		}
	}
	return all
}

// Partitioners see the headers that the record is written with: those of the
// record at hand, after what processors did to them.
func TestPartitionersSeeHeaders(t *testing.T) {
	in := topology.NewTopic("in", serde.String, serde.String)
	byHeader := func(r processor.Record[string, string], _ int32) int32 { return shard(r.Headers) }
	one := topology.NewTopic("one", serde.String, serde.String).WithRecordPartitioner(byHeader)
	many := topology.NewTopic("many", serde.String, serde.String).
		WithRecordPartitions(func(dst []int32, r processor.Record[string, string], n int32) []int32 {
			for p := shard(r.Headers); p >= 0 && p < n; p++ {
				dst = append(dst, p)
			}
			return dst
		})
	b := dsl.NewBuilder()
	s := b.Stream(in)
	s.To(one)
	s.To(many)
	s.Repartition("r", dsl.Partitions(3), dsl.PartitionByRecord(byHeader)).ForEach(func(string, string) {})
	topo, err := b.Build()
	require.NoError(t, err)
	d := testdriver.New(t, topo, testdriver.Partitions(3))
	d.Input(in).SendRecord(sharded("a", "", "2"))
	d.Input(in).SendRecord(sharded("b", "", "1"))
	d.Input(in).SendRecord(sharded("c", "", "no number"))
	require.Equal(t, []string{"a@2", "b@1"}, placed(d, "one"))
	require.Equal(t, []string{"a@2", "b@1", "b@2"}, placed(d, "many"))
	require.Equal(t, []string{"a@2", "b@1"}, placed(d, "test-r-repartition"))
	require.EqualValues(t, 3, d.Dropped()[processor.DropPartition])
}

// The topics of a foreign-key join are partitioned by the headers of the row
// that asks.
func TestForeignKeyPartitionersSeeHeaders(t *testing.T) {
	left := topology.NewTopic("left", serde.String, serde.String)
	right := topology.NewTopic("right", serde.String, serde.String)
	byHeader := func(_ string, h processor.Headers, _ int32) int32 { return shard(h) }
	b := dsl.NewBuilder()
	var got []string
	b.Table(left, "left").
		JoinOn("j", b.Table(right, "right"), func(_, v string) (string, bool) { return v, true }, func(v, o string) string { return v + o },
			dsl.PartitionForeignByHeaders(byHeader), dsl.PartitionRowsByHeaders(byHeader)).
		ToStream().
		ForEach(func(k, v string) { got = append(got, k+"="+v) })
	topo, err := b.Build()
	require.NoError(t, err)
	d := testdriver.New(t, topo, testdriver.Partitions(3))
	for p, k := range []string{"a", "b", "c"} {
		d.SendRaw(processor.RawRecord{Topic: "right", Partition: int32(p), Key: []byte("f" + k), Value: []byte("!")})
		d.SendRaw(processor.RawRecord{Topic: "left", Partition: int32(p), Key: []byte(k), Value: []byte("f" + k), Headers: sharded("", "", strconv.Itoa(p)).Headers})
	}
	require.Equal(t, []string{"a=fa!", "b=fb!", "c=fc!"}, got)
	require.Equal(t, []string{"fa@0", "fb@1", "fc@2"}, placed(d, "test-j-subscription-registration-topic"))
	require.Equal(t, []string{"a@0", "b@1", "c@2"}, placed(d, "test-j-subscription-response-topic"))
}
