package pipeline_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/examples/weather/board"
	"github.com/thalweg/thalweg/examples/weather/expected"
	"github.com/thalweg/thalweg/examples/weather/pipeline"
	"github.com/thalweg/thalweg/examples/weather/readings"
	"github.com/thalweg/thalweg/internal/seeds"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/testdriver"
)

func row(station string, at time.Time, tempF string) string {
	return station + ",2013,1,1,0," + tempF + ",26,59,270,10,20,0.1,1012,10," + at.Format(time.RFC3339)
}

func TestPipeline(t *testing.T) {
	topo, err := pipeline.Topology()
	require.NoError(t, err)
	d := testdriver.New(t, topo)
	midnight := time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC)
	d.Input(pipeline.Airports).SendAt(midnight, "EWR", pipeline.Airport{Name: "Newark Liberty Intl", Lat: 40.7, Lon: -74.2})

	in, out, invalid := d.Input(pipeline.Raw), d.Output(pipeline.Processed), d.Output(pipeline.Invalid)
	send := func(station string, at time.Time, tempF string) {
		in.SendAt(at, station, row(station, at, tempF))
	}
	send("EWR", midnight, "50")                              // 10 °C
	send("EWR", midnight.Add(time.Hour), "NA")               // no temperature
	send("EWR", midnight.Add(2*time.Hour), "68")             // 20 °C
	send("XXX", midnight.Add(3*time.Hour), "32")             // not in the table
	send("EWR", midnight.Add(25*time.Hour), "14")            // the next day
	send("EWR", midnight.Add(23*time.Hour), "86")            // within the grace of six hours: 30 °C
	send("EWR", midnight.Add(30*time.Hour+time.Minute), "0") // closes the first day
	send("EWR", midnight.Add(4*time.Hour), "0")              // too late

	require.Equal(t, map[string]pipeline.Summary{
		"EWR/2013-01-01": {Station: "EWR", Day: "2013-01-01", Name: "Newark Liberty Intl", Lat: 40.7, Lon: -74.2,
			MeanC: 20, MinC: 10, MaxC: 30, RainMM: 7.62, GustMS: 8.94, Readings: 3},
		"EWR/2013-01-02": {Station: "EWR", Day: "2013-01-02", Name: "Newark Liberty Intl", Lat: 40.7, Lon: -74.2,
			MeanC: -13.89, MinC: -17.78, MaxC: -10, RainMM: 5.08, GustMS: 8.94, Readings: 2},
		"XXX/2013-01-01": {Station: "XXX", Day: "2013-01-01", MeanC: 0, RainMM: 2.54, GustMS: 8.94, Readings: 1},
	}, testdriver.ReadMap(out))
	rejected := invalid.All()
	require.Len(t, rejected, 1)
	require.Equal(t, "no-temperature", rejected[0].Value.Reason)

	// What others write to the topic is rejected and counted, too.
	in.SendAt(midnight, "EWR", `{"temp_f": 50`)
	in.SendRecord(processor.Record[string, string]{NullKey: true, Value: row("EWR", midnight, "50"), Timestamp: midnight.UnixMilli()})
	var reasons []string
	for _, r := range invalid.All() {
		reasons = append(reasons, r.Value.Reason)
	}
	require.Equal(t, []string{"malformed", "no-station"}, reasons)
}

// The real year, through any number of partitions and through caches, ends where the program in package expected ends.
func TestYear(t *testing.T) {
	want, err := expected.Year()
	require.NoError(t, err)
	for name, options := range map[string][]testdriver.Option{
		"one partition":   nil,
		"four partitions": {testdriver.Partitions(4)},
		"cached":          {testdriver.Partitions(2), testdriver.ManualCommit()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topo, err := pipeline.Topology()
			require.NoError(t, err)
			d := testdriver.New(t, topo, options...)
			b := throughDriver(t, d, readings.Rows)
			reasons, rejected := b.Reasons()
			require.Equal(t, want.Reasons, reasons)
			require.Equal(t, want.Rows, int(b.Readings())+rejected)
			require.Equal(t, want.Windows, b.Windows())
			require.Equal(t, want.Hash, b.Hash())
		})
	}
}

// Tasks that are stopped at random and restored end where undisturbed ones end.
func TestCrashes(t *testing.T) {
	const rows = 2000 // four weeks
	run := func(options ...testdriver.Option) (*board.Board, int) {
		topo, err := pipeline.Topology()
		require.NoError(t, err)
		d := testdriver.New(t, topo, append(options, testdriver.Partitions(4))...)
		b := throughDriver(t, d, rows)
		return b, d.Crashes()
	}
	want, _ := run()
	for seed := range seeds.Upto(3) {
		got, crashes := run(testdriver.WithCrashes(seed))
		require.Positive(t, crashes, "seed %d", seed)
		require.Equal(t, want.Hash(), got.Hash(), "seed %d", seed)
	}
}

// throughDriver sends the airports and so many rows of the year through the driver and puts what comes out on a board.
func throughDriver(t *testing.T, d *testdriver.Driver, rows int) *board.Board {
	t.Helper()
	airports, err := readings.Airports()
	require.NoError(t, err)
	table := d.Input(pipeline.Airports)
	for _, a := range airports {
		table.SendAt(time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC), a.Code, pipeline.Airport{Name: a.Name, Lat: a.Lat, Lon: a.Lon})
	}
	year, err := readings.Year()
	require.NoError(t, err)
	raw := d.Input(pipeline.Raw)
	for o := range year {
		if rows--; rows < 0 {
			break
		}
		raw.SendAt(o.At, o.Station, o.Row)
	}
	d.Commit()

	b := board.New()
	for _, r := range d.Output(pipeline.Processed).All() {
		value, err := pipeline.Processed.Value.Append(nil, r.Value)
		require.NoError(t, err)
		require.NoError(t, b.Processed(r.Key, value))
	}
	for _, r := range d.Output(pipeline.Invalid).All() {
		value, err := pipeline.Invalid.Value.Append(nil, r.Value)
		require.NoError(t, err)
		require.NoError(t, b.Invalid(value))
	}
	return b
}
