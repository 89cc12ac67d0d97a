package broker

import (
	"net"

	"github.com/thalweg/thalweg/broker/api"
	"github.com/thalweg/thalweg/broker/meta"
)

// nodes returns the cluster's brokers under the addresses that the asking
// client can reach: those of the listener it used. This broker's own address
// is taken from the listener, which knows what the client has dialled.
func (b *Broker) nodes(img *meta.Image, c *call) []api.Node {
	l, local := b.listeners[0], net.Addr(nil)
	if c != nil {
		l, local = c.listener, c.local
	}
	nodes := make([]api.Node, 0, 3)
	for _, br := range img.Brokers() {
		if br.ID == b.cfg.NodeID {
			a := l.advertised(local)
			nodes = append(nodes, api.Node{ID: br.ID, Host: a.host, Port: a.port, Rack: br.Rack})
			continue
		}
		for _, bl := range br.Listeners {
			if bl.Name == l.cfg.name() {
				nodes = append(nodes, api.Node{ID: br.ID, Host: bl.Host, Port: bl.Port, Rack: br.Rack})
			}
		}
	}
	return nodes
}
