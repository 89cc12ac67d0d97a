package windowing

import (
	"encoding/hex"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/thalweg/thalweg/serde"
)

const ms = time.Millisecond

func starts(w Windows, ts int64) (all []int64) {
	for s, ok := w.First(ts); ok; s, ok = w.Next(s, ts) {
		all = append(all, s)
	}
	return all
}

func TestWindowsOfATimestamp(t *testing.T) {
	for _, c := range []struct {
		w    Windows
		ts   int64
		want []int64
	}{
		{Tumbling(10 * ms), 0, []int64{0}},
		{Tumbling(10 * ms), 9, []int64{0}},
		{Tumbling(10 * ms), 10, []int64{10}},
		{Hopping(10*ms, 4*ms), 3, []int64{0}},
		{Hopping(10*ms, 4*ms), 9, []int64{0, 4, 8}},
		{Hopping(10*ms, 4*ms), 10, []int64{4, 8}},
		{Hopping(12*ms, 5*ms), 20, []int64{10, 15, 20}},
		{Unlimited(), 7, []int64{0}},
		{Unlimited().StartOn(time.UnixMilli(8)), 7, nil},
		{Unlimited().StartOn(time.UnixMilli(8)), 8, []int64{8}},
	} {
		require.NoError(t, c.w.Validate())
		require.Equal(t, c.want, starts(c.w, c.ts), "%+v at %d", c.w, c.ts)
	}
}

// Every window that contains a timestamp is found, and no other.
func TestHoppingWindowsAreAllFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 50).Draw(t, "size")
		adv := rapid.Int64Range(1, size).Draw(t, "advance")
		ts := rapid.Int64Range(0, 300).Draw(t, "ts")
		w := Hopping(time.Duration(size)*ms, time.Duration(adv)*ms)
		var want []int64
		for s := int64(0); s <= ts; s += adv {
			if ts < w.End(s) {
				want = append(want, s)
			}
		}
		require.Equal(t, want, starts(w, ts))
	})
}

func TestCalendarWindows(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for _, c := range []struct {
		w              Calendar
		at, start, end string
		hours          float64
	}{
		{Days(berlin), "2026-03-29T12:00", "2026-03-29T00:00", "2026-03-30T00:00", 23},
		{Days(berlin), "2026-10-25T02:30", "2026-10-25T00:00", "2026-10-26T00:00", 25},
		{Weeks(berlin), "2026-11-22T23:59", "2026-11-16T00:00", "2026-11-23T00:00", 168},
		{Months(berlin), "2024-02-29T00:00", "2024-02-01T00:00", "2024-03-01T00:00", 29 * 24},
		{Years(time.UTC), "2026-11-22T00:00", "2026-01-01T00:00", "2027-01-01T00:00", 365 * 24},
	} {
		parse := func(s string) int64 {
			at, err := time.ParseInLocation("2006-01-02T15:04", s, c.w.In)
			require.NoError(t, err)
			return at.UnixMilli()
		}
		require.NoError(t, c.w.Validate())
		start, ok := c.w.First(parse(c.at))
		require.True(t, ok)
		require.Equal(t, parse(c.start), start, c.at)
		require.Equal(t, parse(c.end), c.w.End(start), c.at)
		require.Equal(t, c.hours, time.Duration((c.w.End(start)-start)*int64(ms)).Hours())
		require.LessOrEqual(t, c.w.End(start)-start, c.w.Longest())
		_, more := c.w.Next(start, parse(c.at))
		require.False(t, more)
	}
}

// Calendar windows leave no gap and do not overlap, in any zone.
func TestCalendarWindowsFollowEachOther(t *testing.T) {
	var zones []*time.Location
	for _, name := range []string{"UTC", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kolkata", "America/New_York"} {
		z, err := time.LoadLocation(name)
		require.NoError(t, err)
		zones = append(zones, z)
	}
	rapid.Check(t, func(t *rapid.T) {
		c := Calendar{Unit: Unit(rapid.IntRange(int(Day), int(Year)).Draw(t, "unit")), In: rapid.SampledFrom(zones).Draw(t, "zone")}
		ts := rapid.Int64Range(366*24*3600_000, 4e12).Draw(t, "ts")
		start, _ := c.First(ts)
		end := c.End(start)
		if ts < start || ts >= end {
			t.Fatalf("%d is not in [%d, %d)", ts, start, end)
		}
		next, _ := c.First(end)
		last, _ := c.First(end - 1)
		require.Equal(t, end, next)
		require.Equal(t, start, last)
	})
}

func TestMistakes(t *testing.T) {
	for _, v := range []interface{ Validate() error }{
		Tumbling(0), Tumbling(-ms), Tumbling(ms / 2), Hopping(10*ms, 0), Hopping(10*ms, 11*ms), Tumbling(ms).WithGrace(-1),
		SlidingOf(-1), SlidingOf(ms).WithGrace(-ms), Sessions(-ms), Sessions(ms).WithGrace(-ms),
		Within(ms).WithBefore(-2 * ms), Within(ms).WithGrace(-ms), Unlimited().StartOn(time.UnixMilli(-1)),
		Days(nil), Calendar{Unit: 9, In: time.UTC}, Weeks(time.UTC).WithGrace(-ms),
	} {
		require.Error(t, v.Validate(), "%+v", v)
	}
	require.NoError(t, Within(0).WithBefore(15*ms).WithAfter(-5*ms).Validate())
}

// The bytes were made by Kafka Streams 4.3.1.
func TestKeyBytes(t *testing.T) {
	w := Windowed[string]{Key: "k", Start: 5, End: 15}
	for want, s := range map[string]serde.Serde[Windowed[string]]{
		"6b0000000000000005":                 TimeKey(serde.String, EndAfter(10)),
		"6b000000000000000f0000000000000005": SessionKey(serde.String),
	} {
		b, err := s.Append(nil, w)
		require.NoError(t, err)
		require.Equal(t, want, hex.EncodeToString(b))
		require.Equal(t, "k", string(s.(InnerKey).InnerKey(b)))
		var got Windowed[string]
		require.NoError(t, serde.ForTask(s).Decode(b, &got))
		require.Equal(t, w, got)
	}
	require.EqualValues(t, math.MaxInt64, EndAfter(10)(math.MaxInt64-3))
	require.Equal(t, "[k@5/15]", w.String())
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("k\x00\x00\x00\x00\x00\x00\x00\x05"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range []serde.Serde[Windowed[string]]{TimeKey(serde.String, EndAfter(10)), SessionKey(serde.String)} {
			var w Windowed[string]
			if s.Decode(b, &w) != nil {
				continue
			}
			out, err := s.Append(nil, w)
			require.NoError(t, err)
			require.Equal(t, b, out)
		}
	})
}
