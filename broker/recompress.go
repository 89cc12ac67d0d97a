package broker

import (
	"github.com/thalweg/thalweg/internal/batch"
)

// targetCodec returns the codec that a topic's compression.type asks for; keep
// is true for "producer", which keeps what the client chose.
func targetCodec(compressionType string) (codec batch.Codec, keep bool) {
	switch compressionType {
	case "uncompressed":
		return batch.None, false
	case "gzip":
		return batch.Gzip, false
	case "snappy":
		return batch.Snappy, false
	case "lz4":
		return batch.LZ4, false
	case "zstd":
		return batch.Zstd, false
	}
	return batch.None, true
}

// recompress returns v in the codec of the topic. The result is valid until the
// next call; it is v itself if nothing is to be done.
func (c *conn) recompress(v batch.View, rules *rules) (batch.View, error) {
	if rules.keepCodec || v.Codec() == rules.codec {
		return v, nil
	}
	records, err := v.Records(&c.decompressor)
	if err != nil {
		return nil, err
	}
	c.builder.Reset(batch.Options{
		LeaderEpoch: v.LeaderEpoch(), ProducerID: v.ProducerID(), ProducerEpoch: v.ProducerEpoch(),
		BaseSequence: v.BaseSequence(), Transactional: v.IsTransactional(),
	})
	var r batch.Record
	for records.Next(&r) {
		c.builder.AppendRaw(r.Key, r.Value, r.Timestamp, r.Headers)
	}
	if err := records.Err(); err != nil {
		return nil, err
	}
	return c.builder.Finish(rules.codec)
}
