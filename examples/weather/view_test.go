package main

import (
	"bytes"
	"encoding/json/v2"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/examples/weather/board"
	"github.com/thalweg/thalweg/examples/weather/pipeline"
)

// filled makes a board with a year of n stations.
func filled(t *testing.T, n int) *board.Board {
	t.Helper()
	b := board.New()
	for day := range 365 {
		date := time.Date(2013, 1, 1+day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		for i := range n {
			s := pipeline.Summary{Station: fmt.Sprintf("S%02d", i), Name: "A Very Long Name Of An International Airport", Day: date,
				MeanC: float64(day%45) - 12, MinC: -20, MaxC: 40, RainMM: 111.11, GustMS: 22.2, Readings: 24}
			value, err := json.Marshal(s)
			require.NoError(t, err)
			require.NoError(t, b.Processed(s.Station+"/"+s.Day, value))
		}
	}
	require.NoError(t, b.Invalid([]byte(`{"reason":"no-wind","row":""}`)))
	return b
}

func TestFrameFits(t *testing.T) {
	for _, stations := range []int{0, 1, 3, 40} {
		b := filled(t, stations)
		for _, size := range [][2]int{{80, 24}, {80, 10}, {40, 3}, {200, 60}} {
			lines := frame(size[0], size[1], progress{Engine: "RocksDB 7.8.3", Rows: 13_000, Total: 26_115, PerSec: 1_234_567}, b)
			require.LessOrEqual(t, len(lines), size[1], "%d stations at %v", stations, size)
			for _, l := range lines {
				require.LessOrEqual(t, columnsOf(l), size[0], "%d stations at %v: %q", stations, size, l)
			}
		}
	}
}

func TestFrameShows(t *testing.T) {
	text := strings.Join(frame(80, 24, progress{Engine: "Pebble", Rows: 13_000, Total: 26_000}, filled(t, 3)), "\n")
	for _, want := range []string{"Pebble", " 50 %", "13,000 of 26,000 rows", "1,095 windows", "S00", "S02", "2013-12-31", "rejected 1 (no-wind=1)", "█"} {
		require.Contains(t, text, want)
	}
}

func TestColumns(t *testing.T) {
	require.Equal(t, 3, columnsOf(bold("a°█")))
	require.Equal(t, bold("ab"), clip(bold("abc"), 2))
	require.Equal(t, "a  c", pad("a", "c", 4))
	require.Equal(t, "a  long", pad("abcdef", "long", 7))
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 26115: "26,115", 1234567: "1,234,567", -1000: "-1,000"} {
		require.Equal(t, want, thousands(n))
	}
}

// Lines prints each day once: those that are over, and the rest at the end.
func TestLines(t *testing.T) {
	var out bytes.Buffer
	l := &lines{out: &out}
	b := filled(t, 4)
	for range settled {
		require.NoError(t, l.show(progress{}, b))
		require.Empty(t, out.String(), "more stations may come")
	}
	require.NoError(t, l.show(progress{}, b))
	require.NoError(t, l.show(progress{}, b))
	require.Equal(t, 361, strings.Count(out.String(), "\n"))
	require.NoError(t, l.show(progress{Over: true}, b))
	got := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, got, 365)
	require.True(t, strings.HasPrefix(got[0], "2013-01-01  S00 -12.0 °C 111.1 mm  22.2 m/s"), got[0])
	require.True(t, strings.HasSuffix(got[0], "and 1 more"), got[0])
}
