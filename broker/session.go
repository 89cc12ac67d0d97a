package broker

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/thalweg/thalweg/broker/api"
	"github.com/thalweg/thalweg/broker/meta"
	"github.com/twmb/franz-go/pkg/kerr"
)

// session is an incremental fetch session (KIP-227): the partitions a client
// fetches, so that it need not name them all in each request, nor the broker
// answer for those without news.
type session struct {
	id   int32
	byID bool // topics are named by id, from Fetch v13 on

	mu    sync.Mutex
	epoch int32 // of the next request
	parts []*fetchPart
	byKey map[partKey]*fetchPart
	count int // of parts, as the cache was told

	// Guarded by the cache's mutex.
	used time.Time
	held int // partitions, as the cache counts them
}

// partKey identifies a partition in a session: by name or by id, whichever the
// session uses.
type partKey struct {
	topic string
	id    meta.ID
	index int32
}

// sessionIdle is after what time without use a session ends when another is opened.
const sessionIdle = 2 * time.Minute

// sessionCache holds the sessions of all connections. A client may use its
// session on another connection.
//
// Invariants: there are at most limit sessions, and at most partitions partitions
// in all of them, whether these exist or not.
type sessionCache struct {
	limit, partitions int

	mu   sync.Mutex
	byID map[int32]*session
	held int // partitions of all sessions
}

// sessionPartitions is how many partitions the sessions may hold for each session
// that there may be.
const sessionPartitions = 200

func newSessionCache(limit int) *sessionCache {
	return &sessionCache{limit: limit, partitions: limit * sessionPartitions, byID: map[int32]*session{}}
}

// open makes a session, or returns nil when those in use leave no room. The client
// then names all partitions in each request, which always works.
func (c *sessionCache) open(byID bool, parts []*fetchPart) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.evict(now)
	if len(c.byID) >= c.limit || c.held+len(parts) > c.partitions {
		return nil
	}
	s := &session{byID: byID, epoch: 1, parts: parts, byKey: make(map[partKey]*fetchPart, len(parts)), used: now, held: len(parts), count: len(parts)}
	c.held += s.held
	for _, p := range parts {
		s.byKey[p.key] = p
	}
	for s.id == 0 || c.byID[s.id] != nil {
		s.id = rand.Int32N(math.MaxInt32) + 1
	}
	c.byID[s.id] = s
	return s
}

// evict drops the sessions that have not been used for sessionIdle.
func (c *sessionCache) evict(now time.Time) {
	for _, s := range c.byID {
		if now.Sub(s.used) >= sessionIdle {
			c.drop(s)
		}
	}
}

func (c *sessionCache) drop(s *session) {
	if s != nil && c.byID[s.id] == s {
		delete(c.byID, s.id)
		c.held -= s.held
	}
}

// resize notes how many partitions a session has now. Without room for more the
// session ends, which is reported.
func (c *sessionCache) resize(s *session, n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID[s.id] != s {
		return false
	}
	if n > s.held && c.held+n-s.held > c.partitions {
		c.drop(s)
		return false
	}
	c.held += n - s.held
	s.held = n
	return true
}

// get returns a session and marks it used; nil if there is none.
func (c *sessionCache) get(id int32) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.byID[id]
	if s != nil {
		s.used = time.Now()
	}
	return s
}

func (c *sessionCache) remove(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(c.byID[id])
}

// openFetch turns a decoded request into the list of partitions to read, and
// sets f.code if its session does not allow that.
func (b *Broker) openFetch(f *fetched) {
	req := &f.req
	byID := req.Version >= 13
	const final, initial = -1, 0
	switch req.SessionEpoch {
	case final, initial:
		if req.SessionID != 0 {
			b.sessions.remove(req.SessionID)
		}
		f.full = true
		parts := f.requested(b, byID)
		if req.SessionEpoch == initial && req.Version >= 7 {
			f.session = b.sessions.open(byID, parts)
		}
		f.parts = parts
	default:
		f.session, f.code = b.resume(req, byID, f.requested(b, byID))
	}
}

// requested returns the partitions named in a request.
func (f *fetched) requested(b *Broker, byID bool) []*fetchPart {
	req := &f.req
	made := make([]fetchPart, 0, len(req.Partitions))
	parts := make([]*fetchPart, 0, len(req.Partitions))
	for i := range req.Topics {
		ft := &req.Topics[i]
		name := ""
		if t := b.fetchedTopic(ft, byID); t != nil {
			name = t.Name
		} else {
			name = string(ft.Name)
		}
		for j := ft.First; j < ft.End; j++ {
			fp := &req.Partitions[j]
			made = append(made, fetchPart{
				key:   partKey{id: meta.ID(ft.ID), index: fp.Index},
				topic: name, id: meta.ID(ft.ID), index: fp.Index,
				offset: fp.FetchOffset, epoch: fp.CurrentLeaderEpoch, lastEpoch: fp.LastFetchedEpoch,
				maxBytes: int(max(fp.MaxBytes, 0)),
			})
			part := &made[len(made)-1]
			if !byID {
				part.key.topic = name
			}
			parts = append(parts, part)
		}
	}
	return parts
}

func (b *Broker) fetchedTopic(ft *api.FetchTopic, byID bool) *topic {
	if byID {
		return b.topics.withID(meta.ID(ft.ID))
	}
	return b.topics.named(ft.Name)
}

// resume applies a request to its session.
func (b *Broker) resume(req *api.FetchRequest, byID bool, parts []*fetchPart) (*session, int16) {
	s := b.sessions.get(req.SessionID)
	if s == nil {
		return nil, kerr.FetchSessionIDNotFound.Code
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.byID != byID:
		return nil, kerr.FetchSessionTopicIDError.Code
	case req.SessionEpoch != s.epoch:
		return nil, kerr.InvalidFetchSessionEpoch.Code
	}
	if s.epoch == math.MaxInt32 {
		s.epoch = 0
	}
	s.epoch++
	s.forget(req)
	for _, p := range parts {
		old := s.byKey[p.key]
		if old == nil {
			s.byKey[p.key] = p
			s.parts = append(s.parts, p)
			continue
		}
		old.offset, old.epoch, old.lastEpoch, old.maxBytes = p.offset, p.epoch, p.lastEpoch, p.maxBytes
	}
	if n := len(s.parts); n != s.count {
		if !b.sessions.resize(s, n) {
			return nil, kerr.FetchSessionIDNotFound.Code // the client opens another, or does without
		}
		s.count = n
	}
	return s, 0
}

// forget removes the partitions that the request no longer wants.
func (s *session) forget(req *api.FetchRequest) {
	if len(req.ForgottenPart) == 0 {
		return
	}
	for i := range req.Forgotten {
		t := &req.Forgotten[i]
		for _, index := range req.ForgottenPart[t.First:t.End] {
			key := partKey{id: meta.ID(t.ID), index: index}
			if !s.byID {
				key.topic = string(t.Name)
			}
			delete(s.byKey, key)
		}
	}
	s.parts = slices.DeleteFunc(s.parts, func(p *fetchPart) bool { return s.byKey[p.key] != p })
}

// told notes what a response tells the client. Partitions that had data go to
// the end of the order, so that a busy one cannot starve the others.
//
// results are a subsequence of the order they were read in; a partition that
// changed its place meanwhile is passed over and told again.
func (s *session) told(results []fetchResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := make([]*fetchPart, 0, len(s.parts))
	var served []*fetchPart
	for _, p := range s.parts {
		if len(results) == 0 || results[0].key != p.key {
			kept = append(kept, p)
			continue
		}
		r := &results[0]
		results = results[1:]
		p.told = r.ErrorCode == 0 // errors are repeated
		p.toldHW, p.toldStart = r.HighWatermark, r.LogStartOffset
		if len(r.Records) > 0 {
			served = append(served, p)
		} else {
			kept = append(kept, p)
		}
	}
	s.parts = append(kept, served...)
}
