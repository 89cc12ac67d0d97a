package broker

import (
	"context"
	"fmt"

	"github.com/thalweg/thalweg/broker/api"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handler answers one kind of request. It may block: requests of a connection
// are handled one after the other, as Kafka does.
type handler func(ctx context.Context, c *call, req kmsg.Request) kmsg.Response

// typed adapts a handler of one request type.
func typed[Q kmsg.Request, R kmsg.Response](fn func(context.Context, *call, Q) R) handler {
	return func(ctx context.Context, c *call, req kmsg.Request) kmsg.Response {
		return fn(ctx, c, req.(Q))
	}
}

// handle decodes a request that is neither Produce nor Fetch and answers it.
func (b *Broker) handle(ctx context.Context, spec *api.Spec, c *call, h api.Header, body []byte) (kmsg.Response, error) {
	handle := b.handlers[spec.Key]
	if handle == nil {
		return nil, fmt.Errorf("%w: %s is not served", errProtocol, spec.Key.Name())
	}
	if err := spec.Check(h.Version, body); err != nil {
		return nil, err
	}
	req := kmsg.RequestForKey(h.Key)
	req.SetVersion(h.Version)
	if err := req.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%w: %s v%d: %w", api.ErrMalformed, spec.Key.Name(), h.Version, err)
	}
	resp := handle(withCall(ctx, c), c, req)
	resp.SetVersion(h.Version)
	return resp, nil
}

type callKey struct{}

// withCall lets code behind an interface that passes only a context, such as
// the search for a coordinator, learn who asks.
func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}
