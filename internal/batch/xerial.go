package batch

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/s2"
)

// Java clients frame snappy as the xerial library does: a 16-byte header
// (magic, version, lowest compatible version), then blocks of a big-endian
// length and a raw snappy block. librdkafka and franz-go write one raw block.
// A reader tells them apart by the magic; a writer that wants every client to
// understand it writes the framing.

const (
	xerialHeaderLen = 16
	xerialBlock     = 32 << 10 // source bytes in a block, as the Java library cuts them
)

func xerialMagic() [8]byte { return [8]byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0} }

func decodeSnappy(dst, src []byte, limit int) ([]byte, error) {
	magic := xerialMagic()
	if len(src) < xerialHeaderLen || !bytes.Equal(src[:8], magic[:]) {
		return appendBlock(dst, src, limit)
	}
	src = src[xerialHeaderLen:]
	for len(src) > 0 {
		if len(src) < 4 {
			return dst, errors.New("framing ends inside a block length")
		}
		n := int64(binary.BigEndian.Uint32(src))
		src = src[4:]
		if n > int64(len(src)) {
			return dst, errors.New("framing names a block longer than the batch")
		}
		var err error
		if dst, err = appendBlock(dst, src[:n], limit); err != nil {
			return dst, err
		}
		src = src[n:]
	}
	return dst, nil
}

func appendXerial(dst, src []byte) []byte {
	magic := xerialMagic()
	dst = append(dst, magic[:]...)
	dst = binary.BigEndian.AppendUint32(dst, 1)
	dst = binary.BigEndian.AppendUint32(dst, 1)
	for len(src) > 0 {
		block := src[:min(len(src), xerialBlock)]
		src = src[len(block):]
		at := len(dst)
		dst = grow(dst, 4+s2.MaxEncodedLen(len(block)))
		out := s2.EncodeSnappy(dst[at+4:], block)
		binary.BigEndian.PutUint32(dst[at:], uint32(len(out)))
		dst = dst[:at+4+len(out)]
	}
	return dst
}
