//go:build kafka

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The same pipeline on a real Apache Kafka, whose address is in THALWEG_KAFKA, ends with the same hash.
func TestKafkaWeather(t *testing.T) {
	address := os.Getenv("THALWEG_KAFKA")
	require.NotEmpty(t, address, "run this by: make kafka")
	brokers, dir := strings.Split(address, ","), t.TempDir()
	producer := start(t, brokers, "produce", "--speed", "0")
	workers := []*process{
		start(t, brokers, "run", "--state", filepath.Join(dir, "1")),
		start(t, brokers, "run", "--state", filepath.Join(dir, "2")),
	}
	producer.wait(t)
	require.Equal(t, summary(t), start(t, brokers, "watch", "--once").wait(t))
	for _, w := range workers {
		w.stop(t)
	}
}
