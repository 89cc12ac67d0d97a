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

// send writes a frame, or a part of one.
func (w *writer) send(frame []byte) {
	for len(frame) > 0 && w.err == nil {
		piece := frame[:min(len(frame), writePiece)]
		frame = frame[len(piece):]
		w.write(func() error {
			_, err := w.c.nc.Write(piece)
			return err
		})
	}
}

// sendParts writes a frame that lies in parts, with few system calls.
func (w *writer) sendParts(parts [][]byte) {
	for len(parts) > 0 && w.err == nil {
		n, size := 0, 0
		for n < len(parts) && size < writePiece {
			if room := writePiece - size; len(parts[n]) > room && size > 0 {
				break
			}
			size += len(parts[n])
			n++
		}
		if n == 1 && size > writePiece {
			w.send(parts[0])
		} else {
			w.bufs = parts[:n]
			w.write(func() error {
				_, err := w.bufs.WriteTo(w.c.nc) // consumes bufs
				return err
			})
		}
		parts = parts[n:]
	}
}

// writePiece is how many bytes of a response the peer has RequestTimeout to take,
// beyond what the kernel buffers.
const writePiece = 256 << 10

// write does one write, with its time.
func (w *writer) write(f func() error) {
	now := time.Now()
	err := w.c.nc.SetWriteDeadline(now.Add(w.c.b.cfg.Limits.RequestTimeout))
	if err == nil {
		w.c.writing.Store(now.UnixNano())
		err = f()
		w.c.writing.Store(0)
	}
	w.sent(err)
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
