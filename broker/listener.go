package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/thalweg/thalweg/broker/meta"
)

// listener is a socket that accepts connections.
type listener struct {
	cfg Listener
	net.Listener
}

// address is a host and port to dial.
type address struct {
	host string
	port int32
}

func (a address) String() string { return net.JoinHostPort(a.host, strconv.Itoa(int(a.port))) }

// listen opens the sockets. No connection is accepted before serve.
func (b *Broker) listen(ctx context.Context) error {
	for _, cfg := range b.cfg.Listeners {
		var lc net.ListenConfig
		nl, err := lc.Listen(ctx, "tcp", cfg.Address)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			return fmt.Errorf("broker: listen on %s: the port is in use: stop the other process, or choose another port (0 takes a free one): %w", cfg.Address, err)
		case errors.Is(err, syscall.EADDRNOTAVAIL):
			return fmt.Errorf("broker: listen on %s: this machine does not have that address: %w", cfg.Address, err)
		case errors.Is(err, syscall.EACCES):
			return fmt.Errorf("broker: listen on %s: no permission for that port: choose one above 1023: %w", cfg.Address, err)
		case err != nil:
			return fmt.Errorf("broker: listen: %w", err)
		}
		b.listeners = append(b.listeners, &listener{cfg: cfg, Listener: nl})
	}
	return nil
}

// advertised is what clients are told. local is where the asking client came
// in; it stands in for a wildcard address, and may be nil.
func (l *listener) advertised(local net.Addr) address {
	own := l.Addr().(*net.TCPAddr)
	a := address{host: own.IP.String(), port: int32(own.Port)}
	if l.cfg.Advertise != "" {
		host, port, err := net.SplitHostPort(l.cfg.Advertise)
		if err != nil {
			host = l.cfg.Advertise
		} else if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			a.port = int32(n)
		}
		a.host = host
		return a
	}
	if own.IP.IsUnspecified() {
		a.host = "localhost"
		if t, ok := local.(*net.TCPAddr); ok {
			a.host = t.IP.String()
		}
	}
	return a
}

func (l *listener) registration() meta.Listener {
	a := l.advertised(nil)
	return meta.Listener{Name: l.cfg.name(), Host: a.host, Port: a.port}
}

// serve starts accepting.
func (b *Broker) serve() {
	for _, l := range b.listeners {
		b.serving.Add(1)
		go b.accept(l)
	}
}

// accept runs the accept loop of a listener until it is closed.
func (b *Broker) accept(l *listener) {
	defer b.serving.Done()
	for backoff := time.Millisecond; ; {
		nc, err := l.Accept()
		if err == nil {
			backoff = time.Millisecond
			b.admit(nc, l)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// Most likely the process is out of file descriptors. Connections end
		// all the time, so it is worth asking again.
		b.log.Error("cannot accept connections", "address", l.Addr().String(), "error", explain(err, b.cfg.DataDir))
		select {
		case <-time.After(backoff):
			backoff = min(2*backoff, time.Second)
		case <-b.ctx.Done():
			return
		}
	}
}

// admit starts the goroutines of a connection, unless there are too many.
func (b *Broker) admit(nc net.Conn, l *listener) {
	b.connMu.Lock()
	defer b.connMu.Unlock()
	if b.draining.Load() || len(b.conns) >= b.cfg.Limits.MaxConnections {
		if !b.draining.Load() {
			b.log.Warn("refusing connection: too many are open", "client", nc.RemoteAddr().String(), "limit", b.cfg.Limits.MaxConnections)
		}
		_ = nc.Close()
		return
	}
	c := b.newConn(nc, l)
	b.conns[c] = struct{}{}
	b.serving.Add(2)
	go func() {
		defer b.serving.Done()
		c.read()
	}()
	go func() {
		defer b.serving.Done()
		c.write()
		b.connMu.Lock()
		defer b.connMu.Unlock()
		delete(b.conns, c)
	}()
}

func (b *Broker) closeListeners() {
	for _, l := range b.listeners {
		_ = l.Close() // twice is harmless
	}
}

// stopReading makes readers return once they have read what is on its way to
// be dispatched; writers then finish what is owed.
func (b *Broker) stopReading() {
	b.connMu.Lock()
	defer b.connMu.Unlock()
	for c := range b.conns {
		_ = c.nc.SetReadDeadline(time.Now())
	}
}

// cutConnections closes every connection as it is.
func (b *Broker) cutConnections() {
	b.connMu.Lock()
	defer b.connMu.Unlock()
	for c := range b.conns {
		c.cancel()
		_ = c.nc.Close()
	}
}
