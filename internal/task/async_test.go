package task_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/processor"
)

// Offsets cover a record only when the work beside the task is done, and
// results go on between commits when the owner is told of them.
func TestWorkBesideTheTask(t *testing.T) {
	release := make(chan struct{})
	topo := build(t, func(b *dsl.Builder) {
		b.Stream(in).
			TryMapValuesAsync(4, func(_ context.Context, r processor.Record[string, int64]) (int64, error) {
				<-release
				return r.Value, nil
			}).
			GroupByKey().
			Reduce("last", func(_, v int64) int64 { return v }).
			ToStream().
			To(out)
	})
	c := &collector{}
	told := make(chan struct{}, 8)
	tk := newTask(t, topo, c, func(cfg *task.Config) {
		cfg.Cache = nil
		cfg.Notify = func() { told <- struct{}{} }
	})
	require.NoError(t, tk.Enqueue("in", &list{records: []task.Record{rec(0, 1, "a", 1), rec(1, 2, "b", 2)}}, 0))
	drain(t, tk)
	_, err := tk.Punctuate(processor.WallClock, 0)
	require.NoError(t, err)
	require.Empty(t, c.sent)

	close(release)
	<-told
	<-told
	_, err = tk.Punctuate(processor.WallClock, 0)
	require.NoError(t, err)
	require.Len(t, c.sent, 4, "two outputs and their changelog records")

	require.NoError(t, tk.Enqueue("in", &list{records: []task.Record{rec(2, 3, "c", 3)}}, 0))
	drain(t, tk)
	require.NoError(t, tk.Flush(0))
	require.Len(t, c.sent, 6)
	require.Equal(t, int64(3), tk.Offsets(nil)[0].Offset)
}
