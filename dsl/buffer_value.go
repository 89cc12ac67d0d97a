package dsl

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// bufferValue is a change that waits, with the context of its record, in the
// bytes of Kafka Streams' buffers:
//
//	context | prior | old | new
//	context = int64 time | int64 offset | int32 n | topic | int32 partition | headers
//	headers = int32 n | (int32 n | name | int32 n or -1 | value)*
//
// prior, old and new are an int32 length, or -1 for none, and the bytes; an old
// that equals prior is written as -2.
type bufferValue struct {
	rec             state.Record
	prior, old, new []byte // nil: none
}

const (
	absent      = -1
	sameAsPrior = -2
)

func (v *bufferValue) append(dst []byte) []byte {
	r := &v.rec
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Timestamp))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Offset))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.Topic)))
	dst = append(dst, r.Topic...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.Partition))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.Headers)))
	for _, h := range r.Headers {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(h.Key)))
		dst = append(dst, h.Key...)
		dst = appendPart(dst, h.Value)
	}
	dst = appendPart(dst, v.prior)
	if v.old != nil && v.prior != nil && bytes.Equal(v.old, v.prior) {
		dst = appendLength(dst, sameAsPrior)
	} else {
		dst = appendPart(dst, v.old)
	}
	return appendPart(dst, v.new)
}

func appendLength(dst []byte, n int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(n)) }

func appendPart(dst, b []byte) []byte {
	if b == nil {
		return appendLength(dst, absent)
	}
	return append(appendLength(dst, int32(len(b))), b...)
}

// size is what the entry counts for in a buffer's limit of bytes.
func (v *bufferValue) size() int64 {
	n := 8 + 8 + 4 + len(v.rec.Topic) + len(v.prior) + len(v.new)
	for _, h := range v.rec.Headers {
		n += len(h.Key) + len(h.Value)
	}
	if !bytes.Equal(v.old, v.prior) {
		n += len(v.old)
	}
	return int64(n)
}

// decode reads what append wrote, and returns the bytes behind it. The value
// has memory of its own.
func (v *bufferValue) decode(src []byte) (rest []byte, err error) {
	d := bufferReader{src: bytes.Clone(src)}
	d.context(&v.rec)
	v.prior = d.part(nil)
	v.old = d.part(v.prior)
	v.new = d.part(nil)
	if d.short {
		return nil, fmt.Errorf("dsl: buffered change: %w", serde.ErrMalformed)
	}
	return d.src, nil
}

// bufferReader reads until the bytes run short, which it remembers.
type bufferReader struct {
	src   []byte
	short bool
}

func (d *bufferReader) bytes(n int32) []byte {
	if n < 0 || int(n) > len(d.src) {
		d.short, d.src = true, nil
		return nil
	}
	b := d.src[:n:n]
	d.src = d.src[n:]
	return b
}

func (d *bufferReader) context(r *state.Record) {
	r.Timestamp = int64(d.uint64())
	r.Offset = int64(d.uint64())
	r.Topic = string(d.bytes(int32(d.uint32())))
	r.Partition = int32(d.uint32())
	r.Headers = nil
	n := int32(d.uint32())
	for i := int32(0); i < n && !d.short; i++ {
		name := string(d.bytes(int32(d.uint32())))
		r.Headers = append(r.Headers, processor.Header{Key: name, Value: d.part(nil)})
	}
}

func (d *bufferReader) uint64() uint64 {
	if b := d.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *bufferReader) uint32() uint32 {
	if b := d.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *bufferReader) part(prior []byte) []byte {
	switch n := int32(d.uint32()); n {
	case absent:
		return nil
	case sameAsPrior:
		return prior
	default:
		return d.bytes(n)
	}
}
