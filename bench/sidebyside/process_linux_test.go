package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProcess(t *testing.T) {
	p, err := start("sleep 60")
	require.NoError(t, err)
	memory, err := p.peak()
	require.NoError(t, err)
	require.Positive(t, memory)
	_, err = p.taken()
	require.NoError(t, err)
	ended, _ := p.ended()
	require.False(t, ended)
	require.NoError(t, p.stop())
	ended, _ = p.ended()
	require.True(t, ended)
}
