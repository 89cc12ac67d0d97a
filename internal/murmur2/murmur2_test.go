package murmur2

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The values are those of Kafka's UtilsTest.testMurmur2.
func TestSum(t *testing.T) {
	for s, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		require.Equal(t, want, int32(Sum([]byte(s))), s)
	}
}

func TestPartitionIsInRange(t *testing.T) {
	for i := range 1000 {
		p := Partition([]byte{byte(i), byte(i >> 8)}, 7)
		require.True(t, p >= 0 && p < 7)
	}
}

func BenchmarkPartition(b *testing.B) {
	key := []byte("station-0042")
	b.ReportAllocs()
	for b.Loop() {
		Partition(key, 12)
	}
}
