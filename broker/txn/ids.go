package txn

import (
	"context"
	"fmt"
	"sync"

	"github.com/thalweg/thalweg/broker/coord"
	"github.com/twmb/franz-go/pkg/kerr"
)

// IDSource allocates blocks of producer ids. No id is in two blocks, ever.
type IDSource interface {
	AllocateProducerIDs(ctx context.Context) (first int64, n int32, err error)
}

// lowIDs is when the next block is fetched.
const lowIDs = 64

// idPool keeps producer ids at hand for the machines, which must not block.
type idPool struct {
	source IDSource
	fill   chan struct{} // capacity 1: held by who fetches a block

	mu     sync.Mutex
	blocks []idBlock
	left   int64
}

type idBlock struct{ next, end int64 }

func newIDPool(source IDSource) *idPool {
	return &idPool{source: source, fill: make(chan struct{}, 1)}
}

// TryNext implements [IDs].
func (p *idPool) TryNext() (int64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return 0, false
	}
	b := &p.blocks[0]
	id := b.next
	p.left--
	if b.next++; b.next == b.end {
		p.blocks = p.blocks[1:]
	}
	return id, true
}

// Next returns an id, waiting for a block if it must.
func (p *idPool) Next(ctx context.Context) (int64, error) {
	for {
		err := p.reserve(ctx)
		if id, ok := p.TryNext(); ok {
			return id, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// reserve fetches a block when ids run low. Steps that may need an id come
// after it; if it failed and they find none, the client is told to try again.
func (p *idPool) reserve(ctx context.Context) error {
	if p.available() >= lowIDs {
		return nil
	}
	select {
	case p.fill <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.fill }()
	if p.available() >= lowIDs {
		return nil
	}
	first, n, err := p.source.AllocateProducerIDs(ctx)
	if err != nil {
		return err
	}
	if n <= 0 {
		return fmt.Errorf("txn: got a block of %d producer ids, want at least one", n)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocks = append(p.blocks, idBlock{first, first + int64(n)})
	p.left += int64(n)
	return nil
}

func (p *idPool) available() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

// idError is the code for a failed allocation: the client tries again, unless
// the source says otherwise.
func idError(err error) int16 {
	if ec := coord.Code(err); ec != kerr.UnknownServerError.Code {
		return ec
	}
	return kerr.CoordinatorLoadInProgress.Code
}
