package seeds

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		one, many string
		want      []uint64
	}{
		{"", "", []uint64{1, 2, 3}},
		{"7", "", []uint64{7}},
		{"7", "2", []uint64{7}},
		{"", "2", []uint64{1, 2}},
		{"0", "0", []uint64{1, 2, 3}},
		{"x", "-1", []uint64{1, 2, 3}},
	} {
		require.Equal(t, c.want, slices.Collect(choose(3, c.one, c.many)), c)
	}
}
