package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Options are the header fields a [Builder] cannot derive from the records.
type Options struct {
	BaseOffset    int64 // 0 for a batch to be produced: the broker assigns it
	LeaderEpoch   int32
	ProducerID    int64 // NoProducerID for a plain batch
	ProducerEpoch int16
	BaseSequence  int32
	Transactional bool
	Control       bool
}

// Plain is the options of a batch without an idempotent producer.
func Plain() Options {
	return Options{
		LeaderEpoch: -1, ProducerID: NoProducerID, ProducerEpoch: NoProducerEpoch, BaseSequence: NoSequence,
	}
}

// Builder encodes records straight into the bytes of a batch. Call Reset,
// Append for every record, Finish; then Reset again. A Builder reuses its
// buffers: appending allocates only while they grow. It is not safe for
// concurrent use.
type Builder struct {
	opts      Options
	buf       []byte // header and records, uncompressed
	packed    []byte // header and records, compressed
	comp      compressor
	count     int32
	lastDelta int32 // of the last record, −1 before the first
	baseTime  int64
	fixedBase bool // baseTime is given, not the first record's
	maxTime   int64
}

// Reset starts a new batch. The bytes of the previous one become invalid.
func (b *Builder) Reset(opts Options) {
	b.opts = opts
	b.buf = grow(b.buf[:0], HeaderLen)
	b.count = 0
	b.lastDelta = -1
	b.fixedBase = false
	b.maxTime = math.MinInt64
}

// Len is the size in bytes of the batch as it stands, uncompressed.
func (b *Builder) Len() int { return len(b.buf) }

// Count is the number of records appended since Reset.
func (b *Builder) Count() int { return int(b.count) }

// Append adds a record at the next offset. A nil key or value is null. ts is
// in milliseconds since the epoch. The bytes are copied.
func (b *Builder) Append(key, value []byte, ts int64, headers ...Header) {
	size := 0
	for i := range headers {
		k, v := len(headers[i].Key), headers[i].Value
		size += sizeVarint(int64(k)) + k + sizeBytes(v)
	}
	b.start(b.lastDelta+1, key, value, ts, len(headers), size)
	for i := range headers {
		b.buf = appendVarint(b.buf, int64(len(headers[i].Key)))
		b.buf = append(b.buf, headers[i].Key...)
		b.buf = appendBytes(b.buf, headers[i].Value)
	}
}

// AppendRaw adds a record whose headers are still encoded, as an [Iter]
// delivered them.
func (b *Builder) AppendRaw(key, value []byte, ts int64, headers Headers) {
	b.start(b.lastDelta+1, key, value, ts, headers.n, len(headers.raw))
	b.buf = append(b.buf, headers.raw...)
}

// start writes everything of a record but its headers.
func (b *Builder) start(delta int32, key, value []byte, ts int64, headers, headersLen int) {
	if b.count == 0 && !b.fixedBase {
		b.baseTime = ts
	}
	tsDelta := ts - b.baseTime
	n := 1 + sizeVarint(tsDelta) + sizeVarint(int64(delta)) + sizeBytes(key) + sizeBytes(value) +
		sizeVarint(int64(headers)) + headersLen
	b.buf = appendVarint(b.buf, int64(n))
	b.buf = append(b.buf, 0) // record attributes: none are defined
	b.buf = appendVarint(b.buf, tsDelta)
	b.buf = appendVarint(b.buf, int64(delta))
	b.buf = appendBytes(b.buf, key)
	b.buf = appendBytes(b.buf, value)
	b.buf = appendVarint(b.buf, int64(headers))
	b.count++
	b.lastDelta = delta
	b.maxTime = max(b.maxTime, ts)
}

func sizeBytes(p []byte) int { return sizeVarint(int64(len(p))) + len(p) }

func appendBytes(dst, p []byte) []byte {
	if p == nil {
		return appendVarint(dst, -1)
	}
	dst = appendVarint(dst, int64(len(p)))
	return append(dst, p...)
}

// ErrEmpty reports a batch finished without records.
var ErrEmpty = errors.New("batch: no records appended")

// Finish compresses the records and writes the header. The result is valid
// until the next Reset. It fails on a batch without records, one of 2 GiB or
// more, or when the codec does.
func (b *Builder) Finish(codec Codec) (View, error) {
	if b.count == 0 {
		return nil, ErrEmpty
	}
	v, err := b.pack(codec)
	if err != nil {
		return nil, err
	}
	attributes := int16(codec)
	if b.opts.Transactional {
		attributes |= attrTransactional
	}
	if b.opts.Control {
		attributes |= attrControl
	}
	v.putHeader(&b.opts, header{
		attributes: attributes, lastDelta: b.lastDelta, baseTime: b.baseTime, maxTime: b.maxTime, count: b.count,
	})
	return v, nil
}

// pack compresses the records behind room for the header.
func (b *Builder) pack(codec Codec) (View, error) {
	out := b.buf
	if codec != None {
		b.packed = grow(b.packed[:0], HeaderLen)
		var err error
		if b.packed, err = b.comp.compress(b.packed, codec, b.buf[HeaderLen:]); err != nil {
			return nil, fmt.Errorf("batch: compress with %v: %w", codec, err)
		}
		out = b.packed
	}
	if len(out) > math.MaxInt32 {
		return nil, fmt.Errorf("batch: %d bytes do not fit into one batch", len(out))
	}
	return View(out), nil
}

// header is what the records themselves determine of a batch's header.
type header struct {
	attributes        int16
	lastDelta         int32
	baseTime, maxTime int64
	count             int32
}

func (v View) putHeader(o *Options, h header) {
	be := binary.BigEndian
	be.PutUint64(v[posBaseOffset:], uint64(o.BaseOffset))
	be.PutUint32(v[posLength:], uint32(len(v)-PrefixLen))
	be.PutUint32(v[posLeaderEpoch:], uint32(o.LeaderEpoch))
	v[posMagic] = Magic
	be.PutUint16(v[posAttributes:], uint16(h.attributes))
	be.PutUint32(v[posLastDelta:], uint32(h.lastDelta))
	be.PutUint64(v[posBaseTimestamp:], uint64(h.baseTime))
	be.PutUint64(v[posMaxTimestamp:], uint64(h.maxTime))
	be.PutUint64(v[posProducerID:], uint64(o.ProducerID))
	be.PutUint16(v[posProducerEpoch:], uint16(o.ProducerEpoch))
	be.PutUint32(v[posBaseSequence:], uint32(o.BaseSequence))
	be.PutUint32(v[posCount:], uint32(h.count))
	v.updateCRC()
}
