package state

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPresence(t *testing.T) {
	const interval = 1000
	p := newPresence(3, interval)
	find := func(segment int64, key string) knowledge {
		_, f := p.find(segment, []byte(key))
		return f
	}
	require.Equal(t, unknown, find(2, "a"))
	require.Equal(t, absent, find(3, "a"))
	for i := range 900 {
		p.add(fields{fmt.Append(nil, i), 3*interval + int64(i), uint64(i)})
	}
	for i := range 900 {
		key := fmt.Append(nil, i)
		row, f := p.find(3, key)
		require.Equal(t, single, f)
		require.Equal(t, fields{key, 3*interval + int64(i), uint64(i)}, row)
	}
	p.add(fields{[]byte("1"), 3*interval + 1, 1})
	require.Equal(t, single, find(3, "1"), "the same row again")
	p.add(fields{[]byte("1"), 3*interval + 1, 1000})
	require.Equal(t, unknown, find(3, "1"), "several rows")
	p.add(fields{[]byte("1"), 3*interval + 1, 1})
	require.Equal(t, unknown, find(3, "1"))
	require.Equal(t, absent, find(4, "1"))
	p.expire(4)
	require.Empty(t, p.segments)

	for i := range mostPlaces + mostPlaces/100 {
		p.add(fields{fmt.Append(nil, i), 5 * interval, 1})
	}
	require.Equal(t, unknown, find(5, "never added"), "a segment with too many keys is not known")

	_, f := (*presence)(nil).find(1, nil)
	require.Equal(t, unknown, f, "without one nothing is known")

	p = newPresence(0, 1<<33)
	p.add(fields{[]byte("a"), 1 << 32, 1})
	require.Equal(t, unknown, find(0, "a"), "a time that does not fit")
	require.Equal(t, absent, find(0, "b"))
}
