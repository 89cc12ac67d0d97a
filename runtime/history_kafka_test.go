//go:build kafka

package runtime

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The same on Apache Kafka, whose cleaner and retention build/kafka has look every
// second.
func TestKafkaHistory(t *testing.T) {
	address := os.Getenv("THALWEG_KAFKA")
	require.NotEmpty(t, address, "run this by: make kafka")
	r := rigAt(t, strings.Split(address, ","), nil)
	r.session = 6 * time.Second
	r.create("events", "results")
	want, got := r.replay(ExactlyOnce, time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC), 1000, 1, map[string]string{
		"segment.ms": "3600000", "min.cleanable.dirty.ratio": "0.01",
	})
	require.Equal(t, want, got)
}
