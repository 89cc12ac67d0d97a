package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/thalweg/thalweg/examples/weather/board"
	"github.com/thalweg/thalweg/examples/weather/pipeline"
)

// drawing is what the template gets: coordinates and colours, computed; text, to be escaped by the template.
type drawing struct {
	Day      string
	Windows  int
	Readings int64
	Rejected int
	Reasons  []reason
	Map      []dot
	Stations []chart
	More     int
}

type reason struct {
	Name  string
	Count int
}

// dot is a station on the map.
type dot struct {
	X, Y   float64
	Colour string
	Title  string
}

// chart is a station's year: the band between the days' minima and maxima, the line of the means, the rain.
type chart struct {
	Code, Name, Now string
	Colour          string
	Band, Mean      string // SVG path data
	Rain            []bar
}

type bar struct{ X, Y, Height float64 }

// Sizes of the drawings, as in the viewBox of page.html.
const (
	mapWidth, mapHeight     = 640, 400
	chartWidth, chartHeight = 732, 160 // two columns for each day
	low, high               = -15, 40  // °C
	maxCharts               = 6
)

func newDrawing(b *board.Board) drawing {
	reasons, rejected := b.Reasons()
	d := drawing{Windows: b.Windows(), Readings: b.Readings(), Rejected: rejected}
	for _, name := range slices.Sorted(maps.Keys(reasons)) {
		d.Reasons = append(d.Reasons, reason{name, reasons[name]})
	}
	stations := b.Stations()
	d.Map = dots(stations)
	for i, s := range stations {
		d.Day = max(d.Day, s.Last.Day)
		if i < maxCharts {
			d.Stations = append(d.Stations, newChart(s))
		}
	}
	d.More = max(len(stations)-maxCharts, 0)
	return d
}

// dots places the stations by longitude and latitude in the smallest frame that holds them all, with a margin.
func dots(stations []*board.Station) []dot {
	var known []pipeline.Summary
	for _, s := range stations {
		if s.Last.Name != "" { // in the table of airports
			known = append(known, s.Last)
		}
	}
	if len(known) == 0 {
		return nil
	}
	byLon := func(a, b pipeline.Summary) int { return cmp.Compare(a.Lon, b.Lon) }
	byLat := func(a, b pipeline.Summary) int { return cmp.Compare(a.Lat, b.Lat) }
	west, east := slices.MinFunc(known, byLon).Lon, slices.MaxFunc(known, byLon).Lon
	south, north := slices.MinFunc(known, byLat).Lat, slices.MaxFunc(known, byLat).Lat
	// A degree of longitude is shorter than one of latitude by the cosine of the latitude.
	squeeze := math.Cos((south + north) / 2 * math.Pi / 180)
	const margin = 30
	scale := min((mapWidth-2*margin)/max((east-west)*squeeze, 0.05), (mapHeight-2*margin)/max(north-south, 0.05))
	var out []dot
	for _, s := range known {
		out = append(out, dot{
			X:      mapWidth/2 + (s.Lon-(west+east)/2)*squeeze*scale,
			Y:      mapHeight/2 - (s.Lat-(south+north)/2)*scale,
			Colour: colour(s.MeanC),
			Title:  fmt.Sprintf("%s %s: %.1f °C on %s", s.Station, s.Name, s.MeanC, s.Day),
		})
	}
	return out
}

func newChart(s *board.Station) chart {
	l := s.Last
	c := chart{
		Code: s.Code, Name: s.Name, Colour: colour(l.MeanC),
		Now: fmt.Sprintf("%s: %.1f °C (%.1f to %.1f), %.1f mm, gusts %.1f m/s", l.Day, l.MeanC, l.MinC, l.MaxC, l.RainMM, l.GustMS),
	}
	days := slices.Sorted(maps.Keys(s.Days))
	first, err := time.Parse(time.DateOnly, days[0])
	if err != nil {
		return c
	}
	var band, mean strings.Builder
	command := "M"
	var back []string
	for _, day := range days {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			continue
		}
		d, x := s.Days[day], 2*at.Sub(first).Hours()/24
		fmt.Fprintf(&band, "%s%.0f %.1f", command, x, height(d.MaxC))
		fmt.Fprintf(&mean, "%s%.0f %.1f", command, x, height(d.MeanC))
		back = append(back, fmt.Sprintf("L%.0f %.1f", x, height(d.MinC)))
		command = "L"
		if d.RainMM > 0 {
			h := min(d.RainMM, 60) // millimetres are pixels
			c.Rain = append(c.Rain, bar{x, chartHeight - h, h})
		}
	}
	slices.Reverse(back)
	c.Band, c.Mean = band.String()+strings.Join(back, "")+"Z", mean.String()
	return c
}

// height is the y coordinate of a temperature.
func height(c float64) float64 { return chartHeight * (high - c) / (high - low) }

// colour runs from blue at -15 °C to red at 40 °C.
func colour(c float64) string {
	share := max(0, min(1, (c-low)/(high-low)))
	return fmt.Sprintf("hsl(%.0f 75%% 45%%)", 240*(1-share))
}
