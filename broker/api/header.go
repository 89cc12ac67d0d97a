package api

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed is matched by every decoding error of this package. The only
// answer to such a request is to close the connection: a broker that cannot
// tell where the fields are cannot form a response either.
var ErrMalformed = errors.New("api: malformed request")

// HeaderPrefix is the number of bytes at the start of a frame, after its
// length, that name the request: key, version and correlation id.
const HeaderPrefix = 8

// Header is the request header, versions 1 and 2. Version 0 existed for one
// request that Kafka has dropped.
type Header struct {
	Key           int16
	Version       int16
	CorrelationID int32
	// ClientID is what the client calls itself; it is untrusted and may hold
	// any bytes.
	ClientID string
}

// ParsePrefix reads the fixed part of the header, which decides whether the
// rest can be understood at all. The slice holds at least HeaderPrefix bytes.
func ParsePrefix(b []byte) Header {
	return Header{
		Key:           int16(binary.BigEndian.Uint16(b)),
		Version:       int16(binary.BigEndian.Uint16(b[2:])),
		CorrelationID: int32(binary.BigEndian.Uint32(b[4:])),
	}
}

// ParseHeader reads the rest of a request header after its prefix and returns
// the body. The client id keeps its two-byte length even in the flexible
// header (KIP-482). last is the client id of the previous request on the
// connection: it is reused when equal, so that a steady client costs no
// allocation.
func ParseHeader(spec *Spec, frame []byte, last string) (h Header, body []byte, err error) {
	if len(frame) < HeaderPrefix {
		return h, nil, fmt.Errorf("%w: %d bytes are too few for a header", ErrMalformed, len(frame))
	}
	h = ParsePrefix(frame)
	r := Reader{b: frame[HeaderPrefix:]}
	id := r.nullableBytes16()
	if spec.IsFlexible(h.Version) {
		r.Tags(nil)
	}
	if r.err != nil {
		return h, nil, fmt.Errorf("header of %s v%d: %w", spec.Key.Name(), h.Version, r.err)
	}
	if string(id) == last {
		h.ClientID = last
	} else {
		h.ClientID = string(id)
	}
	return h, r.b, nil
}
