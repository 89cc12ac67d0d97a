package api

import (
	"encoding/binary"
	"fmt"
)

// Reader decodes protocol primitives from a request body. The first failure
// sticks: later reads return zero values, and Err reports it. Byte
// slices it returns alias the body.
type Reader struct {
	b        []byte
	flexible bool
	err      error
}

// NewReader returns a reader of body, in compact encoding if flexible.
func NewReader(body []byte, flexible bool) Reader { return Reader{b: body, flexible: flexible} }

// Err returns the first failure. Bytes after the last field are no failure:
// Kafka does not look at them, and librdkafka sends some (Metadata v13).
func (r *Reader) Err() error { return r.err }

func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
	}
	r.b = nil
}

// take returns the next n bytes, or nil after a failure.
func (r *Reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail("field of %d bytes with %d left", n, len(r.b))
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *Reader) Int8() int8 {
	if b := r.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (r *Reader) Int16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *Reader) Int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *Reader) Int64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *Reader) UUID() (id [16]byte) {
	copy(id[:], r.take(16))
	return id
}

// uvarint reads an unsigned varint of at most 32 bits.
func (r *Reader) uvarint() uint32 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 5 || v > 1<<32-1 {
		r.fail("bad varint")
		return 0
	}
	r.b = r.b[n:]
	return uint32(v)
}

// span reads a length that counts single bytes: -1 is null.
func (r *Reader) span(n int64) []byte {
	if n < 0 {
		return nil
	}
	if n > int64(len(r.b)) {
		r.fail("field of %d bytes with %d left", n, len(r.b))
		return nil
	}
	if n == 0 {
		return []byte{}
	}
	return r.take(int(n))
}

func (r *Reader) nullableBytes16() []byte { return r.span(int64(r.Int16())) }

// String reads a string or nullable string; null is nil.
func (r *Reader) String() []byte {
	if r.flexible {
		return r.span(int64(r.uvarint()) - 1)
	}
	return r.nullableBytes16()
}

// Bytes reads a byte field with a 32-bit length; null is nil.
func (r *Reader) Bytes() []byte {
	if r.flexible {
		return r.span(int64(r.uvarint()) - 1)
	}
	return r.span(int64(r.Int32()))
}

// ArrayLen reads the length of an array whose elements take at least
// minElement bytes each, and refuses one that cannot fit into the bytes left.
// Null is -1.
func (r *Reader) ArrayLen(minElement int) int {
	var n int64
	if r.flexible {
		n = int64(r.uvarint()) - 1
	} else {
		n = int64(r.Int32())
	}
	switch {
	case r.err != nil:
		return 0
	case n < -1, n*int64(minElement) > int64(len(r.b)):
		r.fail("array of %d elements in %d bytes", n, len(r.b))
		return 0
	}
	return int(n)
}

// Tags reads a section of tagged fields and gives each to fn, if there is one;
// the rest are skipped, as the protocol demands of unknown tags.
func (r *Reader) Tags(fn func(tag uint32, field *Reader)) {
	n := r.uvarint()
	if int64(n)*2 > int64(len(r.b)) {
		r.fail("%d tagged fields in %d bytes", n, len(r.b))
		return
	}
	for range n {
		tag := r.uvarint()
		b := r.span(int64(r.uvarint()))
		if r.err != nil {
			return
		}
		if fn != nil {
			field := Reader{b: b, flexible: true}
			if fn(tag, &field); field.err != nil {
				r.fail("tagged field %d: %v", tag, field.err)
			}
		}
	}
}

// endStruct reads the tags that end each struct of a flexible version.
func (r *Reader) endStruct() {
	if r.flexible {
		r.Tags(nil)
	}
}
