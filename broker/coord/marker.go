package coord

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Marker ends a producer's transaction in the partitions it is written to.
type Marker struct {
	ProducerID       int64
	ProducerEpoch    int16
	Commit           bool
	CoordinatorEpoch int32
	// Version is the transaction version. From 2 on every transaction has an
	// epoch of its own, and the marker's must be above that of the
	// transaction's records (KIP-890, KIP-1228).
	Version int8
}
