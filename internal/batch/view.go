// Package batch reads and writes Kafka record batches, format version 2
// (magic 2, KIP-98).
//
// A batch is never turned into objects: [View] is the bytes themselves with
// accessors for the header, [Iter] walks the records in place, [Builder]
// encodes records straight into the bytes of a batch. Nothing here panics on
// bad input; every function that looks at foreign bytes reports a
// [*CorruptError], an [*InvalidError], [ErrTruncated] or [ErrTooLarge].
//
// Header layout (big endian):
//
//	 0 baseOffset      i64    21 attributes      i16    43 producerId    i64
//	 8 batchLength     i32    23 lastOffsetDelta i32    51 producerEpoch i16
//	12 leaderEpoch     i32    27 baseTimestamp   i64    53 baseSequence  i32
//	16 magic           i8     35 maxTimestamp    i64    57 recordCount   i32
//	17 crc32c          u32                              61 records
//
// The checksum covers bytes 21 to the end. Base offset and leader epoch lie
// before it, so a broker assigns them in place without touching the checksum.
package batch

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// Positions of the header's fields.
const (
	posBaseOffset    = 0
	posLength        = 8
	posLeaderEpoch   = 12
	posMagic         = 16
	posCRC           = 17
	posAttributes    = 21
	posLastDelta     = 23
	posBaseTimestamp = 27
	posMaxTimestamp  = 35
	posProducerID    = 43
	posProducerEpoch = 51
	posBaseSequence  = 53
	posCount         = 57
)

const (
	// HeaderLen is the length of a batch without records.
	HeaderLen = 61
	// PrefixLen is the length of base offset and batch length: what must be
	// read to know where the next batch starts.
	PrefixLen = 12
	// Magic is the only format version this package knows.
	Magic = 2
)

// No producer: the values of a batch that is not idempotent.
const (
	NoProducerID    int64 = -1
	NoProducerEpoch int16 = -1
	NoSequence      int32 = -1
)

// NoTimestamp is the timestamp of a record that has none.
const NoTimestamp int64 = -1

const (
	attrCodec         = 0x07
	attrLogAppendTime = 1 << 3
	attrTransactional = 1 << 4
	attrControl       = 1 << 5
	attrDeleteHorizon = 1 << 6
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// View is one whole record batch. Its accessors may be used only on a View
// that [Parse] returned or a [Builder] finished: they rely on the header being
// there. The Set methods write in place; whoever calls them owns the bytes.
type View []byte

// Parse cuts the first batch off b. It checks the length field and the magic
// byte, not the checksum (see [View.Validate]). It returns [ErrTruncated] when
// b ends before the batch does and a [*CorruptError] when no batch can start
// here.
func Parse(b []byte) (v View, rest []byte, err error) {
	n, err := Length(b)
	if err != nil {
		return nil, b, err
	}
	if len(b) > posMagic && b[posMagic] != Magic {
		return nil, b, corrupt("magic byte is %d, want %d", int8(b[posMagic]), Magic)
	}
	if n > len(b) {
		return nil, b, ErrTruncated
	}
	return View(b[:n:n]), b[n:], nil
}

// Length returns how many bytes the batch that starts b occupies, read from
// its first [PrefixLen] bytes. It reports [ErrTruncated] when b is shorter
// than that, and a [*CorruptError] when the length field cannot be right.
func Length(b []byte) (int, error) {
	if len(b) < PrefixLen {
		return 0, ErrTruncated
	}
	n := int32(binary.BigEndian.Uint32(b[posLength:]))
	if n < HeaderLen-PrefixLen || n > math.MaxInt32-PrefixLen {
		return 0, corrupt("batch length is %d, want at least %d", n, HeaderLen-PrefixLen)
	}
	return int(n) + PrefixLen, nil
}

// Validate checks what must hold for every stored batch: the checksum, a known
// codec, and that offsets and count fit together. It does not look at records.
func (v View) Validate() error {
	if got, want := v.computeCRC(), v.CRC(); got != want {
		return corrupt("checksum is %08x, header says %08x", got, want)
	}
	return v.validateHeader()
}

func (v View) validateHeader() error {
	last, n, base := v.LastOffsetDelta(), v.Count(), v.BaseOffset()
	switch {
	case base < 0:
		return corrupt("base offset is %d", base)
	case last < 0 || base > math.MaxInt64-1-int64(last):
		return corrupt("last offset delta is %d", last)
	case n < 0 || int64(n) > int64(last)+1:
		return corrupt("record count is %d with last offset delta %d", n, last)
	case v.Codec() > Zstd:
		return corrupt("unknown compression codec %d", v.Codec())
	}
	return nil
}

func (v View) i16(pos int) int16 { return int16(binary.BigEndian.Uint16(v[pos:])) }
func (v View) i32(pos int) int32 { return int32(binary.BigEndian.Uint32(v[pos:])) }
func (v View) i64(pos int) int64 { return int64(binary.BigEndian.Uint64(v[pos:])) }

// BaseOffset is the offset of the first record the batch was written with.
func (v View) BaseOffset() int64 { return v.i64(posBaseOffset) }

// LastOffset is the offset of the last record the batch was written with.
// Compaction may remove records, it never changes this.
func (v View) LastOffset() int64 { return v.BaseOffset() + int64(v.LastOffsetDelta()) }

// NextOffset is the offset that follows the batch.
func (v View) NextOffset() int64 { return v.LastOffset() + 1 }

// LastOffsetDelta is LastOffset − BaseOffset.
func (v View) LastOffsetDelta() int32 { return v.i32(posLastDelta) }

// LeaderEpoch is the epoch of the partition leader that appended the batch.
func (v View) LeaderEpoch() int32 { return v.i32(posLeaderEpoch) }

// CRC is the checksum the header carries.
func (v View) CRC() uint32 { return binary.BigEndian.Uint32(v[posCRC:]) }

// Attributes is the raw attribute word.
func (v View) Attributes() int16 { return v.i16(posAttributes) }

// Codec is the compression of the records.
func (v View) Codec() Codec { return Codec(v.Attributes() & attrCodec) }

// IsLogAppendTime reports that all records carry the broker's append time,
// which is MaxTimestamp.
func (v View) IsLogAppendTime() bool { return v.Attributes()&attrLogAppendTime != 0 }

// IsTransactional reports that the batch belongs to a transaction.
func (v View) IsTransactional() bool { return v.Attributes()&attrTransactional != 0 }

// IsControl reports a batch of control records, such as a transaction marker.
func (v View) IsControl() bool { return v.Attributes()&attrControl != 0 }

// DeleteHorizon is the time after which compaction may drop the batch's
// tombstones (KIP-534); ok is false when no cleaning has set one.
func (v View) DeleteHorizon() (ms int64, ok bool) {
	if v.Attributes()&attrDeleteHorizon == 0 {
		return 0, false
	}
	return v.BaseTimestamp(), true
}

// BaseTimestamp is what the records' timestamp deltas are relative to, in
// milliseconds since the epoch.
func (v View) BaseTimestamp() int64 { return v.i64(posBaseTimestamp) }

// MaxTimestamp is the largest timestamp of the batch's records.
func (v View) MaxTimestamp() int64 { return v.i64(posMaxTimestamp) }

// ProducerID is the idempotent producer's id, or NoProducerID.
func (v View) ProducerID() int64 { return v.i64(posProducerID) }

// ProducerEpoch is the producer's epoch, or NoProducerEpoch.
func (v View) ProducerEpoch() int16 { return v.i16(posProducerEpoch) }

// BaseSequence is the sequence number of the first record, or NoSequence.
func (v View) BaseSequence() int32 { return v.i32(posBaseSequence) }

// LastSequence is the sequence number of the last record, or NoSequence.
// Sequence numbers wrap from 2³¹−1 to 0.
func (v View) LastSequence() int32 {
	base := v.BaseSequence()
	if base == NoSequence {
		return NoSequence
	}
	return AddSequence(base, v.LastOffsetDelta())
}

// AddSequence adds n to a sequence number, wrapping from 2³¹−1 to 0.
func AddSequence(seq, n int32) int32 {
	return int32((int64(seq) + int64(n)) & math.MaxInt32)
}

// Count is the number of records in the batch; 0 for a batch that compaction
// emptied.
func (v View) Count() int32 { return v.i32(posCount) }

// Body is the records' bytes, compressed as Codec says.
func (v View) Body() []byte { return v[HeaderLen:] }

func (v View) computeCRC() uint32 { return crc32.Checksum(v[posAttributes:], castagnoli) }

// SetBaseOffset assigns the first record's offset; the checksum stays valid.
func (v View) SetBaseOffset(offset int64) {
	binary.BigEndian.PutUint64(v[posBaseOffset:], uint64(offset))
}

// SetLeaderEpoch assigns the leader epoch; the checksum stays valid.
func (v View) SetLeaderEpoch(epoch int32) {
	binary.BigEndian.PutUint32(v[posLeaderEpoch:], uint32(epoch))
}

// SetMaxTimestamp corrects the largest timestamp and the checksum.
func (v View) SetMaxTimestamp(ms int64) {
	binary.BigEndian.PutUint64(v[posMaxTimestamp:], uint64(ms))
	v.updateCRC()
}

// SetLogAppendTime marks the batch as stamped by the broker at ms and corrects
// the checksum. Record deltas stay as they are; readers ignore them.
func (v View) SetLogAppendTime(ms int64) {
	binary.BigEndian.PutUint16(v[posAttributes:], uint16(v.Attributes()|attrLogAppendTime))
	binary.BigEndian.PutUint64(v[posMaxTimestamp:], uint64(ms))
	v.updateCRC()
}

func (v View) updateCRC() { binary.BigEndian.PutUint32(v[posCRC:], v.computeCRC()) }
