package broker

import (
	"errors"
	"time"

	"github.com/thalweg/thalweg/broker/api"
	"github.com/thalweg/thalweg/broker/log"
	"github.com/thalweg/thalweg/broker/meta"
	"github.com/thalweg/thalweg/internal/batch"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Fetch (key 1); package api lists what each version added.
//
// The reader resolves the request to a list of partitions, in a session or
// not; the writer reads them when the response's turn has come, sleeps while
// there is too little, and sends records from the buffers they were read into.
//
// There is one replica: no preferred replicas, and no answers to followers.

// maxFetchWait bounds how long a fetch may be parked.
const maxFetchWait = 5 * time.Minute

// arenaSize is the size of buffers that records are read into, unless a
// partition's share is larger.
const arenaSize = 1 << 20

// fetched is the reply to a Fetch request.
type fetched struct {
	header  api.Header
	arrived time.Time
	req     api.FetchRequest
	code    int16    // of the whole request
	session *session // nil without one
	full    bool     // every partition is answered, not only those with news
	parts   []*fetchPart

	// What collect found.
	results []fetchResult
	bytes   int
	urgent  bool // there is something to say besides data
	arenas  []*buffer
	share   share // of the memory for records, which the arenas take
	waiter  *waiter
	encoder api.FetchResponse
	segment []int // where the records of each result go in the encoding
	out     [][]byte
}

// fetchResult is the answer for a partition and the names it goes under. They
// are copies: the session may change before the answer is sent.
type fetchResult struct {
	api.FetchResult
	key   partKey
	topic string
	id    meta.ID
}

func (r *fetchResult) sameTopic(o *fetchResult) bool { return r.id == o.id && r.topic == o.topic }

// fetchPart is a partition that is fetched, and what the client knows of it.
// In a session, the session's mutex guards it.
type fetchPart struct {
	key   partKey
	topic string
	id    meta.ID
	index int32
	p     *partition // nil if there is no such partition

	offset    int64
	epoch     int32
	lastEpoch int32
	maxBytes  int

	// In a session: what was told last.
	told      bool
	toldHW    int64
	toldStart int64
}

// fetch queues the reply to a Fetch request.
func (c *conn) fetch(h api.Header, req request, body []byte) error {
	f, _ := c.b.fetchedPool.Get().(*fetched)
	if f == nil {
		f = &fetched{waiter: newWaiter()}
	}
	f.header, f.arrived = h, time.Now()
	err := f.req.Decode(h.Version, body)
	if err == nil {
		c.b.openFetch(f)
	}
	req.release() // names have been copied
	if err != nil {
		return err
	}
	return c.queue(f)
}

// resolve finds the partition again after it was unknown or has gone.
func (b *Broker) resolve(part *fetchPart, byID bool) {
	t := (*topic)(nil)
	if byID {
		t = b.topics.withID(part.id)
	} else {
		t = b.topics.named([]byte(part.topic))
	}
	part.p = t.partition(part.index)
	if t != nil {
		part.topic, part.id = t.Name, t.ID
	}
}

// finish reads, waits while there is too little, and answers.
func (f *fetched) finish(w *writer) {
	b := w.c.b
	defer f.release(b)
	if f.code == 0 {
		f.collect(w)
		if wait := f.wait(); wait > 0 && !f.enough() && w.err == nil {
			f.park(w, wait)
		}
	}
	f.send(w)
}

func (f *fetched) wait() time.Duration {
	limit := min(time.Duration(f.req.MaxWaitMillis)*time.Millisecond, maxFetchWait)
	return limit - time.Since(f.arrived)
}

func (f *fetched) enough() bool {
	return f.urgent || f.bytes >= int(f.req.MinBytes) || len(f.parts) == 0 && f.session == nil
}

// park sleeps until a partition has moved far enough, time is up, or the
// connection ends.
func (f *fetched) park(w *writer, wait time.Duration) {
	b := w.c.b
	f.waiter.reset()
	watched := f.watch()
	defer func() {
		for _, p := range watched {
			p.unwatch(f.waiter)
		}
	}()
	timeout := w.after(wait)
	defer w.stop()
	for last := false; ; {
		// Look again after registering: what happened in between woke nobody.
		f.drop(b)
		f.collect(w)
		if last || f.enough() {
			return
		}
		held := len(f.arenas) > 0
		if held {
			f.drop(b) // others may need the memory; what is there can be read again
		}
		select {
		case <-f.waiter.ready:
		case <-timeout:
			last = true
		case <-b.drain:
			last = true
		case <-w.c.ctx.Done():
			return
		}
		if last && !held {
			return
		}
	}
}

// watch registers the waiter with all partitions and returns them.
func (f *fetched) watch() []*partition {
	parts := f.lockParts()
	defer f.unlockParts()
	watched := make([]*partition, 0, len(parts))
	for _, part := range parts {
		if p := part.p; p != nil {
			p.watch(f.waiter)
			watched = append(watched, p)
		}
	}
	return watched
}

// lockParts returns the partitions to read: the session's, which other requests
// may use, or the request's own.
func (f *fetched) lockParts() []*fetchPart {
	if f.session == nil {
		return f.parts
	}
	f.session.mu.Lock()
	return f.session.parts
}

func (f *fetched) unlockParts() {
	if f.session != nil {
		f.session.mu.Unlock()
	}
}

// collect reads the partitions in turn until the response is full.
func (f *fetched) collect(w *writer) {
	parts := f.lockParts()
	defer f.unlockParts()
	room := int(min(max(f.req.MaxBytes, 0), w.c.b.cfg.Limits.MaxFetch))
	for _, part := range parts {
		r := fetchResult{FetchResult: api.FetchResult{
			Index: part.index, HighWatermark: -1, LastStable: -1, LogStartOffset: -1,
			ReadCommitted: f.req.ReadCommitted, DivergingEpoch: -1, LeaderID: -1,
		}}
		err := f.readPart(w, part, &r.FetchResult, room)
		r.ErrorCode = f.errorCode(err)
		r.key, r.topic, r.id = part.key, part.topic, part.id
		n := len(r.Records)
		room -= n
		f.bytes += n
		f.urgent = f.urgent || err != nil || r.DivergingEpoch >= 0
		news := n > 0 || err != nil || r.DivergingEpoch >= 0 || !part.told ||
			part.toldHW != r.HighWatermark || part.toldStart != r.LogStartOffset
		if f.full || news {
			f.results = append(f.results, r)
		}
	}
}

// readPart reads one partition into r.
func (f *fetched) readPart(w *writer, part *fetchPart, r *api.FetchResult, room int) error {
	byID := f.req.Version >= 13
	if part.p == nil {
		w.c.b.resolve(part, byID)
	}
	if part.p == nil {
		if byID && w.c.b.topics.withID(part.id) == nil {
			return kerr.UnknownTopicID
		}
		return kerr.UnknownTopicOrPartition
	}
	p := part.p
	if err := p.checkEpoch(part.epoch); err != nil {
		return err
	}
	l, err := p.log()
	if errors.Is(err, kerr.NotLeaderForPartition) {
		part.p = nil // deleted; the name may have come back
		if byID {
			return kerr.UnknownTopicID
		}
		return kerr.UnknownTopicOrPartition
	}
	if err != nil {
		return err
	}
	if part.lastEpoch >= 0 {
		known, end := l.EndOffsetFor(part.lastEpoch)
		switch {
		case end < 0:
			return kerr.OffsetOutOfRange
		case known < part.lastEpoch || end < part.offset:
			r.DivergingEpoch, r.DivergingEnd = known, end
		}
	}
	want := min(room, part.maxBytes)
	switch {
	case r.DivergingEpoch >= 0:
		want = 0
	case f.bytes == 0:
		want = max(want, 1) // a response never lacks room for its first batch
	}
	return f.read(w, l, part, r, want)
}

// read reads about want bytes of l; none if want is not positive.
func (f *fetched) read(w *writer, l *log.Log, part *fetchPart, r *api.FetchResult, want int) error {
	limit := log.ToHighWatermark
	if f.req.ReadCommitted {
		limit = log.ToLastStable
	}
	at := l.Offsets()
	bound := at.HighWatermark
	if f.req.ReadCommitted {
		bound = at.LastStable
	}
	if part.offset < at.LogStart || part.offset > at.LogEnd {
		return kerr.OffsetOutOfRange
	}
	r.HighWatermark, r.LastStable, r.LogStartOffset = at.HighWatermark, at.LastStable, at.LogStart
	if want <= 0 || part.offset >= bound {
		return nil
	}
	arena := f.arena(w, want)
	if arena == nil {
		return nil // no memory now; the client asks again
	}
	used := len(arena.b)
	res, err := l.Read(arena.b[used:used:cap(arena.b)], part.offset, min(want, cap(arena.b)-used), limit)
	if err != nil {
		return err
	}
	if n := len(res.Data); n > 0 && n <= cap(arena.b)-used && &res.Data[0] == &arena.b[:used+1][used] {
		arena.b = arena.b[:used+n]
	}
	if f.req.Version < 10 && hasZstd(res.Data) {
		return kerr.UnsupportedCompressionType
	}
	r.HighWatermark, r.LastStable, r.LogStartOffset = res.HighWatermark, res.LastStable, res.LogStart
	r.Records = res.Data
	for _, a := range res.Aborted {
		r.Aborted = append(r.Aborted, api.AbortedTxn{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
	}
	return nil
}

// arena returns a buffer with room behind its length, or nil if the budget for
// fetched records is used up. The first arena of a response waits for budget.
func (f *fetched) arena(w *writer, want int) *buffer {
	if n := len(f.arenas); n > 0 {
		last := f.arenas[n-1]
		if free := cap(last.b) - len(last.b); free >= min(want, arenaSize/4) {
			return last
		}
	}
	b := w.c.b
	size := b.buffers.size(min(max(want, arenaSize), 1<<maxBufferBits))
	if len(f.arenas) == 0 {
		if b.fetches.take(w.c.ctx, &f.share, int64(size), int64(size)) != nil {
			return nil
		}
	} else if !b.fetches.tryTake(&f.share, int64(size)) {
		return nil
	}
	buf := b.buffers.get(size)
	buf.b = buf.b[:0]
	f.arenas = append(f.arenas, buf)
	return buf
}

// errorCode returns the code of a partition's error, in the vocabulary of the
// client: Java's consumer dies of codes that it does not expect in a Fetch.
func (f *fetched) errorCode(err error) int16 {
	if err == nil {
		return 0
	}
	c := code(err)
	var corrupt *log.CorruptionError
	switch {
	case errors.Is(err, log.ErrOffsetOutOfRange):
		c = kerr.OffsetOutOfRange.Code
	case errors.As(err, &corrupt), c == kerr.KafkaStorageError.Code:
		c = kerr.KafkaStorageError.Code
		if f.req.Version <= 5 {
			c = kerr.NotLeaderForPartition.Code
		}
	case errors.Is(err, log.ErrClosed):
		c = kerr.NotLeaderForPartition.Code
	}
	return c
}

// hasZstd reports a batch that clients before Fetch v10 cannot read.
func hasZstd(data []byte) bool {
	for len(data) > 0 {
		v, rest, err := batch.Parse(data)
		if err != nil {
			return false
		}
		if v.Codec() == batch.Zstd {
			return true
		}
		data = rest
	}
	return false
}

// send encodes the response around the records and writes it.
func (f *fetched) send(w *writer) {
	sessionID := int32(0)
	if f.session != nil {
		sessionID = f.session.id
	}
	w.head = api.AppendResponseHeader(w.head[:0], f.header.CorrelationID, f.header.Version >= 12)
	e := &f.encoder
	e.Begin(w.head, f.header.Version, f.code, sessionID, f.topics())
	f.segment = f.segment[:0]
	for i := 0; i < len(f.results); {
		first, end := &f.results[i], i+1
		for end < len(f.results) && f.results[end].sameTopic(first) {
			end++
		}
		e.Topic(first.topic, first.id, end-i)
		for ; i < end; i++ {
			r := &f.results[i].FetchResult
			e.Partition(r)
			f.segment = append(f.segment, len(e.Bytes()))
			e.EndPartition(r)
		}
		e.EndTopic()
	}
	e.End(nil)
	w.head = e.Bytes()
	api.FinishFrame(w.head, f.bytes)
	w.sendParts(f.interleave(w.head))
	if f.session != nil {
		f.session.told(f.results)
	}
}

// topics counts the runs of results that belong to one topic.
func (f *fetched) topics() int {
	n := 0
	for i := range f.results {
		if i == 0 || !f.results[i].sameTopic(&f.results[i-1]) {
			n++
		}
	}
	return n
}

// interleave cuts the encoding where records belong and puts them there.
func (f *fetched) interleave(head []byte) [][]byte {
	f.out = f.out[:0]
	from := 0
	for i := range f.results {
		if records := f.results[i].Records; len(records) > 0 {
			f.out = append(f.out, head[from:f.segment[i]], records)
			from = f.segment[i]
		}
	}
	return append(f.out, head[from:])
}

// drop forgets what collect has found.
func (f *fetched) drop(b *Broker) {
	for _, a := range f.arenas {
		b.buffers.put(a)
	}
	if f.share.n > 0 {
		b.fetches.release(&f.share)
	}
	clear(f.arenas)
	clear(f.results)
	f.arenas, f.results = f.arenas[:0], f.results[:0]
	f.bytes, f.urgent = 0, false
}

// release gives everything back.
func (f *fetched) release(b *Broker) {
	f.drop(b)
	clear(f.out[:cap(f.out)])
	f.session, f.parts, f.code, f.full = nil, nil, 0, false
	b.fetchedPool.Put(f)
}
