package dsl_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
)

var shouts = topology.NewTopic("shouts", serde.String, serde.String)

func async(t *testing.T, parallel int, f func(context.Context, processor.Record[string, string]) (string, error)) *topology.Topology {
	b := dsl.NewBuilder()
	b.Stream(words).TryMapValuesAsync(parallel, f).To(shouts)
	return build(t, b)
}

func queue(d *testdriver.Driver, values ...string) {
	for i, v := range values {
		d.Input(words).Queue(processor.Record[string, string]{Key: "k", Value: v, Timestamp: int64(i + 1), NullValue: v == "null"})
	}
	d.Run()
}

// Each call waits for the one after it, so none would return if they did not
// overlap; results keep the order all the same.
func TestAsyncKeepsOrder(t *testing.T) {
	started := map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{}), "c": make(chan struct{})}
	after := map[string]string{"a": "b", "b": "c"}
	topo := async(t, 3, func(ctx context.Context, r processor.Record[string, string]) (string, error) {
		close(started[r.Value])
		if next, ok := after[r.Value]; ok {
			select {
			case <-started[next]:
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		return fmt.Sprint(strings.ToUpper(r.Value), r.Timestamp), nil
	})
	d := testdriver.New(t, topo, testdriver.ManualCommit())
	queue(d, "a", "null", "b", "c")
	out := d.Output(shouts)
	require.True(t, out.Empty(), "nothing was committed")
	d.Commit()
	got := out.All()
	require.Len(t, got, 4)
	for i, want := range []string{"A1", "", "B3", "C4"} {
		require.Equal(t, want, got[i].Value)
		require.Equal(t, int64(i+1), got[i].Timestamp)
		require.Equal(t, want == "", got[i].NullValue)
	}
}

// More records than may wait push the oldest results out.
func TestAsyncBacklog(t *testing.T) {
	topo := async(t, 1, func(_ context.Context, r processor.Record[string, string]) (string, error) { return r.Value, nil })
	d := testdriver.New(t, topo, testdriver.ManualCommit())
	queue(d, "1", "2", "3", "4", "5", "6")
	require.Len(t, d.Output(shouts).All(), 2)
	d.Commit()
	require.Len(t, d.Output(shouts).All(), 6)
}

func TestAsyncFailures(t *testing.T) {
	topo := async(t, 2, func(_ context.Context, r processor.Record[string, string]) (string, error) {
		switch r.Value {
		case "fail":
			return "", errors.New("refused")
		case "panic":
			panic("lost my mind")
		}
		return r.Value, nil
	})
	var seen []string
	d := testdriver.New(t, topo, testdriver.ManualCommit(), testdriver.DeadLetters("dead"),
		testdriver.OnFailure(func(_ *processor.Context, f *processor.Failure) processor.Action {
			seen = append(seen, fmt.Sprintf("%s %s/%d@%d %v %v stack=%v", f.Stage, f.Topic, f.Partition, f.Offset, f.Value, f.Err, f.Stack != nil))
			return processor.DeadLetter
		}))
	queue(d, "ok", "fail", "panic", "fine")
	d.Commit()
	require.Equal(t, []string{
		"process words/0@1 fail refused stack=false",
		"process words/0@2 panic panic: lost my mind stack=true",
	}, seen)
	require.Len(t, d.Output(shouts).All(), 2)
	dead := d.Output(topology.NewTopic("dead", serde.String, serde.String)).All()
	require.Len(t, dead, 2)
	require.Equal(t, "fail", dead[0].Value, "the bytes of the record, though the task is long past it")
	require.Equal(t, int64(3), dead[1].Timestamp)
	require.Equal(t, map[string]int64{processor.DropFailed: 2}, d.Dropped())
}

// A task that ends does not leave calls behind.
func TestAsyncClose(t *testing.T) {
	ended := make(chan struct{})
	topo := async(t, 1, func(ctx context.Context, _ processor.Record[string, string]) (string, error) {
		defer close(ended)
		<-ctx.Done()
		return "", ctx.Err()
	})
	d := testdriver.New(t, topo, testdriver.ManualCommit())
	queue(d, "a")
	d.Close()
	select {
	case <-ended:
	default:
		t.Fatal("the call outlives the task")
	}
}

// A task that is stopped anywhere and starts again from its commit calls f
// again for what was not committed, and nothing is lost or doubled.
func TestAsyncCrashes(t *testing.T) {
	b := dsl.NewBuilder()
	b.Stream(words).
		TryMapValuesAsync(3, func(_ context.Context, r processor.Record[string, string]) (string, error) { return r.Value, nil }).
		GroupByKey().
		Reduce("all", func(a, v string) string { return a + v }).
		ToStream().
		To(shouts)
	topo := build(t, b)
	for seed := range uint64(5) {
		d := testdriver.New(t, topo, testdriver.WithCrashes(seed), testdriver.ManualCommit())
		want := ""
		for i := range 40 {
			v := string(rune('a' + i%26))
			want += v
			d.Input(words).SendRecord(processor.Record[string, string]{Key: "k", Value: v})
			if i%5 == 4 {
				d.Commit()
			}
		}
		d.Commit()
		require.Equal(t, want, testdriver.ReadMap(d.Output(shouts))["k"])
	}
}

func TestAsyncMistake(t *testing.T) {
	b := dsl.NewBuilder()
	b.Stream(words).TryMapValuesAsync(0, func(_ context.Context, r processor.Record[string, string]) (string, error) { return r.Value, nil })
	_, err := b.Build()
	require.ErrorContains(t, err, "at least one is needed")
}
