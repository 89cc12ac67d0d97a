package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// TestVersionedErased puts a tombstone with the time of the latest version, then
// an earlier version. Kafka Streams remembers such a tombstone only when it ends
// another version.
func TestVersionedErased(t *testing.T) {
	type put struct {
		ts    int64
		value string // "" for a tombstone
	}
	cases := []struct {
		name   string
		before []put
		want   int64 // of the put at 5
	}{
		{"alone", []put{{10, "v"}, {10, ""}}, state.StillValid},
		{"after a version", []put{{3, "u"}, {10, "v"}, {10, ""}}, 10},
		{"after a tombstone", []put{{3, ""}, {10, "v"}, {10, ""}}, state.StillValid},
		{"after a tombstone that was late", []put{{10, "v"}, {3, ""}, {10, ""}}, 10},
		{"back to a later tombstone", []put{{7, ""}, {10, "v"}, {10, ""}}, 7},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, p := openPartition(t, openDB(t), "v", 0)
			tk := new(task)
			s := state.Versioned("v", serde.String, serde.String, time.Minute).OpenVersioned(tk.env(p, nil))
			for _, put := range c.before {
				var err error
				if put.value == "" {
					_, err = s.End("k", put.ts)
				} else {
					_, err = s.Put("k", put.value, put.ts)
				}
				require.NoError(t, err)
			}
			_, _, ok, err := s.Get("k")
			require.NoError(t, err)
			require.False(t, ok)
			got, err := s.Put("k", "late", 5)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}
