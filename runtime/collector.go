package runtime

import (
	"errors"

	"github.com/thalweg/thalweg/internal/batch"
	"github.com/thalweg/thalweg/internal/murmur2"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/produce"
)

// collector gives a worker's tasks its producer.
type collector struct {
	producer *produce.Producer
	headers  []batch.Header // scratch
	sent     int64
	turn     int32 // for records without key
}

// Send implements processor.Collector. Whatever ends the transaction is a
// framework error; a record that no batch may hold is the record's own.
func (c *collector) Send(topic string, partition int32, key, value []byte, ts int64, h processor.Headers) error {
	if partition < 0 {
		n, err := c.PartitionsOf(topic)
		if err != nil {
			return err
		}
		if key != nil {
			partition = murmur2.Partition(key, n)
		} else {
			partition = c.turn % n
			c.turn = (c.turn + 1) & 0xffff
		}
	}
	c.headers = c.headers[:0]
	for _, hd := range h {
		c.headers = append(c.headers, batch.Header(hd))
	}
	err := c.producer.Send(topic, partition, key, value, ts, c.headers)
	if err == nil {
		c.sent++
		return nil
	}
	if tooLarge := (*produce.TooLargeError)(nil); errors.As(err, &tooLarge) {
		return err
	}
	return processor.Fatal(err)
}

// PartitionsOf implements processor.Collector.
func (c *collector) PartitionsOf(topic string) (int32, error) {
	n, err := c.producer.Partitions(topic)
	return n, processor.Fatal(err)
}
