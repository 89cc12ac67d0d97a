package coord

import "unicode/utf16"

// Names of the internal topics the coordinators keep their journals in.
const (
	OffsetsTopic      = "__consumer_offsets"
	TransactionsTopic = "__transaction_state"
)

// PartitionFor maps a group id or transactional id to its partition among n,
// as Kafka's brokers and tools do: abs(String.hashCode(key)) % n, where the
// absolute value of the smallest integer is 0. The hash runs over UTF-16 code
// units.
func PartitionFor(key string, n int32) int32 {
	var h int32
	for _, r := range key {
		if a, b := utf16.EncodeRune(r); a != '\uFFFD' {
			h = 31*h + a
			r = b
		}
		h = 31*h + r
	}
	switch {
	case n <= 0, h == -1<<31:
		return 0
	case h < 0:
		h = -h
	}
	return h % n
}
