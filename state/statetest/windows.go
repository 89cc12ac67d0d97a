package statetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// spanRow is a row of a window or session store as the model keeps it.
type spanRow struct {
	key   string
	time  int64 // what it expires by: a window's start, a session's end
	start int64 // of a session
	seq   int   // of a duplicate
	v     timedValue
}

// spans is the model of window and session stores.
type spans struct {
	rows     []spanRow
	observed int64
	seq      int
}

func (m *spans) clone() *spans {
	c := *m
	c.rows = slices.Clone(m.rows)
	return &c
}

// put replaces or adds a row if its segment is live; a nil value deletes.
func (m *spans) put(r spanRow, v *timedValue, retention time.Duration) {
	ret := retention.Milliseconds()
	interval := max(ret/2, 60_000)
	m.observed = max(m.observed, r.time)
	if r.time/interval < (m.observed-ret)/interval {
		return
	}
	m.rows = slices.DeleteFunc(m.rows, func(o spanRow) bool {
		return o.key == r.key && o.time == r.time && o.start == r.start && o.seq == r.seq
	})
	if v != nil {
		r.v = *v
		m.rows = append(m.rows, r)
	}
}

// visible returns the rows that have not expired, in the store's order.
func (m *spans) visible(retention time.Duration, ordered bool) []spanRow {
	return m.since(m.observed-retention.Milliseconds()+1, retention, ordered)
}

// since returns the rows that are not behind a time.
func (m *spans) since(floor int64, retention time.Duration, ordered bool) []spanRow {
	interval := max(retention.Milliseconds()/2, 60_000)
	rows := slices.DeleteFunc(slices.Clone(m.rows), func(r spanRow) bool {
		return r.time < floor
	})
	slices.SortFunc(rows, func(a, b spanRow) int {
		if ordered {
			return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.start, b.start),
				strings.Compare(a.key, b.key), cmp.Compare(a.seq, b.seq))
		}
		return cmp.Or(cmp.Compare(a.time/interval, b.time/interval), strings.Compare(a.key, b.key),
			cmp.Compare(a.time, b.time), cmp.Compare(a.start, b.start), cmp.Compare(a.seq, b.seq))
	})
	return rows
}

func filterRows(rows []spanRow, keep func(spanRow) bool) []string {
	got := []string{}
	for _, r := range rows {
		if keep(r) {
			got = append(got, fmt.Sprintf("%q@%d-%d=%v", r.key, r.start, r.time, r.v))
		}
	}
	return got
}

// windowKeys leave out keys that begin with another key and go on with bytes that
// sort like a time: in Kafka's order the rows of such a pair are mixed, which the
// model does not know.
var windowKeys = rapid.SampledFrom([]string{"", "a", "ab", "b", "c"})

type windows struct {
	retention  time.Duration
	opts       []state.Option
	duplicates bool
	ordered    bool
	store      *state.WindowStore[string, string]
	model      *spans
}

func (s *windows) declare() state.Declared {
	s.model = &spans{observed: -1}
	h := state.TimestampedWindow("w", serde.String, serde.String, s.retention, time.Second, append(s.opts, state.Cached())...)
	s.ordered = h.Spec().TimeOrdered
	return h
}

func (s *windows) attach(st state.Store) { s.store = st.(*state.WindowStore[string, string]) }
func (s *windows) save() any             { return s.model.clone() }
func (s *windows) load(m any)            { s.model = m.(*spans).clone() }

func (s *windows) operate(rt *rapid.T) {
	k, start := windowKeys.Draw(rt, "k"), drawTime(rt, "start")
	v := timedValue{rapid.StringMatching(`[x-z]{0,3}`).Draw(rt, "v"), rapid.Int64Range(0, 9).Draw(rt, "ts")}
	r := spanRow{key: k, time: start}
	if s.duplicates {
		s.model.seq++
		r.seq = s.model.seq
	} else if rapid.IntRange(0, 3).Draw(rt, "op") == 0 {
		s.model.put(r, nil, s.retention)
		require.NoError(rt, s.store.Delete(k, start))
		return
	}
	s.model.put(r, &v, s.retention)
	require.NoError(rt, s.store.Put(k, start, v.v, v.ts))
}

func (s *windows) rows(rt *rapid.T, seq func(func(state.WindowEntry[string, string], error) bool), reverse bool) []string {
	got := []string{}
	for e, err := range seq {
		require.NoError(rt, err)
		got = append(got, fmt.Sprintf("%q@0-%d=%v", e.Key, e.Start, timedValue{e.Value, e.Timestamp}))
	}
	if reverse {
		slices.Reverse(got)
	}
	return got
}

func (s *windows) compare(rt *rapid.T) {
	visible := s.model.visible(s.retention, s.ordered)
	if s.ordered { // the time that is just retention ago is seen there
		visible = s.model.since(s.model.observed-s.retention.Milliseconds(), s.retention, true)
	}
	lo, hi := windowKeys.Draw(rt, "lo"), windowKeys.Draw(rt, "hi")
	from, to := drawTime(rt, "from"), drawTime(rt, "to")
	within := func(r spanRow) bool { return r.time >= from && r.time <= to }

	require.Equal(rt, filterRows(visible, func(spanRow) bool { return true }), s.rows(rt, s.store.All(), false))
	require.Equal(rt, filterRows(visible, within), s.rows(rt, s.store.FetchAll(from, to), false))
	require.Equal(rt, filterRows(visible, within), s.rows(rt, s.store.FetchAllBackward(from, to), true))

	ranged := filterRows(visible, func(r spanRow) bool { return within(r) && r.key >= lo && r.key <= hi })
	require.Equal(rt, ranged, s.rows(rt, s.store.FetchRange(lo, hi, from, to), false))
	require.Equal(rt, ranged, s.rows(rt, s.store.FetchRangeBackward(lo, hi, from, to), true))

	keyed := filterRows(visible, func(r spanRow) bool { return within(r) && r.key == lo })
	require.Equal(rt, keyed, s.rows(rt, s.store.Fetch(lo, from, to), false))
	require.Equal(rt, keyed, s.rows(rt, s.store.FetchBackward(lo, from, to), true))

	if s.duplicates {
		return
	}
	v, ts, ok, err := s.store.Get(lo, from)
	require.NoError(rt, err)
	at := slices.IndexFunc(visible, func(r spanRow) bool { return r.key == lo && r.time == from })
	require.Equal(rt, at >= 0, ok)
	if ok {
		require.Equal(rt, visible[at].v, timedValue{v, ts})
	}
}

type sessions struct {
	retention time.Duration
	opts      []state.Option
	ordered   bool
	store     *state.SessionStore[string, string]
	model     *spans
}

func (s *sessions) declare() state.Declared {
	s.model = &spans{observed: -1}
	opts := append(s.opts, state.Cached())
	h := state.Session("s", serde.String, serde.String, s.retention, opts...)
	s.ordered = h.Spec().TimeOrdered
	return h
}

func (s *sessions) attach(st state.Store) { s.store = st.(*state.SessionStore[string, string]) }
func (s *sessions) save() any             { return s.model.clone() }
func (s *sessions) load(m any)            { s.model = m.(*spans).clone() }

func (s *sessions) operate(rt *rapid.T) {
	k, start := windowKeys.Draw(rt, "k"), drawTime(rt, "start")
	end := start + rapid.Int64Range(0, 3).Draw(rt, "length")
	r := spanRow{key: k, time: end, start: start}
	if rapid.IntRange(0, 3).Draw(rt, "op") == 0 {
		s.model.put(r, nil, s.retention)
		require.NoError(rt, s.store.Delete(k, start, end))
		return
	}
	v := timedValue{rapid.StringMatching(`[x-z]{0,3}`).Draw(rt, "v"), -1}
	s.model.put(r, &v, s.retention)
	require.NoError(rt, s.store.Put(k, start, end, v.v))
}

func (s *sessions) rows(rt *rapid.T, seq func(func(state.SessionEntry[string, string], error) bool), reverse bool) []string {
	got := []string{}
	for e, err := range seq {
		require.NoError(rt, err)
		got = append(got, fmt.Sprintf("%q@%d-%d=%v", e.Key, e.Start, e.End, timedValue{e.Value, -1}))
	}
	if reverse {
		slices.Reverse(got)
	}
	return got
}

func (s *sessions) compare(rt *rapid.T) {
	visible := s.model.visible(s.retention, s.ordered)
	lo, hi := windowKeys.Draw(rt, "lo"), windowKeys.Draw(rt, "hi")
	end, start := drawTime(rt, "earliest end"), drawTime(rt, "latest start")
	within := func(r spanRow) bool { return r.time >= end && r.start <= start }

	require.Equal(rt, filterRows(visible, func(spanRow) bool { return true }), s.rows(rt, s.store.All(), false))
	ended := visible
	if s.ordered && !s.store.Caching() { // all that is in segments that are kept
		ret := s.retention.Milliseconds()
		interval := max(ret/2, 60_000)
		ended = s.model.since((s.model.observed-ret)/interval*interval, s.retention, true)
	}
	require.Equal(rt, filterRows(ended, func(r spanRow) bool { return r.time >= end && r.time <= start }),
		s.rows(rt, s.store.FindEnded(end, start), false))
	ranged := filterRows(visible, func(r spanRow) bool { return within(r) && r.key >= lo && r.key <= hi })
	require.Equal(rt, ranged, s.rows(rt, s.store.FindRange(lo, hi, end, start), false))
	require.Equal(rt, ranged, s.rows(rt, s.store.FindRangeBackward(lo, hi, end, start), true))
	keyed := filterRows(visible, func(r spanRow) bool { return within(r) && r.key == lo })
	require.Equal(rt, keyed, s.rows(rt, s.store.Find(lo, end, start), false))
	require.Equal(rt, keyed, s.rows(rt, s.store.FindBackward(lo, end, start), true))
	require.Equal(rt, filterRows(visible, func(r spanRow) bool { return r.key == lo }), s.rows(rt, s.store.Fetch(lo), false))

	for _, r := range visible {
		v, ok, err := s.store.Get(r.key, r.start, r.time)
		require.NoError(rt, err)
		require.True(rt, ok)
		require.Equal(rt, r.v.v, v)
	}
}
