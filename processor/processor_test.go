package processor_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/processor"
)

// sink keeps what it is given, with the frame of that moment.
type sink struct {
	got    []string
	frames []processor.Frame
}

func (s *sink) Process(c *processor.Context, k string, v int) error {
	s.got = append(s.got, fmt.Sprintf("%s=%d", k, v))
	s.frames = append(s.frames, *c.Frame())
	return nil
}

func node(c *processor.Context, f processor.Func[string, int, string, int], children ...processor.Child[string, int]) *processor.UserNode[string, int, string, int] {
	out := processor.NewOut(c, "user", children, nil, nil)
	return processor.NewUserNode(f, out, &processor.Scope{Node: "user", Stores: []string{"mine"}})
}

func TestForward(t *testing.T) {
	a, b := &sink{}, &sink{}
	c := processor.NewContext(processor.Env{})
	*c.Frame() = processor.Frame{Topic: "in", Timestamp: 5, Headers: processor.Headers{{Key: "h"}}}
	n := node(c, func(c *processor.Context, r processor.Record[string, int], out *processor.Out[string, int]) error {
		later := r
		later.Timestamp, later.Headers, later.NullValue = 9, nil, true
		if err := errors.Join(out.Forward(later), out.ForwardTo("b", r)); err != nil {
			return err
		}
		require.EqualValues(t, 5, c.Timestamp())
		return nil
	}, processor.Child[string, int]{Name: "a", Node: a}, processor.Child[string, int]{Name: "b", Node: b})
	require.NoError(t, n.Process(c, "k", 1))
	require.Equal(t, []string{"k=0"}, a.got)
	require.Equal(t, []string{"k=0", "k=1"}, b.got)
	require.EqualValues(t, 9, b.frames[0].Timestamp)
	require.Nil(t, b.frames[0].Headers)
	require.True(t, b.frames[0].NullValue)
	require.EqualValues(t, 5, b.frames[1].Timestamp)
	require.False(t, b.frames[1].NullValue)
	require.Equal(t, "in", b.frames[1].Topic)
}

func TestForwardRefuses(t *testing.T) {
	for want, f := range map[string]processor.Func[string, int, string, int]{
		`node "user" has no child "x"`: func(_ *processor.Context, r processor.Record[string, int], out *processor.Out[string, int]) error {
			return out.ForwardTo("x", r)
		},
		"negative timestamp -1": func(_ *processor.Context, r processor.Record[string, int], out *processor.Out[string, int]) error {
			r.Timestamp = -1
			return out.Forward(r)
		},
		"panic: no": func(*processor.Context, processor.Record[string, int], *processor.Out[string, int]) error {
			panic("no")
		},
	} {
		err := node(processor.NewContext(processor.Env{}), f).Process(processor.NewContext(processor.Env{}), "k", 1)
		require.ErrorContains(t, err, want)
		require.True(t, processor.IsFatal(err))
		var failure *processor.Failure
		require.ErrorAs(t, err, &failure)
		require.Equal(t, "user", failure.Node)
		require.Equal(t, processor.StageProcess, failure.Stage)
	}
}

// An error of the framework passes through user code, also through code that
// swallows it.
func TestFatalErrorsCannotBeSwallowed(t *testing.T) {
	broken := errors.New("store is broken")
	asked := false
	c := processor.NewContext(processor.Env{OnFailure: func(*processor.Context, *processor.Failure) error { asked = true; return nil }})
	bad := &failing{broken}
	n := node(c, func(_ *processor.Context, r processor.Record[string, int], out *processor.Out[string, int]) error {
		_ = out.Forward(r)
		return nil
	}, processor.Child[string, int]{Name: "bad", Node: bad})
	require.ErrorIs(t, n.Process(c, "k", 1), broken)
	require.ErrorIs(t, c.Err(), broken)
	require.False(t, asked)
}

type failing struct{ err error }

func (f *failing) Process(c *processor.Context, _ string, _ int) error { return c.Broken("bad", f.err) }

func TestSkippedFailuresAreCounted(t *testing.T) {
	drops := map[string]int{}
	c := processor.NewContext(processor.Env{
		OnFailure: func(*processor.Context, *processor.Failure) error { return nil },
		OnDrop:    func(reason string) { drops[reason]++ },
	})
	n := node(c, func(*processor.Context, processor.Record[string, int], *processor.Out[string, int]) error {
		return errors.New("no")
	})
	require.NoError(t, n.Process(c, "k", 1))
	require.Equal(t, map[string]int{processor.DropFailed: 1}, drops)
	require.NoError(t, c.Fatal())
}

func TestStoresMustBeConnected(t *testing.T) {
	c := processor.NewContext(processor.Env{
		Store:  func(name string) any { return name },
		Global: func(name string) bool { return name == "global" },
	})
	defer c.Enter(c.Enter(&processor.Scope{Node: "user", Stores: []string{"mine"}}))
	require.Equal(t, "mine", c.Store("mine"))
	require.Equal(t, "global", c.Store("global"))
	err, _ := c.Store("other").(error)
	require.ErrorContains(t, err, `node "user" is not connected to store "other"`)
}

// punctuate moves a clock to each time and notes who is called.
func punctuate(t *testing.T, by processor.Clock, times []int64, schedule func(c *processor.Context, note func(string) func(int64) error)) (calls []string) {
	t.Helper()
	c := processor.NewContext(processor.Env{})
	if by == processor.WallClock {
		c.Frame().WallClock = 1000
	}
	schedule(c, func(name string) func(int64) error {
		return func(now int64) error {
			require.Equal(t, now, c.Timestamp())
			require.EqualValues(t, -1, c.Offset())
			calls = append(calls, fmt.Sprintf("%s@%d", name, now))
			return nil
		}
	})
	for _, at := range times {
		if by == processor.WallClock {
			c.Frame().WallClock = at
		} else {
			c.Frame().StreamTime = at
		}
		_, err := c.Punctuate(by)
		require.NoError(t, err)
	}
	return calls
}

func TestStreamTimeSchedules(t *testing.T) {
	calls := punctuate(t, processor.StreamTime, []int64{-1, 3, 9, 10, 47, 49, 50}, func(c *processor.Context, note func(string) func(int64) error) {
		c.Schedule(10*time.Millisecond, processor.StreamTime, note("ten"))
		c.Schedule(25*time.Millisecond, processor.StreamTime, note("tick"))
	})
	require.Equal(t, []string{"ten@3", "tick@3", "ten@10", "ten@47", "tick@47", "ten@50", "tick@50"}, calls)
}

func TestWallClockSchedules(t *testing.T) {
	calls := punctuate(t, processor.WallClock, []int64{1000, 1034, 1069, 1100, 1500}, func(c *processor.Context, note func(string) func(int64) error) {
		c.Schedule(100*time.Millisecond, processor.WallClock, note("hundred"))
		c.ScheduleFrom(time.UnixMilli(1035), 70*time.Millisecond, processor.WallClock, note("anchored"))
		c.ScheduleFrom(time.UnixMilli(40), 500*time.Millisecond, processor.WallClock, note("past"))
	})
	// The grids: 1100, 1200, …; 1035, 1105, …; 1040, 1540, ….
	require.Equal(t, []string{
		"anchored@1069", "past@1069", "hundred@1100", "anchored@1500", "hundred@1500",
	}, calls)
}

func TestSchedulesCanCancelThemselves(t *testing.T) {
	n := 0
	punctuate(t, processor.StreamTime, []int64{0, 1, 2, 3, 4}, func(c *processor.Context, _ func(string) func(int64) error) {
		var cancel func()
		cancel = c.Schedule(time.Millisecond, processor.StreamTime, func(int64) error {
			if n++; n == 2 {
				cancel()
			}
			return nil
		})
	})
	require.Equal(t, 2, n)
}

func TestSchedulesMustHaveAnInterval(t *testing.T) {
	c := processor.NewContext(processor.Env{})
	c.Schedule(0, processor.StreamTime, func(int64) error { return nil })
	require.ErrorContains(t, c.Fatal(), "the interval must be at least 1ms")
}

func TestMetadata(t *testing.T) {
	c := processor.NewContext(processor.Env{})
	_, ok := c.Metadata("store")
	require.False(t, ok)
	c.SetMetadata("store", 7)
	m, changed := c.TakeMetadata()
	require.True(t, changed)
	require.Equal(t, map[string]int64{"store": 7}, m)
	c.SetMetadata("store", 7)
	_, changed = c.TakeMetadata()
	require.False(t, changed)
}
