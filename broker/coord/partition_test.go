package coord

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The hashes are those of Java's String.hashCode.
func TestPartitionFor(t *testing.T) {
	for _, c := range []struct {
		key  string
		n    int32
		want int32
	}{
		{"", 50, 0},
		{"a", 50, 47},
		{"my-group", 50, 12},
		{"polygenelubricants", 50, 0}, // −2³¹, whose absolute value does not exist
		{"héllo wörld", 1 << 30, 554407129},
		{"😀", 1 << 30, 1772899}, // two UTF-16 units
		{"x", 0, 0},
	} {
		require.Equal(t, c.want, PartitionFor(c.key, c.n), "%q", c.key)
	}
}
