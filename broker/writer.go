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
	bufs  net.Buffers // scratch of send
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

// send writes the parts of a frame with one system call where possible.
func (w *writer) send(parts ...[]byte) {
	if w.err != nil {
		return
	}
	w.err = w.c.nc.SetWriteDeadline(time.Now().Add(w.c.b.cfg.Limits.RequestTimeout))
	if w.err == nil {
		if len(parts) == 1 {
			_, w.err = w.c.nc.Write(parts[0])
		} else {
			w.bufs = append(w.bufs[:0], parts...)
			rest := w.bufs
			_, w.err = rest.WriteTo(w.c.nc)
			clear(w.bufs)
		}
	}
	if w.err != nil {
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
