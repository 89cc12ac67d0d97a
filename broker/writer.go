package broker

import (
	"net"
	"time"

	"github.com/thalweg/thalweg/broker/api"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// writer is the sending half of a connection, used by its writer goroutine
// alone. After an error it discards everything.
type writer struct {
	c     *conn
	err   error
	head  []byte      // scratch of the replies, reused
	bufs  net.Buffers // what sendParts is at
	timer *time.Timer // for parked fetches; stopped between uses
}

// write is the writer goroutine. It ends when the reader has ended and every
// reply is finished, and closes the connection.
func (c *conn) write() {
	w := &writer{c: c}
	for r := range c.replies {
		r.finish(w)
	}
	_ = c.nc.Close()
}

// send writes a frame.
func (w *writer) send(frame []byte) {
	if !w.ready() {
		return
	}
	_, err := w.c.nc.Write(frame)
	w.sent(err)
}

// sendParts writes a frame that lies in parts, with one system call where
// possible.
func (w *writer) sendParts(parts [][]byte) {
	if !w.ready() {
		return
	}
	w.bufs = parts
	_, err := w.bufs.WriteTo(w.c.nc) // consumes bufs
	w.sent(err)
}

// ready gives the next write its time.
func (w *writer) ready() bool {
	if w.err == nil {
		w.sent(w.c.nc.SetWriteDeadline(time.Now().Add(w.c.b.cfg.Limits.RequestTimeout)))
	}
	return w.err == nil
}

func (w *writer) sent(err error) {
	if err != nil {
		w.err = err
		w.close()
	}
}

// fail closes the connection because of what the client asked for.
func (w *writer) fail(err error) {
	w.err = err
	w.c.b.log.Warn("closing connection", "client", w.c.nc.RemoteAddr().String(), "error", err)
	w.close()
}

func (w *writer) close() {
	w.c.cancel()       // handlers and parked fetches stop waiting
	_ = w.c.nc.Close() // the reader stops reading
}

// after returns a channel that fires once after d. stop must be called before
// the next use.
func (w *writer) after(d time.Duration) <-chan time.Time {
	if w.timer == nil {
		w.timer = time.NewTimer(d)
	} else {
		w.timer.Reset(d)
	}
	return w.timer.C
}

func (w *writer) stop() { w.timer.Stop() }

// encoded is a reply that only has to be sent.
type encoded struct{ b []byte }

func (e encoded) finish(w *writer) { w.send(e.b) }

// appendResponse encodes a response as a frame.
func appendResponse(b []byte, spec *api.Spec, h api.Header, resp kmsg.Response) []byte {
	flexible := spec.IsFlexible(h.Version) && spec.Key != kmsg.ApiVersions
	b = api.AppendResponseHeader(b, h.CorrelationID, flexible)
	b = resp.AppendTo(b)
	api.FinishFrame(b, 0)
	return b
}
