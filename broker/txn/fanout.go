package txn

import (
	"context"
	"sync"

	"github.com/thalweg/thalweg/broker/coord"
)

// LocalMarkers is [Markers] for the partitions led on this broker. Each
// function writes one marker and returns when it is committed; its errors are
// of package coord or [*kerr.Error].
type LocalMarkers struct {
	// Offsets writes to a partition of __consumer_offsets:
	// group.Coordinator.WriteMarker.
	Offsets func(ctx context.Context, partition int32, marker coord.Marker) error
	// Data writes to the log of any other partition.
	Data func(ctx context.Context, tp coord.TopicPartition, marker coord.Marker) error
}

// WriteMarkers implements [Markers]. Partitions are written concurrently, so
// that they share the wait for the disk.
func (l LocalMarkers) WriteMarkers(ctx context.Context, marker coord.Marker, partitions []coord.TopicPartition) []int16 {
	codes := make([]int16, len(partitions))
	write := func(i int) {
		tp := partitions[i]
		if tp.Topic == coord.OffsetsTopic {
			codes[i] = coord.Code(l.Offsets(ctx, tp.Partition, marker))
			return
		}
		codes[i] = coord.Code(l.Data(ctx, tp, marker))
	}
	var wg sync.WaitGroup
	for i := 1; i < len(partitions); i++ {
		wg.Go(func() { write(i) })
	}
	if len(partitions) > 0 {
		write(0)
	}
	wg.Wait()
	return codes
}
