package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thalweg/thalweg/broker/api"
	"github.com/thalweg/thalweg/broker/log/vfs"
	"github.com/thalweg/thalweg/broker/meta"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Broker is a running broker.
type Broker struct {
	cfg Config
	log *slog.Logger
	fs  vfs.FS

	// ctx ends when the broker stops without ceremony.
	ctx    context.Context
	cancel context.CancelFunc
	// draining is set and drain closed when connections should end after what
	// they owe.
	draining atomic.Bool
	drain    chan struct{}
	// stopMaintenance ends the maintenance of logs.
	stopMaintenance context.CancelFunc

	lock     *dirLock
	meta     *meta.Node
	topics   *topicSet
	sessions *sessionCache
	buffers  bufferPool
	// producedPool and fetchedPool hold replies for reuse.
	producedPool, fetchedPool sync.Pool
	// small and large are the memory of requests up to smallRequest bytes and
	// of larger ones, fetches that of records that are sent.
	small, large, fetches memory
	handlers              map[kmsg.Key]handler
	listeners             []*listener
	// coordinators is set before anything is served.
	coordinators *coordinators

	connMu sync.Mutex
	conns  map[*conn]struct{}
	// serving counts accept loops and connections, background everything else.
	serving    sync.WaitGroup
	background sync.WaitGroup
	closeOnce  sync.Once
	closeErr   error
}

// ErrInUse reports a data directory that another broker has open.
var ErrInUse = errors.New("broker: data directory is in use")

// Start starts a broker and returns when it serves clients. ctx bounds the
// start alone; the broker runs until Shutdown.
//
// Errors say what to do about a port or data directory that is in use, a
// directory that cannot be written, and mistakes in cfg.
func Start(ctx context.Context, cfg Config) (_ *Broker, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	b := &Broker{
		cfg: cfg, log: cfg.Logger, fs: cfg.FS,
		drain: make(chan struct{}),
		conns: map[*conn]struct{}{},
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	// The large requests' borrower takes at most the largest frame there is.
	every := cfg.Limits.StallTimeout / 4
	b.small = memory{relieve: b.relieve, every: every, limit: cfg.Limits.RequestMemory / 8, lends: true}
	b.large = memory{relieve: b.relieve, every: every, limit: cfg.Limits.RequestMemory*7/8 - api.LargestFrame, lends: true}
	b.fetches = memory{relieve: b.relieve, every: every, limit: cfg.Limits.FetchMemory}
	b.topics = newTopicSet(b)
	b.sessions = newSessionCache(cfg.Limits.FetchSessions)
	defer func() {
		if err != nil {
			b.abandon()
		}
	}()
	if err := b.listen(ctx); err != nil {
		return nil, err
	}
	switch {
	case b.fs != nil:
	case cfg.DataDir == "":
		b.fs = vfs.NewMem()
	default:
		b.fs = vfs.OS()
		if b.lock, err = lockDir(cfg.DataDir); err != nil {
			return nil, err
		}
	}
	if err := b.removeDeleted(); err != nil {
		return nil, err
	}
	if err := b.openMetadata(ctx); err != nil {
		return nil, err
	}
	b.coordinators = newCoordinators(b, b.meta.Image())
	b.handlers = b.routes()
	b.topics.load(b.meta.Image())
	maintenance, stop := context.WithCancel(b.ctx)
	b.stopMaintenance = stop
	b.background.Go(func() { b.maintain(maintenance) })
	b.background.Go(func() { b.sync(maintenance) })
	b.background.Go(func() { b.clean(maintenance) })
	b.serve()
	b.log.Info("broker serves", "node", cfg.NodeID, "addresses", b.Addrs(), "cluster", b.meta.Image().ClusterID, "dir", cfg.DataDir, "flush", cfg.Flush)
	return b, nil
}

// openMetadata opens the metadata log and registers this broker in it.
func (b *Broker) openMetadata(ctx context.Context) (err error) {
	b.meta, err = meta.Open(meta.Config{
		ID: uint64(b.cfg.NodeID), Voters: []uint64{uint64(b.cfg.NodeID)},
		FS: b.fs, Dir: filepath.Join(b.cfg.DataDir, metadataDir),
		OnApply: b.topics.apply,
		Logger:  b.log,
	})
	if err != nil {
		return explain(err, b.cfg.DataDir)
	}
	err = b.meta.Update(ctx, func(img *meta.Image) ([]meta.Record, error) {
		var records []meta.Record
		if img.ClusterID == "" {
			records = append(records, meta.Record{Cluster: &meta.ClusterRecord{ID: meta.NewID().String()}})
		}
		for _, f := range features {
			if img.Features()[f.name] < f.finalized {
				records = append(records, meta.Record{Feature: &meta.FeatureRecord{Name: f.name, Level: f.finalized}})
			}
		}
		self := &meta.BrokerRecord{ID: b.cfg.NodeID, Rack: b.cfg.Rack}
		for _, l := range b.listeners {
			self.Listeners = append(self.Listeners, l.registration())
		}
		return append(records, meta.Record{Broker: self}), nil
	})
	if err != nil {
		return explain(err, b.cfg.DataDir)
	}
	return nil
}

// metadataDir is where the metadata log lies under the data directory. The
// name cannot be that of a partition, which ends in a number.
const metadataDir = "metadata"

// Addrs returns the addresses clients can bootstrap from, one for each
// listener.
func (b *Broker) Addrs() []string {
	addrs := make([]string, len(b.listeners))
	for i, l := range b.listeners {
		addrs[i] = l.advertised(nil).String()
	}
	return addrs
}

// ClusterID returns the id that the cluster got at its first start.
func (b *Broker) ClusterID() string { return b.meta.Image().ClusterID }

// now is the broker's clock.
func (b *Broker) now() time.Time { return time.Now() }

// Shutdown stops the broker: it takes no new connections and requests, answers
// what it was asked, and closes its logs so that the next start need not
// recover them. When ctx ends first, the remaining connections are cut.
// Shutdown returns the first error of closing; nothing runs any more when it
// returns.
func (b *Broker) Shutdown(ctx context.Context) error {
	b.closeOnce.Do(func() { b.closeErr = b.shutdown(ctx) })
	return b.closeErr
}

func (b *Broker) shutdown(ctx context.Context) error {
	b.draining.Store(true)
	close(b.drain)
	b.stopMaintenance()
	b.closeListeners()
	b.stopReading()
	b.coordinators.close()
	drained := make(chan struct{})
	go func() {
		b.serving.Wait()
		close(drained)
	}()
	select {
	case <-drained:
	case <-ctx.Done():
		b.cutConnections()
		<-drained
	}
	b.cancel()
	b.background.Wait()
	err := b.topics.close()
	if e := b.meta.Close(); err == nil {
		err = e
	}
	b.lock.release()
	b.log.Info("broker stopped", "node", b.cfg.NodeID, "error", err)
	return err
}

// Kill stops the broker the way a crash would: nothing is flushed, answered or
// marked as clean. Unlike a crash it waits until nothing runs any more. It is
// for tests of recovery.
func (b *Broker) Kill() {
	b.closeOnce.Do(b.abandon)
}

// abandon drops everything that is open. The broker may be half started.
func (b *Broker) abandon() {
	b.cancel()
	b.draining.Store(true)
	b.closeListeners()
	b.cutConnections()
	b.coordinators.close()
	b.serving.Wait()
	b.background.Wait()
	b.topics.abandon()
	if b.meta != nil {
		_ = b.meta.Close() // every entry is synced as it is written
	}
	b.lock.release()
}

// explain adds what an operator can do about a storage error.
func explain(err error, dir string) error {
	if hint := storageHint(err); hint != "" {
		return fmt.Errorf("broker: data directory %q: %s: %w", dir, hint, err)
	}
	return fmt.Errorf("broker: %w", err)
}
