package main

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

var t0 = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// partitioned gives the topology several tasks, as a broker would.
func partitioned(t *testing.T, program string, opts ...testdriver.Option) *testdriver.Driver {
	topo, err := build(program, suffixes{"-in", "-out"})
	require.NoError(t, err)
	return testdriver.New(t, topo, append(opts, testdriver.Partitions(4), testdriver.OnFailure(skipUndecodable))...)
}

func sendReadings(d *testdriver.Driver) {
	in := d.Input(topology.NewTopic("raw_weather_topic-in", serde.String, serde.String))
	for i, v := range []string{
		`{"station":"a","temp_f":32,"humidity":45.2,"pressure":1013.2,"ts":0}`,
		`{"station":"a","temp_f":999.9,"humidity":45.2,"pressure":1013.2,"ts":0}`,
		`{"station":"a","temp_f":50,"humidity":-1.0,"pressure":1013.2,"ts":0}`,
		`{"station":"a","temp_f":50,"hum`,
		`{"station":"a","temp_f":71.3,"humidity":45.2,"pressure":1013.2,"ts":0}`,
		`{"station":"a","temp_f":31.9,"humidity":45.2,"pressure":1013.2,"ts":0}`,
	} {
		in.SendAt(t0.Add(time.Duration(i)*15*time.Second), "a", v)
	}
}

func TestStateless(t *testing.T) {
	d := partitioned(t, "stateless")
	sendReadings(d)
	var got []float64
	for _, r := range d.Output(sink(suffixes{"-in", "-out"}, "processed_weather_topic", serde.JSON[reading]())).All() {
		got = append(got, r.Value.TempC)
	}
	require.Equal(t, []float64{0, 21.83, -0.06}, got)
}

func TestWeather(t *testing.T) {
	d := partitioned(t, "weather")
	sendReadings(d)
	first, second := t0.UnixMilli(), t0.Add(time.Minute).UnixMilli()
	require.Equal(t, map[string]average{
		"a@" + strconv.FormatInt(first, 10):  {"a", first, second, 1, 0, 0},
		"a@" + strconv.FormatInt(second, 10): {"a", second, second + 60_000, 2, 2177, 10.89},
	}, testdriver.ReadMap(d.Output(topology.NewTopic("weather_averages-out", serde.String, serde.JSON[average]()))))

	// The changelog holds what a Kafka Streams program of the same topology
	// would write.
	log := d.Output(topology.NewTopic("test-weather-avg-changelog", windowing.TimeKey(serde.String, windowing.EndAfter(60_000)), serde.Bytes))
	require.False(t, log.Empty())
}

func TestWordCount(t *testing.T) {
	d := partitioned(t, "wordcount", testdriver.ManualCommit())
	in := d.Input(topology.NewTopic("wc_lines-in", serde.String, serde.String))
	in.Send("1", "The river and the sea")
	in.Send("2", "river RIVER")
	d.Commit()
	d.Commit() // what the repartition topic brought
	out := d.Output(topology.NewTopic("wc_counts-out", serde.String, serde.Int64))
	require.Equal(t, map[string]int64{"the": 2, "river": 3, "and": 1, "sea": 1}, testdriver.ReadMap(out))
}

func TestJoin(t *testing.T) {
	for _, tc := range []struct {
		name  string
		after time.Duration // from the order to its payment
		meets bool
	}{
		{"at once", 0, true},
		{"at the end of the window", 5 * time.Minute, true},
		{"too late", 5*time.Minute + time.Millisecond, false},
		{"before the order", -5 * time.Minute, true},
		{"too early", -5*time.Minute - time.Millisecond, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := partitioned(t, "join")
			orders := d.Input(topology.NewTopic("orders-in", serde.String, serde.JSON[order]()))
			payments := d.Input(topology.NewTopic("payments-in", serde.String, serde.JSON[payment]()))
			paidAt := t0.Add(tc.after)
			pay := func() { payments.SendAt(paidAt, "o-1", payment{"o-1", 12, paidAt.UnixMilli()}) }
			if tc.after < 0 {
				pay()
			}
			orders.SendAt(t0, "o-1", order{"o-1", 34, t0.UnixMilli()})
			orders.SendAt(t0, "o-2", order{"o-2", 56, t0.UnixMilli()})
			if tc.after >= 0 {
				pay()
			}
			got := d.Output(topology.NewTopic("order_payments-out", serde.String, serde.JSON[paid]())).All()
			if !tc.meets {
				require.Empty(t, got)
				return
			}
			require.Equal(t, []processor.Record[string, paid]{{
				Key: "o-1", Value: paid{"o-1", 34, 12, t0.UnixMilli(), paidAt.UnixMilli(), tc.after.Milliseconds()},
				Timestamp: max(t0.UnixMilli(), paidAt.UnixMilli()),
			}}, got)
		})
	}
}

func TestForeignKeyJoin(t *testing.T) {
	d := partitioned(t, "fkjoin")
	customers := d.Input(topology.NewTopic("fk_customers-in", serde.String, serde.JSON[customer]()))
	orders := d.Input(topology.NewTopic("fk_orders-in", serde.String, serde.JSON[tableOrder]()))
	out := d.Output(topology.NewTopic("fk_enriched-out", serde.String, serde.JSON[enriched]()))

	orders.Send("o-1", tableOrder{"o-1", "c-1", 10})
	orders.Send("o-2", tableOrder{"o-2", "c-2", 20})
	require.Empty(t, out.All(), "no customers yet")
	customers.Send("c-1", customer{"c-1", "Ada", "north"})
	orders.Send("o-3", tableOrder{"o-3", "c-1", 30})
	require.Equal(t, map[string]enriched{
		"o-1": {"o-1", "c-1", 10, "Ada", "north"},
		"o-3": {"o-3", "c-1", 30, "Ada", "north"},
	}, testdriver.ReadMap(out))

	customers.Send("c-1", customer{"c-1", "Ada", "south"})
	require.Equal(t, map[string]enriched{
		"o-1": {"o-1", "c-1", 10, "Ada", "south"},
		"o-3": {"o-3", "c-1", 30, "Ada", "south"},
	}, testdriver.ReadMap(out))
}

func TestKeyCount(t *testing.T) {
	d := partitioned(t, "keycount", testdriver.ManualCommit())
	in := d.Input(topology.NewTopic("raw_weather_topic-in", serde.String, serde.String))
	for range 3 {
		in.Send("a", "{}")
	}
	d.Commit()
	log := d.Output(topology.NewTopic("test-counts-changelog", serde.String, serde.Int64)).All()
	require.Len(t, log, 3, "one record of the changelog for each of the input")
	require.EqualValues(t, 3, log[2].Value)
}

func TestUnknownProgram(t *testing.T) {
	_, err := build("sort", suffixes{})
	require.EqualError(t, err, `no program "sort": there are fkjoin, join, keycount, stateless, weather, wordcount`)
}
