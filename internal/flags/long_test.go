package flags_test

import (
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/internal/flags"
)

type grammar struct {
	Verbose bool `short:"v"`
	Play    struct {
		Speed time.Duration
		From  string   `short:"f"`
		Names []string `arg:"" optional:""`
	} `cmd:""`
}

func TestLong(t *testing.T) {
	for _, c := range []struct{ args, want []string }{
		{[]string{"play", "-speed", "15s"}, []string{"play", "--speed", "15s"}},
		{[]string{"play", "-speed=15s", "-verbose"}, []string{"play", "--speed=15s", "--verbose"}},
		{[]string{"-help"}, []string{"--help"}},
		{[]string{"play", "--speed", "15s", "-v", "-fx"}, []string{"play", "--speed", "15s", "-v", "-fx"}},
		{[]string{"play", "-from", "x"}, []string{"play", "--from", "x"}},
		{[]string{"play", "-", "-sped", "speed"}, []string{"play", "-", "-sped", "speed"}},
		{[]string{"play", "--", "-speed"}, []string{"play", "--", "-speed"}},
		{nil, []string{}},
	} {
		parser, err := kong.New(new(grammar))
		require.NoError(t, err)
		require.Equal(t, c.want, flags.Long(parser.Model, c.args))
	}
}

func TestLongAreRead(t *testing.T) {
	var g grammar
	parser, err := kong.New(&g)
	require.NoError(t, err)
	_, err = parser.Parse(flags.Long(parser.Model, []string{"play", "-speed=2s", "-verbose", "-f", "here", "--", "-speed"}))
	require.NoError(t, err)
	require.Equal(t, 2*time.Second, g.Play.Speed)
	require.True(t, g.Verbose)
	require.Equal(t, "here", g.Play.From)
	require.Equal(t, []string{"-speed"}, g.Play.Names)
}
