package dsl_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
)

// A topic without keys is read and written with the serde of nothing.
func TestVoidKeys(t *testing.T) {
	in := topology.NewTopic("in", serde.Void, serde.String)
	out := topology.NewTopic("out", serde.Void, serde.Int64)
	b := dsl.NewBuilder()
	b.Stream(in).MapValues(func(s string) int64 { return int64(len(s)) }).To(out)
	d := testdriver.New(t, build(t, b))
	d.Input(in).Send(struct{}{}, "four")
	r := d.Output(out).Read()
	require.Equal(t, int64(4), r.Value)
	require.True(t, r.NullKey)
}
