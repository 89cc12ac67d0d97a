//go:build kafka

package runtime

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
)

// TestKafkaNothingLostByAborts is TestNothingLostByAborts on the Apache Kafka at
// THALWEG_KAFKA, in the transaction protocol that it has. Applications follow one
// another in the same topics.
func TestKafkaNothingLostByAborts(t *testing.T) {
	address := os.Getenv("THALWEG_KAFKA")
	require.NotEmpty(t, address, "run this by: make kafka")
	for _, m := range abortModes {
		if m.protocol1 {
			continue // a level of its own
		}
		for _, way := range abortWays {
			if way.outage || !way.fits(m) {
				continue
			}
			t.Run(m.name+"/"+way.name, func(t *testing.T) {
				r := rigAt(t, strings.Split(address, ","), nil)
				r.session = 6 * time.Second
				admin := kadm.NewClient(r.client)
				if _, err := admin.DeleteGroups(t.Context(), "app"); err != nil {
					t.Log(err) // the first time there is none
				}
				remove(t, admin, "lines", "out", "app-seen-changelog")
				made, err := admin.CreateTopics(t.Context(), 1, 1, nil, "lines", "out")
				require.NoError(t, err)
				require.NoError(t, made.Error())
				goToAbort(t, r, m, way, []int{1, 6})
			})
		}
	}
}

// remove deletes those of some topics that there are, and waits until they are gone.
func remove(t *testing.T, admin *kadm.Client, topics ...string) {
	t.Helper()
	_, err := admin.DeleteTopics(t.Context(), topics...)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		there, err := admin.ListTopics(t.Context(), topics...)
		return err == nil && !slices.ContainsFunc(topics, there.Has)
	}, 30*time.Second, 100*time.Millisecond)
}
