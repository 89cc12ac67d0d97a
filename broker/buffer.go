package broker

import (
	"math/bits"
	"sync"
)

// Buffers are pooled by powers of two between these sizes; a larger one is
// allocated and left to the collector.
const (
	minBufferBits = 12
	maxBufferBits = 22
)

// bufferPool hands out byte slices for frames and fetched records.
type bufferPool struct {
	classes [maxBufferBits - minBufferBits + 1]sync.Pool
}

// buffer is a pooled byte slice. Its owner returns it once, with put.
type buffer struct {
	b []byte
}

// get returns a buffer with room for n bytes and length n.
func (p *bufferPool) get(n int) *buffer {
	class := sizeClass(n)
	if class >= len(p.classes) {
		return &buffer{b: make([]byte, n)}
	}
	if v := p.classes[class].Get(); v != nil {
		buf := v.(*buffer)
		buf.b = buf.b[:n]
		return buf
	}
	return &buffer{b: make([]byte, n, 1<<(class+minBufferBits))}
}

// put takes a buffer back. A nil buffer is ignored.
func (p *bufferPool) put(buf *buffer) {
	if buf == nil {
		return
	}
	// Only a slice of exactly a class's size can serve that class again.
	if class := sizeClass(cap(buf.b)); class < len(p.classes) && cap(buf.b) == 1<<(class+minBufferBits) {
		p.classes[class].Put(buf)
	}
}

// size returns the capacity of the buffer that get would return for n bytes.
func (p *bufferPool) size(n int) int {
	if class := sizeClass(n); class < len(p.classes) {
		return 1 << (class + minBufferBits)
	}
	return n
}

func sizeClass(n int) int {
	if n <= 1<<minBufferBits {
		return 0
	}
	return bits.Len(uint(n-1)) - minBufferBits
}
