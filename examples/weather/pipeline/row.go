package pipeline

import (
	"cmp"
	"strconv"
	"strings"
)

// Row is a decoded row of the raw topic: a reading in the station's own units, or the reason why there is none.
type Row struct {
	Raw     string
	Problem string // "" for a valid row
	TempF   float64
	WindMPH float64
	GustMPH float64 // 0: no gust was reported
	RainIn  float64
}

// Reading is what a station observed, in SI units.
type Reading struct{ TempC, WindMS, GustMS, RainMM float64 }

// Rejected is a row that could not be used.
type Rejected struct {
	Reason string `json:"reason"`
	Row    string `json:"row"`
}

// The fields of a row that are used.
const (
	fieldTemp, fieldWind, fieldGust, fieldRain = 5, 9, 10, 11
	fields                                     = 15
)

// Decode reads a row of comma-separated fields in which NA stands for nothing observed. Temperature and wind are
// required and must be possible on Earth; a station that reports no gust had none.
func Decode(raw string) Row {
	r := Row{Raw: raw}
	var field [fields]string
	rest, more := raw, true
	for i := range field {
		if !more {
			r.Problem = "malformed"
			return r
		}
		field[i], rest, more = strings.Cut(rest, ",")
	}
	for _, f := range []struct {
		to       *float64
		text     string
		missing  string // the reason when it is NA; "" allows that
		wrong    string // the reason when it is out of range
		from, up float64
	}{
		{&r.TempF, field[fieldTemp], "no-temperature", "impossible-temperature", -130, 140},
		{&r.WindMPH, field[fieldWind], "no-wind", "impossible-wind", 0, 260},
		{&r.GustMPH, field[fieldGust], "", "impossible-gust", 0, 320},
		{&r.RainIn, field[fieldRain], "", "impossible-rain", 0, 20},
	} {
		if f.text == "NA" {
			if r.Problem = f.missing; r.Problem != "" {
				return r
			}
			continue
		}
		v, err := strconv.ParseFloat(f.text, 64)
		if err != nil {
			r.Problem = "malformed"
			return r
		}
		if !(v >= f.from && v <= f.up) { // NaN is out of every range
			r.Problem = f.wrong
			return r
		}
		*f.to = v
	}
	if more {
		r.Problem = "malformed"
	}
	return r
}

// isInvalid reports a row that cannot be used: it has a problem, or nobody knows whose it is, as a record without a key.
func isInvalid(station string, r Row) bool { return station == "" || r.Problem != "" }

func reject(r Row) Rejected { return Rejected{cmp.Or(r.Problem, "no-station"), r.Raw} }

// metric converts °F, miles per hour and inches to °C, metres per second and millimetres.
func metric(r Row) Reading {
	const mph, inch = 0.44704, 25.4
	return Reading{TempC: (r.TempF - 32) * 5 / 9, WindMS: r.WindMPH * mph, GustMS: r.GustMPH * mph, RainMM: r.RainIn * inch}
}
