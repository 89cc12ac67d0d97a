package broker

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/thalweg/thalweg/broker/api"
	"github.com/thalweg/thalweg/internal/batch"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// pipelineDepth is how many requests of one connection may wait for their
// response before the broker stops reading from it.
const pipelineDepth = 64

// smallRequest is up to how many bytes a request counts as small: it has memory
// that large ones cannot take. It is also how much memory a frame gets before
// any of its bytes have come, and the least a peer must send or take in
// RequestTimeout.
const smallRequest = 64 << 10

// errProtocol is matched by the errors that close a connection because of what
// the client sent.
var errProtocol = errors.New("broker: protocol violation")

// conn is a client's connection. Its fields belong to the reader goroutine,
// but for nc and the replies channel, which connect the two.
type conn struct {
	b        *Broker
	nc       net.Conn
	listener *listener
	ctx      context.Context
	cancel   context.CancelFunc
	replies  chan reply
	// reading and writing are since when the connection waits for its peer in the
	// middle of a frame, in Unix nanoseconds; 0 while it does not.
	reading, writing atomic.Int64

	br           *bufio.Reader
	call         call
	decompressor batch.Decompressor
	builder      batch.Builder // of recompressed batches
}

// reply is a response in its place in the order of a connection.
type reply interface {
	// finish waits for whatever the response depends on, writes it, and
	// releases what the reply holds. The writer calls it exactly once, even
	// when the connection is broken and w discards everything.
	finish(w *writer)
}

// call says who asks; handlers receive it with each request.
type call struct {
	clientID string
	// host is the client's address as Kafka prints it: "/127.0.0.1".
	host string
	// listener is where the request came in, local the address it came to.
	listener *listener
	local    net.Addr
}

func (b *Broker) newConn(nc net.Conn, l *listener) *conn {
	ctx, cancel := context.WithCancel(b.ctx)
	host, _, _ := net.SplitHostPort(nc.RemoteAddr().String())
	return &conn{
		b: b, nc: nc, listener: l, ctx: ctx, cancel: cancel,
		replies: make(chan reply, pipelineDepth),
		br:      bufio.NewReaderSize(nc, 4096),
		call:    call{host: "/" + host, listener: l, local: nc.LocalAddr()},
	}
}

// read is the reader goroutine.
func (c *conn) read() {
	defer close(c.replies)
	defer c.cancel()
	defer c.decompressor.Close()
	for {
		err := c.readRequest()
		if err == nil {
			continue
		}
		switch {
		case errors.Is(err, errProtocol), errors.Is(err, api.ErrMalformed):
			c.warn(err)
		case c.ctx.Err() == nil && !errors.Is(err, io.EOF):
			c.b.log.Debug("connection ended", "client", c.nc.RemoteAddr().String(), "error", err)
		}
		return
	}
}

// warn logs why the broker closes a connection.
func (c *conn) warn(err error) {
	c.b.log.Warn("closing connection", "client", c.nc.RemoteAddr().String(), "client_id", printable(c.call.clientID), "error", err)
}

// readRequest reads one frame and dispatches it.
func (c *conn) readRequest() error {
	limits := &c.b.cfg.Limits
	prefix, err := c.waitFrame(limits.IdleTimeout)
	if err != nil {
		return err
	}
	if err := c.nc.SetReadDeadline(time.Now().Add(limits.RequestTimeout)); err != nil {
		return err
	}
	if prefix[0] == 0x16 && prefix[1] == 0x03 {
		return fmt.Errorf("%w: the client speaks TLS, this listener does not", errProtocol)
	}
	size := int32(binary.BigEndian.Uint32(prefix[:]))
	if size < api.HeaderPrefix {
		return fmt.Errorf("%w: frame of %d bytes", errProtocol, size)
	}
	head, err := c.br.Peek(api.HeaderPrefix)
	if err != nil {
		return err
	}
	h := api.ParsePrefix(head)
	spec := api.Lookup(h.Key)
	if spec == nil {
		return fmt.Errorf("%w: api key %d is not served", errProtocol, h.Key)
	}
	if size > spec.MaxFrame {
		return fmt.Errorf("%w: %s request of %d bytes exceeds the limit of %d", errProtocol, spec.Key.Name(), size, spec.MaxFrame)
	}
	if !spec.Serves(h.Version) {
		if spec.Key != kmsg.ApiVersions {
			return fmt.Errorf("%w: %s version %d is not served (%d to %d are)", errProtocol, spec.Key.Name(), h.Version, spec.First, spec.Max)
		}
		if _, err := c.br.Discard(int(size)); err != nil {
			return err
		}
		return c.queue(c.b.unsupportedApiVersions(h))
	}
	req := request{b: c.b, memory: &c.b.large}
	if size <= smallRequest {
		req.memory = &c.b.small
	}
	if err := c.readFrame(&req, int(size)); err != nil {
		req.release()
		return err
	}
	return c.dispatch(spec, req)
}

// waitFrame reads the length of the next frame. Being idle is no reason to
// close a connection while responses are owed on it.
func (c *conn) waitFrame(idle time.Duration) (prefix [4]byte, err error) {
	for {
		if err := c.nc.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return prefix, err
		}
		if c.b.draining.Load() {
			return prefix, io.EOF
		}
		_, err := c.br.Peek(len(prefix))
		if err == nil {
			_, err = io.ReadFull(c.br, prefix[:])
			return prefix, err
		}
		owed := len(c.replies) > 0
		if !errors.Is(err, os.ErrDeadlineExceeded) || !owed || c.br.Buffered() > 0 {
			return prefix, err
		}
	}
}

// readFrame reads size bytes. The memory for a large frame grows with the bytes
// that arrive: a client must send what it makes the broker allocate.
func (c *conn) readFrame(req *request, size int) error {
	pool := &c.b.buffers
	got := 0
	for got < size {
		// No more memory before there is something to put into it.
		if err := c.await(func() error { _, err := c.br.Peek(1); return err }); err != nil {
			return err
		}
		room := min(size, max(smallRequest, 4*got))
		if err := req.memory.take(c.ctx, &req.share, int64(room-got), int64(size-got)); err != nil {
			return err
		}
		next := pool.get(room)
		if req.frame != nil {
			copy(next.b, req.frame.b[:got])
			pool.put(req.frame)
		}
		req.frame = next
		for got < room {
			piece := next.b[got:min(room, got+smallRequest)]
			if err := c.await(func() error { _, err := io.ReadFull(c.br, piece); return err }); err != nil {
				return err
			}
			got += len(piece)
		}
	}
	return nil
}

// await reads a part of a frame, for which the peer has RequestTimeout.
func (c *conn) await(read func() error) error {
	now := time.Now()
	if err := c.nc.SetReadDeadline(now.Add(c.b.cfg.Limits.RequestTimeout)); err != nil {
		return err
	}
	c.reading.Store(now.UnixNano())
	defer c.reading.Store(0)
	return read()
}

// stalled reports whether the peer has neither sent what it began to send nor
// taken what it asked for, for some time.
func (c *conn) stalled(limit time.Duration) bool {
	before := time.Now().Add(-limit).UnixNano()
	r, w := c.reading.Load(), c.writing.Load()
	return r != 0 && r < before || w != 0 && w < before
}

// request is a frame and the memory reserved for it.
type request struct {
	b      *Broker
	frame  *buffer
	memory *memory
	share  share
}

// release returns the frame and its memory. Nothing may alias the frame any more.
func (r *request) release() {
	if r.frame != nil {
		r.b.buffers.put(r.frame)
	}
	r.memory.release(&r.share)
	r.frame = nil
}

// dispatch does the part of a request that must happen in the order of
// arrival and queues its reply.
func (c *conn) dispatch(spec *api.Spec, req request) error {
	h, body, err := api.ParseHeader(spec, req.frame.b, c.call.clientID)
	if err != nil {
		req.release()
		return err
	}
	c.call.clientID = h.ClientID
	switch spec.Key {
	case kmsg.Produce:
		return c.produce(h, req, body)
	case kmsg.Fetch:
		return c.fetch(h, req, body)
	}
	// kmsg aliases the frame for byte fields, and handlers keep some of them:
	// the bytes are theirs from here on, and only the reservation is returned.
	defer req.memory.release(&req.share)
	resp, err := c.b.handle(c.ctx, spec, &c.call, h, body)
	if err != nil {
		return err
	}
	return c.queue(encoded{b: appendResponse(nil, spec, h, resp)})
}

// queue puts a reply in its place. It blocks while too many are owed.
func (c *conn) queue(r reply) error {
	c.replies <- r // the writer drains the queue until it is closed
	return nil
}

// printable shortens an untrusted string for a log line, which quotes it.
func printable(s string) string {
	if len(s) > 64 {
		return s[:64]
	}
	return s
}
