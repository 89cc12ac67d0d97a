package batch

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is how a batch's records are compressed.
type Codec int8

// The codecs of record format version 2.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// String is the codec's name as topic configurations spell it.
func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case Gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("codec(%d)", int8(c))
}

// DefaultDecodeLimit is the limit of a [Decompressor] that sets none.
const DefaultDecodeLimit = 128 << 20

// Decompressor decompresses the bodies of batches, one after the other, into
// one buffer it owns. The zero value is ready. It is not safe for concurrent
// use; Close frees what the codecs hold.
type Decompressor struct {
	// Limit bounds the decompressed size of one batch in bytes, so that a
	// small hostile batch cannot take all memory. 0 means DefaultDecodeLimit.
	Limit int

	buf  []byte
	src  bytes.Reader
	gzip *gzip.Reader
	lz4  *lz4.Reader
	zstd *zstd.Decoder
}

// Decompress returns src decompressed. The result is valid until the next
// call. It reports [ErrTooLarge] past the limit, otherwise a [*CorruptError].
func (d *Decompressor) Decompress(c Codec, src []byte) ([]byte, error) {
	limit := d.Limit
	if limit <= 0 {
		limit = DefaultDecodeLimit
	}
	var err error
	switch c {
	case None:
		return src, nil
	case Gzip:
		err = d.readGzip(src, limit)
	case Snappy:
		d.buf, err = decodeSnappy(d.buf[:0], src, limit)
	case LZ4:
		d.src.Reset(src)
		if d.lz4 == nil {
			d.lz4 = lz4.NewReader(&d.src)
		} else {
			d.lz4.Reset(&d.src)
		}
		err = d.readAll(d.lz4, limit)
	case Zstd:
		err = d.readZstd(src, limit)
	default:
		return nil, corrupt("unknown compression codec %d", int8(c))
	}
	switch {
	case err == nil:
		return d.buf, nil
	case errors.Is(err, ErrTooLarge):
		return nil, fmt.Errorf("%w of %d bytes (%v)", ErrTooLarge, limit, c)
	}
	return nil, corrupt("%v: %v", c, err)
}

// Close frees the codecs' buffers. The Decompressor may be used again.
func (d *Decompressor) Close() {
	if d.zstd != nil {
		d.zstd.Close()
	}
	*d = Decompressor{Limit: d.Limit}
}

func (d *Decompressor) readGzip(src []byte, limit int) (err error) {
	d.src.Reset(src)
	if d.gzip == nil {
		d.gzip, err = gzip.NewReader(&d.src)
	} else {
		err = d.gzip.Reset(&d.src)
	}
	if err != nil {
		return err
	}
	return d.readAll(d.gzip, limit)
}

func (d *Decompressor) readZstd(src []byte, limit int) (err error) {
	if d.zstd == nil {
		// One decoder goroutine-free: DecodeAll with concurrency 1 decodes on
		// the caller's stack. The limit is enforced while decoding.
		d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(limit)))
		if err != nil {
			return err
		}
	}
	d.buf, err = d.zstd.DecodeAll(src, d.buf[:0])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return ErrTooLarge
	}
	return err
}

// readAll reads r to its end into d.buf, at most limit bytes.
func (d *Decompressor) readAll(r io.Reader, limit int) error {
	buf := d.buf[:0]
	defer func() { d.buf = buf }()
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > limit {
			return ErrTooLarge
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// compressor compresses batch bodies and keeps each codec's state between
// batches. It is not safe for concurrent use.
type compressor struct {
	out  bytes.Buffer
	gzip *gzip.Writer
	lz4  *lz4.Writer
	zstd *zstd.Encoder
}

// compress appends src, compressed, to dst.
func (c *compressor) compress(dst []byte, codec Codec, src []byte) (_ []byte, err error) {
	switch codec {
	case None:
		return append(dst, src...), nil
	case Snappy:
		return appendXerial(dst, src), nil
	case Zstd:
		if c.zstd == nil {
			c.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
			if err != nil {
				return dst, err
			}
		}
		return c.zstd.EncodeAll(src, dst), nil
	case Gzip:
		c.out.Reset()
		if c.gzip == nil {
			c.gzip = gzip.NewWriter(&c.out)
		} else {
			c.gzip.Reset(&c.out)
		}
		if _, err = c.gzip.Write(src); err == nil {
			err = c.gzip.Close()
		}
		return append(dst, c.out.Bytes()...), err
	case LZ4:
		c.out.Reset()
		if c.lz4 == nil {
			c.lz4 = lz4.NewWriter(&c.out)
			if err = c.lz4.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false)); err != nil {
				return dst, err
			}
		} else {
			c.lz4.Reset(&c.out)
		}
		if _, err = c.lz4.Write(src); err == nil {
			err = c.lz4.Close()
		}
		return append(dst, c.out.Bytes()...), err
	}
	return dst, fmt.Errorf("batch: unknown compression codec %d", int8(codec))
}

// errSnappy covers what s2 finds wrong with a block.
var errSnappy = errors.New("malformed block")

// appendBlock decodes one raw snappy block behind dst.
func appendBlock(dst, block []byte, limit int) ([]byte, error) {
	n, err := s2.DecodedLen(block)
	if err != nil {
		return dst, errSnappy
	}
	if n > limit-len(dst) {
		return dst, ErrTooLarge
	}
	start := len(dst)
	dst = grow(dst, n)
	if _, err := s2.Decode(dst[start:], block); err != nil {
		return dst[:start], errSnappy
	}
	return dst, nil
}

// grow lengthens b by n bytes of any content.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) < n {
		b = append(make([]byte, 0, max(2*cap(b), len(b)+n)), b...)
	}
	return b[:len(b)+n]
}
