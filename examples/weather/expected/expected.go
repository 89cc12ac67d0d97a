// Package expected computes what the weather pipeline must arrive at, from the CSV files themselves and by a program that
// shares no code with the pipeline: one pass, maps, no streams. Tests compare the two.
package expected

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/thalweg/thalweg/examples/weather/readings"
)

// Result is the outcome of the real year.
type Result struct {
	Hash    string // SHA-256 over "key<TAB>value<LF>" of every station and day, in order of the keys
	Windows int
	Rows    int
	Reasons map[string]int // rejected rows by reason
}

// Year computes the result.
func Year() (Result, error) {
	weather, airports, err := readings.Files()
	if err != nil {
		return Result{}, err
	}
	rows, err := table(weather)
	if err != nil {
		return Result{}, err
	}
	stations, err := table(airports)
	if err != nil {
		return Result{}, err
	}
	byCode := map[string]map[string]string{}
	for _, a := range stations {
		byCode[a["faa"]] = a
	}

	type day struct {
		temps      []float64
		rain, gust float64
	}
	days, reasons := map[string]*day{}, map[string]int{}
	for _, r := range rows {
		temp, wind := number(r["temp"]), number(r["wind_speed"])
		switch {
		case math.IsNaN(temp):
			reasons["no-temperature"]++
			continue
		case math.IsNaN(wind):
			reasons["no-wind"]++
			continue
		case wind > 260:
			reasons["impossible-wind"]++
			continue
		}
		key := r["origin"] + "/" + r["time_hour"][:len("2013-01-01")]
		if days[key] == nil {
			days[key] = &day{}
		}
		d := days[key]
		d.temps = append(d.temps, (temp-32)*5/9)
		if rain := number(r["precip"]); !math.IsNaN(rain) {
			d.rain += rain * 25.4
		}
		if gust := number(r["wind_gust"]); !math.IsNaN(gust) {
			d.gust = max(d.gust, gust*0.44704)
		}
	}

	var lines []string
	for key, d := range days {
		station, date, _ := strings.Cut(key, "/")
		sum := 0.0
		for _, c := range d.temps {
			sum += c
		}
		at := byCode[station]
		lines = append(lines, fmt.Sprintf(
			"%s\t"+`{"station":"%s","day":"%s","name":"%s","lat":%s,"lon":%s,"mean_c":%s,"min_c":%s,"max_c":%s,"rain_mm":%s,"gust_ms":%s,"readings":%d}`+"\n",
			key, station, date, at["name"], at["lat"], at["lon"], hundredths(sum/float64(len(d.temps))),
			hundredths(slices.Min(d.temps)), hundredths(slices.Max(d.temps)), hundredths(d.rain), hundredths(d.gust), len(d.temps)))
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return Result{hex.EncodeToString(sum[:]), len(lines), len(rows), reasons}, nil
}

// table reads CSV into one map for each row.
func table(text string) ([]map[string]string, error) {
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows []map[string]string
	for _, fields := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = fields[i]
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// number is NaN for NA.
func number(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

func hundredths(f float64) string {
	s := strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64)
	if s == "-0" {
		return "0"
	}
	return s
}
