package task

import (
	"fmt"

	"github.com/thalweg/thalweg/processor"
)

// Record is one record of an input partition as it lies in a fetched batch.
// A nil Key or Value is a null; an empty one is not.
type Record struct {
	Offset      int64
	LeaderEpoch int32
	Timestamp   int64 // Unix milliseconds
	Key, Value  []byte
	Headers     processor.Headers
}

// Batch iterates over fetched records of one partition, decoding them in
// place. Key and Value of a record may alias the batch's memory; headers must
// not, since caches and buffers keep them.
type Batch interface {
	// Next reads the next record into r, false when there is none.
	Next(r *Record) (bool, error)
	// End is the offset at which reading goes on after the batch. It lies
	// behind markers and records that Next does not show.
	End() int64
	// Release says that the memory of the batch is not used any longer. The
	// task calls it once: after the last record was processed, or in Close.
	Release()
}

// queue holds the fetched records of one input partition.
//
// Invariants:
//   - while ready is true, head is prepared in node, its timestamp is time and
//     not negative, and nothing else was prepared in that node since;
//   - head aliases the memory of batches[first] alone;
//   - position is the offset that a commit names: that of the first record
//     which is neither processed nor skipped, -1 before the first one.
type queue struct {
	topic     string
	partition int32
	node      processor.RawNode

	batches []Batch
	first   int // the first batch that is not used up
	head    Record
	time    int64
	ready   bool

	position      int64
	leaderEpoch   int32
	partitionTime int64 // largest timestamp taken, -1 before the first
	consumed      bool  // position moved since the last commit

	waiting  bool // an idle deadline runs
	deadline int64
}

func newQueue(topic string, partition int32, node processor.RawNode) *queue {
	return &queue{topic: topic, partition: partition, node: node, position: -1, leaderEpoch: -1, partitionTime: -1}
}

func (q *queue) push(b Batch) {
	if q.first == len(q.batches) {
		q.batches, q.first = q.batches[:0], 0
	} else if q.first >= 32 && q.first > len(q.batches)/2 {
		n := copy(q.batches, q.batches[q.first:])
		clear(q.batches[n:])
		q.batches, q.first = q.batches[:n], 0
	}
	q.batches = append(q.batches, b)
}

// next reads the next raw record into head, false when the queue is empty.
// What head held before is done with.
func (q *queue) next() (bool, error) {
	for q.first < len(q.batches) {
		b := q.batches[q.first]
		ok, err := b.Next(&q.head)
		if err != nil {
			return false, fmt.Errorf("task: topic %s partition %d: %w", q.topic, q.partition, err)
		}
		if ok {
			return true, nil
		}
		q.position = max(q.position, b.End())
		b.Release()
		q.batches[q.first] = nil
		q.first++
	}
	return false, nil
}

// passed notes that head is done with: processed or skipped.
func (q *queue) passed() {
	q.position = q.head.Offset + 1
	q.leaderEpoch = q.head.LeaderEpoch
	q.consumed = true
}

func (q *queue) close() {
	for _, b := range q.batches[q.first:] {
		b.Release()
	}
	clear(q.batches)
	q.batches, q.first, q.ready = nil, 0, false
}

// raw is head as the source node wants it.
func (q *queue) raw() processor.RawRecord {
	return processor.RawRecord{
		Topic: q.topic, Partition: q.partition, Offset: q.head.Offset, Timestamp: q.head.Timestamp,
		Key: q.head.Key, Value: q.head.Value, Headers: q.head.Headers,
	}
}
