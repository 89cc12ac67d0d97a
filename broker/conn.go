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
	"time"

	"github.com/thalweg/thalweg/broker/api"
	"github.com/thalweg/thalweg/internal/batch"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// pipelineDepth is how many requests of one connection may wait for their
// response before the broker stops reading from it.
const pipelineDepth = 64

// firstRead is how much memory a frame gets before its bytes have arrived.
const firstRead = 1 << 20

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
	if err := c.b.requests.Acquire(c.ctx, int64(size)); err != nil {
		return err
	}
	frame, err := c.readFrame(int(size))
	if err != nil {
		c.b.requests.Release(int64(size))
		return err
	}
	return c.dispatch(spec, request{b: c.b, frame: frame, size: int64(size)})
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

// readFrame reads size bytes. Memory for a large frame grows with the bytes
// that arrive: a client must send what it makes the broker allocate.
func (c *conn) readFrame(size int) (*buffer, error) {
	pool := &c.b.buffers
	buf := pool.get(min(size, firstRead))
	got := 0
	for {
		if _, err := io.ReadFull(c.br, buf.b[got:]); err != nil {
			pool.put(buf)
			return nil, err
		}
		got = len(buf.b)
		if got == size {
			return buf, nil
		}
		next := pool.get(min(size, 2*got))
		copy(next.b, buf.b)
		pool.put(buf)
		buf = next
	}
}

// request is a frame and the memory reserved for it.
type request struct {
	b     *Broker
	frame *buffer
	size  int64
}

// release returns the frame and its reservation. Nothing may alias the frame
// any more.
func (r *request) release() {
	r.b.buffers.put(r.frame)
	r.b.requests.Release(r.size)
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
	defer c.b.requests.Release(req.size)
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
