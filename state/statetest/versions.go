package statetest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// versions is a versioned store; its model keeps every version for ever.
type versions struct {
	retention int64
	// rewriteAfter is after how many records the changelog is rewritten.
	rewriteAfter int
	store        *state.VersionedStore[string, string]
	model        versionModel
}

// versionKeys have several lengths, whose order is that of histories.
var versionKeys = []string{"", "a", "ab", "b", "bb", "ca"}

type versionModel struct {
	observed int64
	keys     map[string]map[int64]versionOf // by key, then timestamp
}

type versionOf struct {
	value *string // nil is a tombstone
	ends  bool    // it was put before another version
}

func (m versionModel) clone() versionModel {
	c := versionModel{m.observed, map[string]map[int64]versionOf{}}
	for k, v := range m.keys {
		c.keys[k] = maps.Clone(v)
	}
	return c
}

// put returns what [state.VersionedStore.Put] must.
func (m *versionModel) put(k string, v *string, ts, retention int64) int64 {
	if ts < m.observed-retention {
		return state.NotPut
	}
	m.observed = max(m.observed, ts)
	if m.keys[k] == nil {
		m.keys[k] = map[int64]versionOf{}
	}
	var before versionOf // the version before ts
	for _, at := range slices.Sorted(maps.Keys(m.keys[k])) {
		if at < ts {
			before = m.keys[k][at]
		} else if at > ts {
			m.keys[k][ts] = versionOf{v, true}
			return at
		}
	}
	// A tombstone of the latest version's own time leaves no trace, unless
	// there is a version that it ends.
	if v == nil && m.keys[k][ts].value != nil && before.value == nil && !before.ends {
		delete(m.keys[k], ts)
	} else {
		m.keys[k][ts] = versionOf{v, false}
	}
	return state.StillValid
}

func (m *versionModel) get(k string, asOf, retention int64) string {
	var found *string
	var at int64
	times := slices.Sorted(maps.Keys(m.keys[k]))
	for _, ts := range times {
		if ts <= asOf {
			found, at = m.keys[k][ts].value, ts
		}
	}
	isLatest := len(times) > 0 && at == times[len(times)-1]
	if found == nil || !isLatest && asOf < m.observed-retention {
		return "nothing"
	}
	return fmt.Sprintf("%s@%d", *found, at)
}

func (s *versions) declare() state.Declared {
	s.model = versionModel{-1, map[string]map[int64]versionOf{}}
	return state.Versioned("v", serde.String, serde.String, time.Duration(s.retention)*time.Millisecond, state.RewriteAfter(s.rewriteAfter))
}

func (s *versions) attach(st state.Store) { s.store = st.(*state.VersionedStore[string, string]) }
func (s *versions) save() any             { return s.model.clone() }
func (s *versions) load(m any)            { s.model = m.(versionModel).clone() }

func show(v string, ts int64, ok bool) string {
	if !ok {
		return "nothing"
	}
	return fmt.Sprintf("%s@%d", v, ts)
}

func (s *versions) operate(rt *rapid.T) {
	k := rapid.SampledFrom(versionKeys).Draw(rt, "k")
	ts := max(0, s.model.observed+rapid.Int64Range(-120, 30).Draw(rt, "ts"))
	if rapid.Bool().Draw(rt, "round") {
		ts -= ts % 20 // several at one time
	}
	if rapid.IntRange(0, 3).Draw(rt, "op") == 0 {
		want := "nothing"
		if ts >= s.model.observed-s.retention {
			want = s.model.get(k, ts, s.retention)
		}
		v, at, ok, err := s.store.Delete(k, ts)
		require.NoError(rt, err)
		require.Equal(rt, want, show(v, at, ok))
		s.model.put(k, nil, ts, s.retention)
		return
	}
	v := rapid.StringMatching(`[x-z]{0,3}`).Draw(rt, "v")
	got, err := s.store.Put(k, v, ts)
	require.NoError(rt, err)
	require.Equal(rt, s.model.put(k, &v, ts, s.retention), got)
}

func (s *versions) compare(rt *rapid.T) {
	for _, k := range versionKeys {
		v, ts, ok, err := s.store.Get(k)
		require.NoError(rt, err)
		require.Equal(rt, s.model.get(k, 1<<60, 1<<61), show(v, ts, ok))
		for asOf := max(0, s.model.observed-150); asOf <= s.model.observed+5; asOf += 1 + asOf%7 {
			v, ts, ok, err := s.store.GetAsOf(k, asOf)
			require.NoError(rt, err)
			require.Equal(rt, s.model.get(k, asOf, s.retention), show(v, ts, ok), "key %q as of %d, stream time %d", k, asOf, s.model.observed)
		}
	}
}
