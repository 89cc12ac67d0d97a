package state_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

func TestVersions(t *testing.T) {
	_, p := openPartition(t, openDB(t), "v", 0)
	s := state.Versioned("v", serde.String, serde.String, time.Second).OpenVersioned(new(task).env(p, nil))
	put := func(k, v string, ts int64) {
		t.Helper()
		_, err := s.Put(k, v, ts)
		require.NoError(t, err)
	}
	versions := func(k string, from, to int64) (vs []state.Version[string]) {
		t.Helper()
		for v, err := range s.Versions(k, from, to) {
			require.NoError(t, err)
			vs = append(vs, v)
		}
		return vs
	}
	require.Empty(t, versions("k", 0, 1000))
	put("k", "a", 100)
	put("k", "c", 300)
	put("k", "b", 200)
	_, err := s.End("k", 400)
	require.NoError(t, err)
	put("k", "e", 500)
	put("other", "x", 250)

	a, b, c := state.Version[string]{"a", 100, 200}, state.Version[string]{"b", 200, 300}, state.Version[string]{"c", 300, 400}
	e := state.Version[string]{"e", 500, state.StillValid}
	require.Equal(t, []state.Version[string]{a, b, c, e}, versions("k", 0, 1000))
	require.Equal(t, []state.Version[string]{a, b}, versions("k", 150, 299), "one that was valid before is")
	require.Equal(t, []state.Version[string]{b}, versions("k", 200, 200))
	require.Equal(t, []state.Version[string]{c}, versions("k", 399, 499))
	require.Empty(t, versions("k", 400, 499), "there was no value")
	require.Equal(t, []state.Version[string]{e}, versions("k", 700, 800))
	require.Empty(t, versions("k", 0, 99))
	require.Empty(t, versions("k", 300, 200))
	require.Equal(t, []state.Version[string]{{"x", 250, state.StillValid}}, versions("other", 0, 1000))

	// The loop may stop, and may write.
	for v, err := range s.Versions("k", 0, 1000) {
		require.NoError(t, err)
		put("other", v.Value, 260)
		if v.Value == "b" {
			break
		}
	}
	// Time moves: what is behind the history is not looked at, but the latest is.
	put("late", "z", 1350)
	require.Equal(t, []state.Version[string]{c, e}, versions("k", 0, 1000))
	put("late", "z", 9000)
	require.Equal(t, []state.Version[string]{e}, versions("k", 0, 1000))

	require.NoError(t, s.Close())
	for _, err := range s.Versions("k", 0, 1) {
		require.ErrorIs(t, err, state.ErrClosed)
	}
}
