// Package pipeline turns hourly observations into the weather of each station and day.
//
//	raw_weather_topic ─ decode ─┬─ valid ─ by station and day ─ mean, min, max, rain, gust ─ airport ─ processed_weather_topic
//	                            └─ invalid ─ reason ─ invalid_weather_topic
package pipeline

import (
	"math"
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// The topics and what travels on them: declared once, checked wherever they are used.
var (
	Raw       = topology.NewTopic("raw_weather_topic", serde.String, serde.String) // station → row as observed
	Airports  = topology.NewTopic("airports", serde.String, serde.JSON[Airport]())
	Processed = topology.NewTopic("processed_weather_topic", serde.String, serde.JSON[Summary]()) // station/day → summary so far
	Invalid   = topology.NewTopic("invalid_weather_topic", serde.String, serde.JSON[Rejected]())
)

// Airport is where a station stands.
type Airport struct {
	Name string  `json:"name"`
	Lat  float64 `json:"lat"`
	Lon  float64 `json:"lon"`
}

// Day adds up the readings of a station and day.
type Day struct {
	Readings     int64
	Sum          float64 // of temperatures, °C
	Min, Max     float64 // °C
	RainMM, Gust float64
}

// Summary is the weather of a station and day, rounded to hundredths.
type Summary struct {
	Station  string  `json:"station"`
	Day      string  `json:"day"`
	Name     string  `json:"name"`
	Lat      float64 `json:"lat"`
	Lon      float64 `json:"lon"`
	MeanC    float64 `json:"mean_c"`
	MinC     float64 `json:"min_c"`
	MaxC     float64 `json:"max_c"`
	RainMM   float64 `json:"rain_mm"`
	GustMS   float64 `json:"gust_ms"`
	Readings int64   `json:"readings"`
}

// Topology is the pipeline.
func Topology() (*topology.Topology, error) {
	b := dsl.NewBuilder().Use(serde.JSON[Day]())
	airports := b.Table(Airports, "airports")

	rows := b.Stream(Raw).MapValues(Decode).Split()
	rows.Case("invalid", isInvalid).MapValues(reject).To(Invalid)
	rows.Default("valid").
		MapValues(metric).
		GroupByKey().
		WindowedBy(windowing.Tumbling(24*time.Hour).WithGrace(6*time.Hour)).
		Aggregate("weather-by-day", func() Day { return Day{} }, addReading).
		ToStream().
		Map(summarise, dsl.KeepsPartition()).
		LeftJoinTable(airports, place).
		SelectKey(func(_ string, s Summary) string { return s.Station + "/" + s.Day }).
		To(Processed)
	return b.Build()
}

// addReading is the aggregation.
func addReading(_ string, r Reading, d Day) Day {
	if d.Readings == 0 {
		d.Min, d.Max = r.TempC, r.TempC
	}
	d.Readings++
	d.Sum += r.TempC
	d.Min, d.Max = min(d.Min, r.TempC), max(d.Max, r.TempC)
	d.RainMM += r.RainMM
	d.Gust = max(d.Gust, r.GustMS)
	return d
}

func summarise(w windowing.Windowed[string], d Day) (string, Summary) {
	return w.Key, Summary{
		Station: w.Key,
		Day:     time.UnixMilli(w.Start).UTC().Format(time.DateOnly),
		MeanC:   round(d.Sum / float64(d.Readings)),
		MinC:    round(d.Min), MaxC: round(d.Max),
		RainMM: round(d.RainMM), GustMS: round(d.Gust),
		Readings: d.Readings,
	}
}

func place(s Summary, at dsl.Maybe[Airport]) Summary {
	if at.OK {
		s.Name, s.Lat, s.Lon = at.Value.Name, at.Value.Lat, at.Value.Lon
	}
	return s
}

// round gives hundredths; adding zero turns -0 into 0.
func round(x float64) float64 { return math.Round(x*100)/100 + 0 }
