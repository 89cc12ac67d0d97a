package testdriver_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
)

var (
	lines = topology.NewTopic("lines", serde.String, serde.String)
	loud  = topology.NewTopic("loud", serde.String, serde.String)
)

func TestChain(t *testing.T) {
	b := dsl.NewBuilder()
	b.Stream(lines).MapValues(strings.ToUpper).SelectKey(func(_, v string) string { return v[:1] }).Repartition("by").To(loud)
	topo, err := b.Build()
	require.NoError(t, err)
	for _, opts := range [][]testdriver.Option{nil, {testdriver.Partitions(3)}} {
		d := testdriver.New(t, topo, opts...)
		d.Input(lines).Send("k", "hello")
		d.Input(lines).SendRecord(processor.Record[string, string]{Key: "k", Value: "world", Timestamp: 7})
		out := d.Output(loud)
		r := out.Read()
		require.Equal(t, "H", r.Key)
		require.Equal(t, "HELLO", r.Value)
		require.Equal(t, d.Now().UnixMilli(), r.Timestamp)
		require.Equal(t, map[string]string{"W": "WORLD"}, testdriver.ReadMap(out))
		require.True(t, out.Empty())
	}
}
