package main

import (
	"bufio"
	"context"
	"encoding/json/v2"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/thalweg/thalweg/broker"
	"github.com/thalweg/thalweg/examples/weather/board"
	"github.com/thalweg/thalweg/examples/weather/pipeline"
)

func summaryOf(station, day string, mean float64) pipeline.Summary {
	return pipeline.Summary{Station: station, Day: day, Name: "<b>" + station + "</b>", Lat: 40.7, Lon: -74.2,
		MeanC: mean, MinC: mean - 5, MaxC: mean + 5, RainMM: 3, Readings: 24}
}

func boardWith(t *testing.T, summaries ...pipeline.Summary) *board.Board {
	t.Helper()
	b := board.New()
	for _, s := range summaries {
		value, err := json.Marshal(s)
		require.NoError(t, err)
		require.NoError(t, b.Processed(s.Station+"/"+s.Day, value))
	}
	return b
}

func TestDrawing(t *testing.T) {
	d := newDrawing(boardWith(t, summaryOf("EWR", "2013-01-01", 0), summaryOf("EWR", "2013-01-02", 10), summaryOf("LGA", "2013-01-01", 1)))
	require.Equal(t, "2013-01-02", d.Day)
	require.Equal(t, "3", d.Windows)
	require.Equal(t, "72", d.Readings)
	require.Len(t, d.Map, 2)
	require.Len(t, d.Stations, 2)
	require.Equal(t, "M0 116.4L2 87.3", d.Stations[0].Mean)
	require.Equal(t, "M0 101.8L2 72.7L2 101.8L0 130.9Z", d.Stations[0].Band)
	require.Len(t, d.Stations[0].Rain, 2)
	require.Len(t, d.Stations[0].Months, 12)
	require.Equal(t, month{62, "Feb"}, d.Stations[0].Months[1])
	require.Equal(t, stop{0, colour(high)}, d.Heat[0])
}

// Many stations are dots on the map; six have charts.
func TestDrawingOfMany(t *testing.T) {
	b := boardWith(t)
	for i := range 20 {
		s := summaryOf(string(rune('A'+i)), "2013-01-01", 0)
		s.Lat, s.Lon = 25+float64(i), -120+2*float64(i)
		value, err := json.Marshal(s)
		require.NoError(t, err)
		require.NoError(t, b.Processed(s.Station, value))
	}
	d := newDrawing(b)
	require.Len(t, d.Map, 20)
	require.Len(t, d.Stations, 6)
	require.Equal(t, 14, d.More)
	for _, dot := range d.Map {
		require.True(t, dot.X >= 0 && dot.X <= mapWidth && dot.Y >= 0 && dot.Y <= mapHeight, "%+v", dot)
	}
}

// Names come from a topic, so they are escaped.
func TestEscapes(t *testing.T) {
	h := newHub()
	require.NoError(t, h.draw(boardWith(t, summaryOf("EWR", "2013-01-01", 0))))
	require.NotContains(t, string(h.drawing), "<b>EWR</b>")
	require.Contains(t, string(h.drawing), "&lt;b&gt;EWR&lt;/b&gt;")
}

// A page gets the drawing when it opens, and each new one.
func TestServe(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cluster, err := broker.StartEmbedded(ctx, broker.Config{})
	require.NoError(t, err)
	defer cluster.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...))
	require.NoError(t, err)
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopics(ctx, 1, -1, nil, pipeline.Processed.Name, pipeline.Invalid.Name)
	require.NoError(t, err)
	publish := func(s pipeline.Summary) {
		value, err := json.Marshal(s)
		require.NoError(t, err)
		require.NoError(t, cl.ProduceSync(ctx, &kgo.Record{Topic: pipeline.Processed.Name, Key: []byte(s.Station + "/" + s.Day), Value: value}).FirstErr())
	}
	publish(summaryOf("EWR", "2013-01-01", 0))

	serving, stop := context.WithCancel(ctx)
	urls, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- run(serving, cluster.Addrs(), "127.0.0.1:0", func(url string) { urls <- url })
	}()
	url := <-urls
	page := get(t, url)
	text, err := io.ReadAll(page)
	require.NoError(t, err)
	require.Contains(t, string(text), "EventSource")

	events := bufio.NewScanner(get(t, url+"/events"))
	require.Contains(t, next(t, events), "<b>1</b><span class=\"quiet\">windows")
	text, err = io.ReadAll(get(t, url))
	require.NoError(t, err)
	require.Contains(t, string(text), "<b>1</b>", "a page that opens later shows the drawing at once")
	publish(summaryOf("EWR", "2013-01-02", 0))
	require.Contains(t, next(t, events), "<b>2</b><span class=\"quiet\">windows")
	stop()
	require.NoError(t, <-ended)
}

func get(t *testing.T, url string) io.Reader {
	t.Helper()
	r, err := http.Get(url)
	require.NoError(t, err)
	t.Cleanup(func() { r.Body.Close() })
	require.Equal(t, http.StatusOK, r.StatusCode)
	return r.Body
}

// next reads one event.
func next(t *testing.T, events *bufio.Scanner) string {
	t.Helper()
	var out strings.Builder
	for events.Scan() && events.Text() != "" {
		out.WriteString(strings.TrimPrefix(events.Text(), "data: ") + "\n")
	}
	require.NoError(t, events.Err())
	return out.String()
}
