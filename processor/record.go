package processor

// Record is what a processor receives and forwards.
//
// A key or value may be null. For a nullable type (a pointer, []byte, or a
// type whose serde says so) nil is null and the flags are ignored when the
// record is forwarded. For all other types NullKey and NullValue say it, and
// the key or value is then the zero value.
type Record[K, V any] struct {
	Key       K
	Value     V
	Timestamp int64 // Unix milliseconds
	Headers   Headers

	NullKey, NullValue bool
}

// RawRecord is a record as it was fetched. Its bytes are valid until the next
// record of the same partition is prepared; a nil Key or Value is null.
type RawRecord struct {
	Topic      string
	Partition  int32
	Offset     int64
	Timestamp  int64 // Unix milliseconds
	Key, Value []byte
	Headers    Headers
}
