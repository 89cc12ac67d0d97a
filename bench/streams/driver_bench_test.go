package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/internal/cputime"
	"github.com/thalweg/thalweg/internal/engine"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
)

const (
	benchRecords = 200_000
	benchStart   = int64(1_700_000_040_000)
	benchDrain   = 1000 // records between two readings of the outputs
)

// BenchmarkTestDriver is the time and memory of one record through the test
// driver, which commits each on its own: the weather program on readings that
// were encoded beforehand, its two outputs read as bytes after each thousand.
// After 200,000 records a new driver begins. bench/README.md compares it with
// the same measure of Kafka Streams' TopologyTestDriver.
func BenchmarkTestDriver(b *testing.B) {
	engines := []struct {
		name string
		of   func(b *testing.B) state.Backend
	}{
		{"memory", func(*testing.B) state.Backend { return mem.New() }},
		{engine.Dir("").Name(), func(b *testing.B) state.Backend { return engine.Dir(b.TempDir()) }},
	}
	for _, in := range []struct {
		name    string
		formats formats
		encode  func(benchReading) []byte
	}{
		{"json", formats{lenient{serde.JSON[rawReading]()}, inJSON.reading, inJSON.average}, benchReading.json},
		{"binary", formats{lenient{binaryRaw}, binaryReading, binaryAverage}, benchReading.binary},
	} {
		keys, values := make([][]byte, benchRecords), make([][]byte, benchRecords)
		for i := range keys {
			r := benchReadingOf(uint64(i))
			keys[i], values[i] = []byte(r.station), in.encode(r)
		}
		for _, e := range engines {
			b.Run("weather/"+in.name+"/"+e.name, func(b *testing.B) {
				builder := dsl.NewBuilder()
				in.formats.weather(suffixes{}, builder)
				topo, err := builder.Build()
				require.NoError(b, err)
				var d *testdriver.Driver
				var outs []testdriver.Output[[]byte, []byte]
				sent, read := 0, 0
				b.ReportAllocs()
				report := cputime.Report(b)
				for b.Loop() {
					i := sent % benchRecords
					if i == 0 {
						if d != nil {
							d.Close()
						}
						d = newBenchDriver(b, topo, e.of(b))
						outs = outs[:0]
						for _, t := range []string{"processed_weather_topic", "weather_averages"} {
							outs = append(outs, d.Output(topology.NewTopic(t, serde.Bytes, serde.Bytes)))
						}
					}
					d.SendRaw(processor.RawRecord{
						Topic: "raw_weather_topic", Partition: -1, Key: keys[i], Value: values[i], Timestamp: benchStart + int64(i)*5,
					})
					if sent++; sent%benchDrain == 0 {
						for _, o := range outs {
							for ; !o.Empty(); read++ {
								o.Read()
							}
						}
					}
				}
				report()
				if sent >= benchDrain {
					require.Greater(b, read, sent*9/5, "nineteen of twenty readings give two records")
				}
			})
		}
	}
}

// newBenchDriver is testdriver.New, apart so that memory is the driver's own.
func newBenchDriver(b *testing.B, t *topology.Topology, e state.Backend) *testdriver.Driver {
	if e.Name() == "memory" {
		return testdriver.New(b, t)
	}
	return testdriver.New(b, t, testdriver.Engine(e))
}

// benchReading is record i of the data set: a function of i, the same as that
// of the measure of Kafka Streams. Temperature, humidity and pressure are in
// tenths; kinds 0, 1 and 2 are out of range, cut off, and out of range.
type benchReading struct {
	station              string
	temp, humidity, pres int64
	ts                   int64
	kind                 uint64
}

func benchReadingOf(i uint64) benchReading {
	const golden = 0x9E3779B97F4A7C15
	z := 42 + (i+1)*golden
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	h := z ^ z>>31
	r := benchReading{
		station: fmt.Sprintf("st-%06d", h%1000), temp: int64(h>>20&0xfff)%1400 - 200,
		humidity: int64(h>>32&0xfff) % 1001, pres: 9500 + int64(h>>44&0xfff)%1000,
		ts: benchStart + int64(i)*5, kind: h >> 56 % 100,
	}
	switch r.kind {
	case 0:
		r.temp = 9999
	case 2:
		r.humidity = -10
	}
	return r
}

// cut leaves out the end of what is malformed.
func (r benchReading) cut(b []byte) []byte {
	if r.kind == 1 {
		return b[:len(b)-10]
	}
	return b
}

func (r benchReading) json() []byte {
	tenths := func(t int64) string { return strconv.FormatFloat(float64(t)/10, 'f', 1, 64) }
	return r.cut(fmt.Appendf(nil, `{"station":"%s","temp_f":%s,"humidity":%s,"pressure":%s,"ts":%d}`,
		r.station, tenths(r.temp), tenths(r.humidity), tenths(r.pres), r.ts))
}

func (r benchReading) binary() []byte {
	b, err := binaryRaw.Append(nil, rawReading{
		r.station, float64(r.temp) / 10, float64(r.humidity) / 10, float64(r.pres) / 10, r.ts,
	})
	if err != nil {
		panic(err)
	}
	return r.cut(b)
}

// lenient reads what is malformed as a reading that is not valid, as the
// program in Java does.
type lenient struct{ serde.Serde[rawReading] }

func (s lenient) ForTask() serde.Serde[rawReading] { return lenient{serde.ForTask(s.Serde)} }

func (s lenient) Decode(src []byte, v *rawReading) error {
	if err := s.Serde.Decode(src, v); err != nil {
		*v = rawReading{}
	}
	return nil
}

var errBinary = errors.New("malformed message")

func appendFloat(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(f))
}

func appendInt(dst []byte, n int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(n)) }

func floatAt(src []byte, at int) float64 {
	return math.Float64frombits(binary.BigEndian.Uint64(src[at:]))
}

func intAt(src []byte, at int) int64 { return int64(binary.BigEndian.Uint64(src[at:])) }

// The messages in binary: numbers of eight bytes, then the station, which is
// nine bytes long in this data.
const stationSize = len("st-000000")

var (
	binaryRaw = serde.Of(
		func(dst []byte, v rawReading) ([]byte, error) {
			dst = appendFloat(appendFloat(appendFloat(dst, v.TempF), v.Humidity), v.Pressure)
			return append(appendInt(dst, v.TS), v.Station...), nil
		},
		func(src []byte, v *rawReading) error {
			if len(src) != 32+stationSize {
				return errBinary
			}
			*v = rawReading{string(src[32:]), floatAt(src, 0), floatAt(src, 8), floatAt(src, 16), intAt(src, 24)}
			return nil
		})
	binaryReading = serde.Of(
		func(dst []byte, v reading) ([]byte, error) {
			dst = appendFloat(appendFloat(appendFloat(dst, v.TempC), v.Humidity), v.Pressure)
			return append(appendInt(dst, v.TS), v.Station...), nil
		},
		func(src []byte, v *reading) error {
			if len(src) != 32+stationSize {
				return errBinary
			}
			*v = reading{string(src[32:]), floatAt(src, 0), floatAt(src, 8), floatAt(src, 16), intAt(src, 24)}
			return nil
		})
	binaryAverage = serde.Of(
		func(dst []byte, v average) ([]byte, error) {
			dst = appendInt(appendInt(appendInt(dst, v.WindowStart), v.WindowEnd), v.Count)
			return append(appendFloat(appendInt(dst, v.SumCentiC), v.AvgC), v.Station...), nil
		},
		func(src []byte, v *average) error {
			if len(src) != 40+stationSize {
				return errBinary
			}
			*v = average{string(src[40:]), intAt(src, 0), intAt(src, 8), intAt(src, 16), intAt(src, 24), floatAt(src, 32)}
			return nil
		})
)
