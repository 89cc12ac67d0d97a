package processortest_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/processor/processortest"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

var seen = state.KeyValue("seen", serde.String, serde.Int64)

// dedupe forwards each key once a minute, and the number of keys on request.
type dedupe struct {
	seen   *state.KV[string, int64]
	closed *bool
}

func (d *dedupe) Init(c *processor.Context, out *processor.Out[string, string]) error {
	d.seen = seen.In(c)
	c.Schedule(time.Minute, processor.WallClock, func(now int64) error {
		c.Commit()
		return d.seen.Delete("k")
	})
	c.Schedule(time.Hour, processor.StreamTime, func(now int64) error { return errors.New("too late") })
	return nil
}

func (d *dedupe) Process(c *processor.Context, r processor.Record[string, string], out *processor.Out[string, string]) error {
	switch r.Value {
	case "panic":
		panic("no")
	case "aside":
		return out.ForwardTo("aside", r)
	case "nowhere":
		return out.ForwardTo("nowhere", r)
	}
	_, dup, err := d.seen.Get(r.Key)
	if dup || err != nil {
		return err
	}
	r.Value = fmt.Sprintf("%s of %s/%d@%d", r.Value, c.Topic(), c.Partition(), c.Offset())
	return errors.Join(d.seen.Put(r.Key, r.Timestamp), out.Forward(r))
}

func (d *dedupe) Close() error { *d.closed = true; return nil }

func TestRunner(t *testing.T) {
	var closed bool
	t.Run("runs", func(t *testing.T) {
		r := processortest.New(t, &dedupe{closed: &closed}, processortest.Stores(seen), processortest.Children("aside"),
			processortest.From("orders", 2, 7), processortest.StartAt(time.UnixMilli(5000)))
		r.Send("k", "a")
		r.Send("k", "b")
		got := r.Forwarded()
		require.Len(t, got, 1)
		require.Equal(t, "a of orders/2@7", got[0].Value)
		require.Equal(t, int64(5000), got[0].Timestamp)
		require.Empty(t, r.Forwarded())

		r.Send("k", "aside")
		require.Equal(t, "aside", r.Forwarded()[0].Child)
		require.ErrorContains(t, r.Process(processor.Record[string, string]{Value: "nowhere"}), `no child "nowhere"`)
		require.ErrorAs(t, r.Process(processor.Record[string, string]{Value: "panic"}), new(*processor.PanicError))

		at, _, err := seen.In(r).Get("k")
		require.NoError(t, err)
		require.Equal(t, int64(5000), at)
		require.False(t, r.CommitRequested())
		next, ok := r.NextSchedule(processor.WallClock)
		require.True(t, ok)
		require.Equal(t, int64(65000), next.UnixMilli())
		require.NoError(t, r.Advance(time.Minute))
		require.True(t, r.CommitRequested())
		_, ok, err = seen.In(r).Get("k")
		require.NoError(t, err)
		require.False(t, ok)
		require.ErrorContains(t, r.AdvanceStream(time.UnixMilli(1)), "too late")
	})
	require.True(t, closed)
}

// A store that is not given to the runner is not connected.
func TestRunnerWithoutStore(t *testing.T) {
	var closed bool
	r := processortest.New(t, &dedupe{closed: &closed})
	require.ErrorContains(t, r.Process(processor.Record[string, string]{Key: "k"}), `node "processor" is not connected to store "seen"`)
}

func ExampleNewValues() {
	double := processor.ValueFunc[string, int64, int64](func(_ *processor.Context, r processor.Record[string, int64], out *processor.ValueOut[int64]) error {
		return out.Forward(2 * r.Value)
	})
	r := processortest.NewValues(tb{}, double)
	r.Send("k", 21)
	fmt.Println(r.Forwarded()[0].Value)
	// Output: 42
}

// tb stands for the testing.T of a real test.
type tb struct{}

func (tb) Helper()                           {}
func (tb) Errorf(format string, args ...any) { fmt.Printf(format, args...) }
func (tb) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (tb) Cleanup(func())                    {}
