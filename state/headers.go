package state

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
)

// WithHeaders is a value that is stored together with headers. A store of such
// values is made with [HeadersSerde]:
//
//	state.Timestamped("prices", serde.String, state.HeadersSerde(serde.Int64))
type WithHeaders[V any] struct {
	Value   V
	Headers processor.Headers
}

// HeadersSerde makes a store of key-values, windows or sessions keep headers with
// each value. Its changelog is that of Kafka Streams' stores with headers: the
// plain value, with its headers as those of the record; a tombstone has the
// headers of the record at hand. A value that is null deletes, whatever its
// headers. Versioned stores cannot keep headers.
//
// Wherever else its bytes are seen, as in the rows of a store, they are
//
//	varint H | headers (H bytes) | value
//
// where H is 0 without headers, and headers are varint n | (varint length | key |
// varint length | value)*, with -1 for the length of a null.
func HeadersSerde[V any](inner serde.Serde[V]) serde.Serde[WithHeaders[V]] {
	return headersSerde[V]{inner, serde.NullTest(inner)}
}

type headersSerde[V any] struct {
	inner  serde.Serde[V]
	isNull func(V) bool
}

// headed is a serde whose bytes begin with headers.
type headed interface{ hasHeaders() }

func (headersSerde[V]) hasHeaders() {}

func (s headersSerde[V]) ForTask() serde.Serde[WithHeaders[V]] {
	return headersSerde[V]{serde.ForTask(s.inner), s.isNull}
}

func (s headersSerde[V]) IsNull(v WithHeaders[V]) bool { return s.isNull != nil && s.isNull(v.Value) }

func (s headersSerde[V]) Append(dst []byte, v WithHeaders[V]) ([]byte, error) {
	return s.inner.Append(appendHeaders(dst, v.Headers), v.Value)
}

func (s headersSerde[V]) Decode(src []byte, v *WithHeaders[V]) (err error) {
	var h processor.Headers
	if h, src, err = cutHeaders(src); err != nil {
		return err
	}
	v.Headers = cloneHeaders(h)
	return s.inner.Decode(src, &v.Value)
}

// appendHeaders appends headers and how long they are.
func appendHeaders(dst []byte, h processor.Headers) []byte {
	if len(h) == 0 {
		return append(dst, 0)
	}
	at := len(dst)
	dst = binary.AppendVarint(dst, int64(len(h)))
	for _, e := range h {
		dst = append(binary.AppendVarint(dst, int64(len(e.Key))), e.Key...)
		if e.Value == nil {
			dst = binary.AppendVarint(dst, -1)
			continue
		}
		dst = append(binary.AppendVarint(dst, int64(len(e.Value))), e.Value...)
	}
	var size [binary.MaxVarintLen64]byte
	return slices.Insert(dst, at, size[:binary.PutVarint(size[:], int64(len(dst)-at))]...)
}

var errHeaders = fmt.Errorf("%w: headers before a value", serde.ErrMalformed)

// cutHeaders splits bytes that begin with headers. The values of the headers
// share memory with b.
func cutHeaders(b []byte) (h processor.Headers, value []byte, err error) {
	head, value, ok := cutBytes(b)
	if !ok {
		return nil, nil, errHeaders
	}
	if len(head) == 0 {
		return nil, value, nil
	}
	n, used := binary.Varint(head)
	head = head[max(used, 0):]
	if used <= 0 || n < 0 || n > int64(len(head)) {
		return nil, nil, errHeaders
	}
	for range n {
		var key, v []byte
		if key, head, ok = cutBytes(head); !ok || key == nil {
			return nil, nil, errHeaders
		}
		if v, head, ok = cutBytes(head); !ok {
			return nil, nil, errHeaders
		}
		h = append(h, processor.Header{Key: string(key), Value: v})
	}
	if len(head) > 0 {
		return nil, nil, errHeaders
	}
	return h, value, nil
}

// cutBytes cuts off bytes with their length before them; -1 is nil.
func cutBytes(b []byte) (cut, rest []byte, ok bool) {
	n, used := binary.Varint(b)
	if used <= 0 || n < -1 || n > int64(len(b)-used) {
		return nil, nil, false
	}
	b = b[used:]
	if n < 0 {
		return nil, b, true
	}
	return b[:n:n], b[n:], true
}
