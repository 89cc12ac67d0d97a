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
	Windows  string
	Readings string
	Rejected int
	Reasons  []reason
	Map      []dot
	Stations []chart
	More     int // stations without a chart
	Heat     []stop
	Degrees  []degree
}

// stop is a colour of the gradient that runs down a chart; Offset is 0 at its top and 1 at its bottom.
type stop struct {
	Offset float64
	Colour string
}

// degree is a line across the charts.
type degree struct {
	Y    float64
	Text string
	Zero bool
}

type reason struct {
	Name  string
	Count int
}

// dot is a station on the map.
type dot struct {
	X, Y   float64
	Radius int
	Colour string
	Title  string
	Label  string // "" where there are too many to read
}

// chart is a station's year: the band between the days' minima and maxima, the line of the means, the rain.
type chart struct {
	Code, Name  string
	Now, Detail string
	Band, Mean  string // SVG path data
	Rain        []bar
	Months      []month
}

// month is where a month begins.
type month struct {
	X    float64
	Text string
}

type bar struct{ X, Y, Height float64 }

// Sizes of the drawings, as in the viewBox of page.html.
const (
	mapWidth, mapHeight     = 480, 400
	chartWidth, chartHeight = 732, 160 // two columns for each day
	low, high               = -15, 40  // °C
	maxCharts               = 6
	maxLabels               = 12
)

func newDrawing(b *board.Board) drawing {
	reasons, rejected := b.Reasons()
	d := drawing{Windows: thousands(int64(b.Windows())), Readings: thousands(b.Readings()), Rejected: rejected}
	for c := low; c <= high; c += 5 {
		d.Heat = append(d.Heat, stop{height(float64(c)) / chartHeight, colour(float64(c))})
		if c%10 == 0 {
			d.Degrees = append(d.Degrees, degree{height(float64(c)), fmt.Sprintf("%d°", c), c == 0})
		}
	}
	slices.Reverse(d.Heat)
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
	const margin = 40
	scale := min((mapWidth-2*margin)/max((east-west)*squeeze, 0.05), (mapHeight-2*margin)/max(north-south, 0.05))
	var out []dot
	for _, s := range known {
		radius, label := 9, s.Station
		if len(known) > maxLabels {
			radius, label = 4, ""
		}
		out = append(out, dot{
			Radius: radius,
			Label:  label,
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
		Code: s.Code, Name: s.Name,
		Now:    fmt.Sprintf("%.1f °C", l.MeanC),
		Detail: fmt.Sprintf("%.1f to %.1f °C · %.1f mm · gusts %.1f m/s · %s", l.MinC, l.MaxC, l.RainMM, l.GustMS, l.Day),
	}
	days := slices.Sorted(maps.Keys(s.Days))
	first, err := time.Parse(time.DateOnly, days[0])
	if err != nil {
		return c
	}
	c.Months = months(first)
	var band, mean strings.Builder
	command := "M"
	var back []string
	for _, day := range days {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			continue
		}
		d, x := s.Days[day], column(first, at)
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

// months are those that begin within the year after first, first's own day included.
func months(first time.Time) []month {
	var out []month
	for m := time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, time.UTC); ; m = m.AddDate(0, 1, 0) {
		x := column(first, m)
		if x >= chartWidth-20 { // its name would hang out
			return out
		}
		if x >= 0 {
			out = append(out, month{x, m.Format("Jan")})
		}
	}
}

// column is the x coordinate of a day.
func column(first, day time.Time) float64 { return 2 * day.Sub(first).Hours() / 24 }

// height is the y coordinate of a temperature.
func height(c float64) float64 { return chartHeight * (high - c) / (high - low) }

// colour runs from blue at -15 °C to red at 40 °C.
func colour(c float64) string {
	share := max(0, min(1, (c-low)/(high-low)))
	return fmt.Sprintf("hsl(%.0f 75%% 45%%)", 240*(1-share))
}

// thousands is n with a comma between groups of three digits.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
