package pipeline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const good = "EWR,2013,1,1,1,50,26.06,59.37,270,10,20,0.1,1012,10,2013-01-01T06:00:00Z"

// with replaces field i of a good row.
func with(i int, value string) string {
	f := strings.Split(good, ",")
	f[i] = value
	return strings.Join(f, ",")
}

func TestDecode(t *testing.T) {
	for _, c := range []struct{ row, problem string }{
		{good, ""},
		{with(fieldGust, "NA"), ""},
		{with(fieldRain, "NA"), ""},
		{with(12, "NA"), ""}, // pressure is not used
		{with(fieldTemp, "NA"), "no-temperature"},
		{with(fieldTemp, "141"), "impossible-temperature"},
		{with(fieldTemp, "NaN"), "impossible-temperature"},
		{with(fieldTemp, "warm"), "malformed"},
		{with(fieldTemp, ""), "malformed"},
		{with(fieldWind, "NA"), "no-wind"},
		{with(fieldWind, "1048.36058"), "impossible-wind"},
		{with(fieldWind, "-1"), "impossible-wind"},
		{with(fieldGust, "Inf"), "impossible-gust"},
		{with(fieldRain, "-0.1"), "impossible-rain"},
		{"", "malformed"},
		{good + ",more", "malformed"},
		{good[:strings.LastIndexByte(good, ',')], "malformed"},
	} {
		r := Decode(c.row)
		require.Equal(t, c.problem, r.Problem, c.row)
		require.Equal(t, c.row, r.Raw)
	}
}

func TestMetric(t *testing.T) {
	got := metric(Decode(good))
	require.InDelta(t, 10, got.TempC, 1e-9)
	require.InDelta(t, 4.4704, got.WindMS, 1e-9)
	require.InDelta(t, 8.9408, got.GustMS, 1e-9)
	require.InDelta(t, 2.54, got.RainMM, 1e-9)
}

func FuzzDecode(f *testing.F) {
	for _, row := range []string{good, with(fieldTemp, "NA"), "", ",,,,,,,,,,,,,,", "NA"} {
		f.Add(row)
	}
	f.Fuzz(func(t *testing.T, row string) {
		r := Decode(row)
		if r.Raw != row {
			t.Fatalf("row %q became %q", row, r.Raw)
		}
		if r.Problem == "" && (r.TempF < -130 || r.TempF > 140 || r.WindMPH < 0 || strings.Count(row, ",") != fields-1) {
			t.Fatalf("accepted %q as %+v", row, r)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if r := Decode(good); r.Problem != "" {
			b.Fatal(r.Problem)
		}
	}
}
