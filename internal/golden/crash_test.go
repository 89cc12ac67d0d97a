package golden

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/testdriver"
)

// restless are the topologies whose output depends on what a restart begins
// anew, here and in Kafka Streams: schedules and the waiting for empty inputs.
var restless = map[string]bool{
	"papi-punctuate-stream-time": true,
	"papi-punctuate-wall-clock":  true,
	"task-idle":                  true,
}

// TestCrashes replays the recorded runs while tasks are stopped at random and
// restored.
func TestCrashes(t *testing.T) {
	cases, err := Load(casesDir())
	require.NoError(t, err)
	for _, c := range cases {
		if c.Error != nil || restless[c.ID] {
			continue
		}
		t.Run(fmt.Sprintf("%s/%d", c.ID, c.Seed), func(t *testing.T) {
			topo, err := Build(c.ID, c.Config)
			require.NoError(t, err)
			require.NotNil(t, topo, "no topology is called %q", c.ID)
			got, err := Replay(c, topo, testdriver.WithCrashes(uint64(c.Seed)))
			require.NoError(t, err)
			require.NoError(t, got.Err, "step %d", got.Failed)
			maskMessages(c.Outputs)
			maskMessages(got.Outputs)
			want, have := byTopic(c.Outputs), byTopic(got.Outputs)
			for topic := range want {
				equalLines(t, "outputs to "+topic, want[topic], have[topic])
			}
			require.Equal(t, len(want), len(have), "topics")
			compareStores(t, c, got.Stores)
		})
	}
}

// byTopic sorts the outputs by topic, with the order within each.
func byTopic(outputs []Output) map[string][]string {
	m := map[string][]string{}
	for _, o := range outputs {
		m[o.Topic] = append(m[o.Topic], o.String())
	}
	return m
}
