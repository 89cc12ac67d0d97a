package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/testdriver"
)

func TestWordCount(t *testing.T) {
	topo, err := wordCount()
	require.NoError(t, err)
	d := testdriver.New(t, topo, testdriver.Partitions(3))
	d.Input(lines).Send("", "To be or not")
	d.Input(lines).Send("", "to be")
	require.Equal(t, map[string]int64{"to": 2, "be": 2, "or": 1, "not": 1}, testdriver.ReadMap(d.Output(counts)))
}

// The whole program: its own broker, the runtime, and what it prints.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out strings.Builder
	require.NoError(t, run(ctx, strings.NewReader("to be or not\nto be\n"), &out))
	printed := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Subset(t, printed, []string{"to 2", "be 2", "or 1", "not 1"})
}
