package broker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func partsOf(n int) []*fetchPart {
	parts := make([]*fetchPart, n)
	for i := range parts {
		parts[i] = &fetchPart{key: partKey{topic: "nowhere", index: int32(i)}}
	}
	return parts
}

// The partitions of all sessions together are bounded, whatever clients name.
func TestSessionsAreBoundedByTheirPartitions(t *testing.T) {
	c := newSessionCache(3)
	first := c.open(false, partsOf(c.partitions-10))
	require.NotNil(t, first)
	require.Nil(t, c.open(false, partsOf(11)), "no room: the client does without a session")
	second := c.open(false, partsOf(4))
	require.NotNil(t, second)
	require.True(t, c.resize(second, 10))
	require.False(t, c.resize(second, 11), "it has outgrown the room")
	require.Nil(t, c.get(second.id), "and has ended")
	require.True(t, c.resize(first, 5))
	require.Equal(t, 5, c.held)
	c.remove(first.id)
	c.remove(first.id)
	require.Zero(t, c.held)
	require.False(t, c.resize(first, 1), "a session that has ended takes no room")
	require.Zero(t, c.held)
}

func TestIdleSessionsEndWhenAnotherIsOpened(t *testing.T) {
	c := newSessionCache(2)
	idle, busy := c.open(false, partsOf(1)), c.open(false, partsOf(1))
	require.Nil(t, c.open(false, partsOf(1)))
	idle.used = idle.used.Add(-sessionIdle - time.Second)
	require.NotNil(t, c.open(false, partsOf(1)))
	require.Nil(t, c.get(idle.id))
	require.NotNil(t, c.get(busy.id))
	require.Equal(t, 2, c.held)
}
