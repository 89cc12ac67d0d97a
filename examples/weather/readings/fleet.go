package readings

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// Fleet yields a year of n stations, by time. Each station is an airport of the table (n beyond the table's 1,458 begins
// again with a suffix) and follows one of the three real curves, gaps included, with the temperature of its own latitude
// and altitude. The same n gives the same rows.
func Fleet(n int) (iter.Seq[Observation], []Airport, error) {
	curves, err := load()
	if err != nil {
		return nil, nil, err
	}
	airports, err := Airports()
	if err != nil {
		return nil, nil, err
	}
	index := map[string]Airport{}
	for _, a := range airports {
		index[a.Code] = a
	}
	stations := make([]Airport, n)
	fleet := make([]station, n)
	for i := range n {
		a := airports[i%len(airports)]
		if again := i / len(airports); again > 0 {
			a.Code += "-" + strconv.Itoa(again+1)
		}
		curve := curves[i%len(curves)]
		stations[i] = a
		fleet[i] = station{a.Code, shift(index[curve[0].Station], a), curve}
	}
	return func(yield func(Observation) bool) {
		// Hours are the outer loop: the curves lack different hours, so each station keeps its own place.
		next := make([]int, n)
		for hour := range merge(curves) {
			for i := range fleet {
				s := &fleet[i]
				if next[i] == len(s.curve) || s.curve[next[i]].At != hour.At {
					continue
				}
				o := s.curve[next[i]]
				next[i]++
				if !yield(Observation{s.code, o.At, s.row(o.Row)}) {
					return
				}
			}
		}
	}, stations, nil
}

type station struct {
	code  string
	shift float64 // °F warmer than the curve
	curve []Observation
}

// shift is how much warmer to is than from: 1.2 °F for each degree towards the equator, and the standard atmosphere's
// 3.57 °F for each 1,000 ft down.
func shift(from, to Airport) float64 {
	return 1.2*(from.Lat-to.Lat) + 3.57*(from.Altitude-to.Altitude)/1000
}

// row is the curve's row under the station's own name and temperature.
func (s *station) row(row string) string {
	fields := strings.Split(row, ",")
	fields[0] = s.code
	for _, i := range []int{5, 6} { // temp, dewp
		if f, err := strconv.ParseFloat(fields[i], 64); err == nil {
			fields[i] = fmt.Sprintf("%.2f", f+s.shift)
		}
	}
	return strings.Join(fields, ",")
}
