package readings

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestYear(t *testing.T) {
	year, err := Year()
	require.NoError(t, err)
	all := slices.Collect(year)
	require.Len(t, all, Rows)
	require.True(t, slices.IsSortedFunc(all, func(a, b Observation) int { return a.At.Compare(b.At) }))
	count := map[string]int{}
	for _, o := range all {
		count[o.Station]++
		require.True(t, strings.HasPrefix(o.Row, o.Station+","), o.Row)
	}
	require.Equal(t, map[string]int{"EWR": 8703, "JFK": 8706, "LGA": 8706}, count)
	require.Equal(t, "EWR,2013,1,1,1,39.02,26.06,59.37,270,10.357019999999999,NA,0,1012,10,2013-01-01T06:00:00Z", all[0].Row)
}

func TestAirports(t *testing.T) {
	airports, err := Airports()
	require.NoError(t, err)
	require.Len(t, airports, 1458)
	i := slices.IndexFunc(airports, func(a Airport) bool { return a.Code == "LGA" })
	require.Equal(t, Airport{"LGA", "La Guardia", 40.777245, -73.872608, 22}, airports[i])
}

func TestFleet(t *testing.T) {
	const n = 1460 // two more than the table has
	rows, stations, err := Fleet(n)
	require.NoError(t, err)
	require.Len(t, stations, n)
	require.Equal(t, stations[0].Code+"-2", stations[1458].Code)

	seen, first := map[string]int{}, []Observation(nil)
	for o := range rows {
		if len(first) > 0 && o.At.Sub(first[0].At).Hours() >= 48 {
			break
		}
		seen[o.Station]++
		first = append(first, o)
		require.Len(t, strings.Split(o.Row, ","), 15)
	}
	require.Len(t, seen, n)
	require.True(t, slices.IsSortedFunc(first, func(a, b Observation) int { return a.At.Compare(b.At) }))

	again, _, err := Fleet(n)
	require.NoError(t, err)
	i := 0
	for o := range again {
		require.Equal(t, first[i], o)
		if i++; i == len(first) {
			break
		}
	}
}

// Every station reports exactly as often as the curve it follows.
func TestFleetRows(t *testing.T) {
	rows, _, err := Fleet(4)
	require.NoError(t, err)
	count := map[string]int{}
	for o := range rows {
		count[o.Station]++
	}
	var got []int
	for _, n := range count {
		got = append(got, n)
	}
	slices.Sort(got)
	require.Equal(t, []int{8703, 8703, 8706, 8706}, got)
}
