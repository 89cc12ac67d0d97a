package testdriver_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// Reading and Mean are the weather of the benchmark: stations report, and the
// means of five minutes come out, joined with where the station stands.
type Reading struct {
	Station  string  `json:"station"`
	TempF    float64 `json:"temp_f"`
	Humidity float64 `json:"humidity"`
}

type Mean struct {
	Sum float64 `json:"sum"`
	N   int64   `json:"n"`
}

var errShort = errors.New("short")

var (
	readingBytes = serde.Of(
		func(dst []byte, r Reading) ([]byte, error) {
			dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(r.TempF))
			dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(r.Humidity))
			return append(dst, r.Station...), nil
		},
		func(src []byte, r *Reading) error {
			if len(src) < 16 {
				return errShort
			}
			r.TempF = math.Float64frombits(binary.BigEndian.Uint64(src))
			r.Humidity = math.Float64frombits(binary.BigEndian.Uint64(src[8:]))
			if string(src[16:]) != r.Station {
				r.Station = string(src[16:])
			}
			return nil
		})
	meanBytes = serde.Of(
		func(dst []byte, m Mean) ([]byte, error) {
			dst = binary.BigEndian.AppendUint64(dst, math.Float64bits(m.Sum))
			return binary.BigEndian.AppendUint64(dst, uint64(m.N)), nil
		},
		func(src []byte, m *Mean) error {
			if len(src) != 16 {
				return errShort
			}
			m.Sum, m.N = math.Float64frombits(binary.BigEndian.Uint64(src)), int64(binary.BigEndian.Uint64(src[8:]))
			return nil
		})
)

// BenchmarkWeather is the time and memory of one record through the driver:
// filter, convert, aggregate in windows, join with a table, each record
// committed on its own.
func BenchmarkWeather(b *testing.B) {
	for _, s := range []struct {
		name    string
		reading serde.Serde[Reading]
		mean    serde.Serde[Mean]
	}{
		{"json", serde.JSON[Reading](), serde.JSON[Mean]()},
		{"binary", readingBytes, meanBytes},
	} {
		b.Run(s.name, func(b *testing.B) {
			raw := topology.NewTopic("raw", serde.String, s.reading)
			cities := topology.NewTopic("cities", serde.String, serde.String)
			means := topology.NewTopic("means", serde.String, s.mean)
			d := dsl.NewBuilder().Use(s.mean)
			places := d.Table(cities, "places")
			d.Stream(raw).
				Filter(func(_ string, r Reading) bool { return r.TempF > -150 && r.TempF < 150 }).
				MapValues(func(r Reading) Reading { r.TempF = (r.TempF - 32) * 5 / 9; return r }).
				GroupByKey().
				WindowedBy(windowing.Tumbling(5*time.Minute).WithGrace(time.Minute)).
				Aggregate("mean", func() Mean { return Mean{} }, func(_ string, r Reading, m Mean) Mean {
					return Mean{m.Sum + r.TempF, m.N + 1}
				}).
				ToStream().
				SelectKey(windowing.Key).
				JoinTable(places, func(m Mean, _ string) Mean { return m }).
				To(means)
			topo, err := d.Build()
			require.NoError(b, err)
			drv := testdriver.New(b, topo)
			in := drv.Input(raw)
			stations := make([]string, 50)
			for i := range stations {
				stations[i] = fmt.Sprintf("station-%02d", i)
				drv.Input(cities).Send(stations[i], "city")
			}
			at := drv.Now().UnixMilli()
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				k := stations[i%len(stations)]
				in.SendRecord(processor.Record[string, Reading]{
					Key: k, Value: Reading{Station: k, TempF: float64(i % 90), Humidity: 50}, Timestamp: at + int64(i)*100,
				})
				i++
			}
		})
	}
}
