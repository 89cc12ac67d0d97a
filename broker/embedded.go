package broker

import (
	"context"
	"time"
)

// Cluster is a broker embedded in this process.
type Cluster struct {
	*Broker
}

// StartEmbedded starts a broker inside the process, typically in a few
// milliseconds, and returns when it serves clients at Addrs. Close it when done.
func StartEmbedded(ctx context.Context, cfg Config) (*Cluster, error) {
	b, err := Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Cluster{b}, nil
}

// closeTimeout is how long Close lets connections end by themselves.
const closeTimeout = 5 * time.Second

// Close shuts the broker down and waits until nothing of it runs any more.
func (c *Cluster) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return c.Shutdown(ctx)
}
