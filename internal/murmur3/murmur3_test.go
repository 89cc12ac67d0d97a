package murmur3

import (
	"encoding/hex"
	"testing"
)

// The sum was made by Kafka Streams 4.3.1.
func TestSum128(t *testing.T) {
	sum := Sum128([]byte("hello"))
	if got := hex.EncodeToString(sum[:]); got != "30bfb4f39919e764566aea857401d1c6" {
		t.Fatalf("Sum128(hello) = %s", got)
	}
}

func BenchmarkSum128(b *testing.B) {
	v := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		Sum128(v)
	}
}
