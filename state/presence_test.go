package state

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPresence(t *testing.T) {
	p := newPresence(3)
	require.True(t, p.mayHave(2, []byte("a")), "not known")
	require.False(t, p.mayHave(3, []byte("a")))
	for i := range 1000 {
		p.add(3, fmt.Append(nil, i))
	}
	for i := range 1000 {
		require.True(t, p.mayHave(3, fmt.Append(nil, i)))
	}
	require.False(t, p.mayHave(4, []byte("1")))
	p.expire(4)
	require.Empty(t, p.segments)

	for i := range mostHashes + mostHashes/100 {
		p.add(5, fmt.Append(nil, i))
	}
	require.True(t, p.mayHave(5, []byte("never added")), "a segment with too many keys has every key")

	require.True(t, (*presence)(nil).mayHave(1, nil), "without one every key may be there")
}
