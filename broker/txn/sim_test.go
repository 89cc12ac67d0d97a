package txn

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/thalweg/thalweg/internal/seeds"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestSimulation drives the machine with producers of both protocol versions,
// zombies among them, over lost replies, crashes that drop what is not
// committed, slow and failing markers, and jumps of time. After every step:
//
//   - replaying the journal gives the live state;
//   - a transaction has the same outcome in all partitions, the one its client
//     was told, and no write of one transaction ends with another;
//   - once a producer has its identity, nothing of an earlier one is accepted.
//
// At the end every transaction is over and every request answered.
func TestSimulation(t *testing.T) {
	for seed := range seeds.Upto(60) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { newSim(t, seed).run(800) })
	}
}

type sim struct {
	t   *testing.T
	rng *rand.Rand
	cfg *Config
	now time.Time

	m         *Machine
	shadow    *Machine // replays each record as it is appended
	committed []coord.Record
	records   []coord.Record // appended, not committed
	effects   []coord.Effect
	epoch     int32
	nextPID   int64

	jobs    []*Job // sent, not answered
	logs    map[coord.TopicPartition]*simLog
	clients []*simClient
	latest  map[string]*simClient // who was last told an identity
	told    map[int]bool          // outcomes of EndTxn that clients know, by transaction
	ended   map[int]bool          // outcomes in partitions
	nextTxn int
}

// simLog is a data partition: what its leader knows of each producer.
type simLog struct {
	producers map[int64]*simProducer
}

type simProducer struct {
	epoch, markers int
	coordinator    int32
	open           []int // writes of the open transaction, by transaction
}

// simClient is one instance of a transactional producer. It does one thing at
// a time, as clients do.
type simClient struct {
	id     string
	v2     bool
	pid    int64
	epoch  int16
	txn    int // 0: none
	acked  map[int][]coord.TopicPartition
	failed bool // must abort
	dead   bool // fenced
	busy   func() bool
	again  func() // repeats a call whose answer is unknown
}

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: time.UnixMilli(1_700_000_000_000),
		logs:   make(map[coord.TopicPartition]*simLog),
		latest: make(map[string]*simClient),
		told:   make(map[int]bool), ended: make(map[int]bool),
	}
	cfg := Config{MaxEpoch: []int16{0, 2, 5}[s.rng.IntN(3)]}
	s.cfg = cfg.withDefaults()
	for _, topic := range []string{"a", "b"} {
		for p := range int32(2) {
			s.logs[tp(topic, p)] = &simLog{producers: make(map[int64]*simProducer)}
		}
	}
	s.m, s.shadow = s.machine(), s.machine()
	s.step(func(st *coord.Step) { s.m.Loaded(st) })
	return s
}

func (s *sim) machine() *Machine {
	return newMachine(s.cfg, s, s.epoch, func(j *Job) { s.jobs = append(s.jobs, j) })
}

// TryNext implements IDs.
func (s *sim) TryNext() (int64, bool) {
	if s.rng.IntN(10) == 0 {
		return 0, false
	}
	s.nextPID++
	return s.nextPID, true
}

func (s *sim) run(steps int) {
	for range steps {
		switch s.rng.IntN(24) {
		case 0:
			s.crash()
		case 1, 2:
			s.pass(time.Duration(s.rng.IntN(4000)) * time.Millisecond)
		case 3, 4, 5, 6, 7:
			s.flush()
		case 8, 9, 10, 11, 12:
			s.answerJob(s.rng.IntN(3) == 0)
		case 13:
			id := string(rune('x' + s.rng.IntN(3)))
			s.clients = append(s.clients, &simClient{
				id: id, v2: s.rng.IntN(3) > 0, pid: -1, epoch: -1, acked: make(map[int][]coord.TopicPartition),
			})
			if len(s.clients) > 8 {
				s.clients = s.clients[1:] // it is silent from now on
			}
		default:
			s.act()
		}
		s.check()
	}
	// Quiet down: no more requests, no more failures, time for all timeouts.
	for range 60 {
		s.flush()
		for len(s.jobs) > 0 {
			s.answerJob(false)
			s.flush()
		}
		for _, c := range s.clients {
			if c.busy != nil && c.busy() {
				c.busy = nil
			}
		}
		s.pass(time.Second)
	}
	s.check()
	for id, x := range s.m.txns {
		require.Truef(s.t, x.state.idle(), "%s is %s at the end", id, x.state)
		require.Empty(s.t, x.waiters)
	}
	for p, l := range s.logs {
		for pid, x := range l.producers {
			require.Emptyf(s.t, x.open, "producer %d hangs in %v", pid, p)
		}
	}
	for _, c := range s.clients {
		require.Nil(s.t, c.busy, "a request was never answered")
		for txn, tps := range c.acked {
			if commit, ok := s.told[txn]; ok && len(tps) > 0 {
				got, ok := s.ended[txn]
				require.True(s.t, ok)
				require.Equalf(s.t, commit, got, "transaction %d of %s", txn, c.id)
			}
		}
	}
}

// step runs one input and replays its records on the shadow.
func (s *sim) step(f func(*coord.Step)) {
	st := &coord.Step{Now: s.now}
	f(st)
	records, effects := st.Take()
	for _, r := range records {
		require.NoError(s.t, s.shadow.Replay(r))
	}
	s.records = append(s.records, records...)
	s.effects = append(s.effects, effects...)
}

func (s *sim) flush() {
	s.committed = append(s.committed, s.records...)
	effects := s.effects
	s.records, s.effects = nil, nil
	for _, e := range effects {
		e.Commit()
	}
}

// crash drops everything but the journal; its last records may or may not have
// made it.
func (s *sim) crash() {
	if s.rng.IntN(2) == 0 {
		s.committed = append(s.committed, s.records...)
	}
	s.records, s.effects = nil, nil
	s.epoch++
	s.m, s.shadow = s.machine(), s.machine()
	for _, r := range s.committed {
		require.NoError(s.t, s.m.Replay(r))
		require.NoError(s.t, s.shadow.Replay(r))
	}
	s.step(func(st *coord.Step) { s.m.Loaded(st) })
	for _, c := range s.clients {
		if c.busy != nil && !c.busy() { // connection lost
			c.busy = nil
		}
	}
}

func (s *sim) pass(d time.Duration) {
	for end := s.now.Add(d); ; {
		at, ok := s.m.Next()
		if !ok || at.After(end) {
			s.now = end
			return
		}
		if at.After(s.now) {
			s.now = at
		}
		s.step(func(st *coord.Step) { s.m.Tick(st) })
	}
}

func (s *sim) check() {
	live, replayed := make(map[string]metadata), make(map[string]metadata)
	for id, x := range s.m.txns {
		live[id] = x.metadata
	}
	for id, x := range s.shadow.txns {
		replayed[id] = x.metadata
	}
	if len(live)+len(replayed) > 0 && !reflect.DeepEqual(normal(live), normal(replayed)) {
		require.Equal(s.t, replayed, live, "live state is not what the journal says")
	}
}

// normal makes an empty partition list and none the same.
func normal(in map[string]metadata) map[string]metadata {
	for id, x := range in {
		if len(x.partitions) == 0 {
			x.partitions = nil
		}
		in[id] = x
	}
	return in
}

// answerJob writes the markers of one job, all or some of them.
func (s *sim) answerJob(flaky bool) {
	if len(s.jobs) == 0 {
		return
	}
	i := s.rng.IntN(len(s.jobs))
	j := s.jobs[i]
	if !flaky || s.rng.IntN(2) == 0 { // otherwise it is answered once more later
		s.jobs = append(s.jobs[:i:i], s.jobs[i+1:]...)
	}
	codes := make([]int16, len(j.Partitions))
	for i, p := range j.Partitions {
		if flaky && s.rng.IntN(2) == 0 {
			codes[i] = kerr.NotLeaderForPartition.Code
			if s.rng.IntN(2) == 0 {
				s.logs[p].mark(s, j.Marker) // written, answer lost
			}
			continue
		}
		codes[i] = s.logs[p].mark(s, j.Marker)
	}
	if flaky && s.rng.IntN(4) == 0 {
		codes = codes[:0] // the sender died
	}
	s.step(func(st *coord.Step) { s.m.Written(st, j, codes) })
}

func (l *simLog) producer(pid int64) *simProducer {
	p := l.producers[pid]
	if p == nil {
		p = &simProducer{epoch: -1, coordinator: -1}
		l.producers[pid] = p
	}
	return p
}

func (l *simLog) mark(s *sim, m coord.Marker) int16 {
	p := l.producer(m.ProducerID)
	switch {
	case m.CoordinatorEpoch < p.coordinator:
		return kerr.TransactionCoordinatorFenced.Code
	case int(m.ProducerEpoch) < p.epoch, m.Version >= 2 && int(m.ProducerEpoch) == p.epoch && len(p.open) > 0:
		return kerr.InvalidProducerEpoch.Code
	}
	for i, txn := range p.open {
		require.Equalf(s.t, p.open[0], txn, "a marker ends writes of two transactions: %v", p.open[:i+1])
		if before, ok := s.ended[txn]; ok {
			require.Equalf(s.t, before, m.Commit, "transaction %d ends both ways", txn)
		}
		s.ended[txn] = m.Commit
		if told, ok := s.told[txn]; ok {
			require.Equalf(s.t, told, m.Commit, "the client of transaction %d was told otherwise", txn)
		}
	}
	p.open, p.epoch, p.coordinator = nil, int(m.ProducerEpoch), m.CoordinatorEpoch
	p.markers++
	return 0
}

// act lets one client do something.
func (s *sim) act() {
	if len(s.clients) == 0 {
		return
	}
	c := s.clients[s.rng.IntN(len(s.clients))]
	switch {
	case c.dead:
	case c.busy != nil && !c.busy():
		switch {
		case s.rng.IntN(30) == 0:
			c.busy = nil // gives up waiting
		case c.again == nil && c.txn != 0 && s.rng.IntN(10) == 0:
			s.end(c, false) // gives up the transaction while a write waits
		}
	case c.again != nil:
		c.again()
	case c.pid < 0:
		s.init(c)
	case c.txn == 0:
		s.nextTxn++
		c.txn, c.failed = s.nextTxn, false
	case !c.failed && s.rng.IntN(3) > 0:
		s.write(c)
	default:
		s.end(c, !c.failed && s.rng.IntN(4) > 0)
	}
}

func (s *sim) init(c *simClient) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.TransactionalID, req.TransactionTimeoutMillis = 5, &c.id, 10_000
	p := coord.NewPromise[*kmsg.InitProducerIDResponse]()
	s.step(func(st *coord.Step) { s.m.initProducerID(st, req, s.m.deadline(st.Now), p) })
	c.busy = func() bool {
		resp, ok := p.Value()
		if ok && resp.ErrorCode == 0 && c.pid < 0 {
			c.pid, c.epoch = resp.ProducerID, resp.ProducerEpoch
			if last := s.latest[c.id]; last == nil || newer(c, last) {
				s.latest[c.id] = c
			}
		}
		return ok
	}
}

// newer reports whether a was told an identity after b. Ids only grow here.
func newer(a, b *simClient) bool { return a.pid > b.pid || a.pid == b.pid && a.epoch > b.epoch }

// write produces to a random partition. The leader asks the coordinator first,
// unless the producer has a transaction there, and appends at some later time.
func (s *sim) write(c *simClient) {
	var all []coord.TopicPartition
	for _, topic := range []string{"a", "b"} {
		all = append(all, tp(topic, 0), tp(topic, 1))
	}
	at := all[s.rng.IntN(len(all))]
	pid, epoch, txn := c.pid, c.epoch, c.txn
	x := s.logs[at].producer(pid)
	guard := x.markers
	add := func(verify bool) *coord.Promise[int16] {
		p := coord.NewPromise[int16]()
		s.step(func(st *coord.Step) {
			if verify {
				st.Reply(p, s.m.verify(c.id, pid, epoch, []coord.TopicPartition{at})[0])
				return
			}
			version := int16(1)
			if c.v2 {
				version = 2
			}
			s.m.add(st, addition{c.id, pid, epoch, []coord.TopicPartition{at}, version}, s.m.deadline(st.Now), p)
		})
		return p
	}
	added := (*coord.Promise[int16])(nil)
	var verified *coord.Promise[int16]
	open := len(x.open) > 0 && x.epoch == int(epoch)
	if !open || !c.v2 {
		added = add(false)
	}
	slow := s.rng.IntN(3)
	c.busy = func() bool {
		if added != nil {
			ec, ok := added.Value()
			if !ok {
				return false
			}
			if ec != 0 {
				s.refused(c, ec)
				return true
			}
		}
		if !c.v2 && !open {
			if verified == nil {
				guard = x.markers
				verified = add(true)
				return false
			}
			ec, ok := verified.Value()
			if !ok {
				return false
			}
			if ec != 0 {
				s.refused(c, ec)
				return true
			}
		}
		if slow > 0 {
			slow--
			return false
		}
		switch {
		case int(epoch) < x.epoch, len(x.open) > 0 && int(epoch) > x.epoch, !c.v2 && guard != x.markers:
			c.failed = true
			return true
		}
		if last := s.latest[c.id]; last != nil && last != c {
			require.Falsef(s.t, newer(last, &simClient{pid: pid, epoch: epoch}),
				"%s: a write of %d/%d is accepted after %d/%d was handed out", c.id, pid, epoch, last.pid, last.epoch)
		}
		x.epoch = int(epoch)
		x.open = append(x.open, txn)
		c.acked[txn] = append(c.acked[txn], at)
		return true
	}
}

// refused handles an error of the coordinator as clients do.
func (s *sim) refused(c *simClient, ec int16) {
	switch ec {
	case kerr.ConcurrentTransactions.Code:
	case kerr.ProducerFenced.Code, kerr.InvalidProducerIDMapping.Code:
		c.dead = true
	default:
		c.failed = true
	}
}

func (s *sim) end(c *simClient, commit bool) {
	req := kmsg.NewPtrEndTxnRequest()
	req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = 4, c.id, c.pid, c.epoch, commit
	if c.v2 {
		req.Version = 5
	}
	txn := c.txn
	if !c.v2 && len(c.acked[txn]) == 0 {
		c.txn = 0 // TV1 clients do not end what never began
		c.failed = false
		c.abandon(s)
		return
	}
	var call func()
	call = func() {
		p := coord.NewPromise[*kmsg.EndTxnResponse]()
		s.step(func(st *coord.Step) { s.m.endTxn(st, req, s.m.deadline(st.Now), p) })
		c.again = call // until there is an answer
		c.busy = func() bool {
			resp, ok := p.Value()
			if !ok {
				return false
			}
			switch resp.ErrorCode {
			case 0:
				c.again = nil
				if c.txn == txn {
					s.told[txn] = commit
					c.txn = 0
					if c.v2 {
						c.pid, c.epoch = resp.ProducerID, resp.ProducerEpoch
						if last := s.latest[c.id]; last == nil || newer(c, last) {
							s.latest[c.id] = c
						}
					}
				}
			case kerr.ConcurrentTransactions.Code, kerr.CoordinatorLoadInProgress.Code:
			case kerr.InvalidTxnState.Code:
				// A commit without a transaction, or the coordinator has
				// aborted it: abort and go on (TV2), or start anew.
				c.again = nil
				if c.v2 && commit {
					c.failed = true
				} else {
					c.dead = true
				}
			default:
				c.again, c.dead = nil, true
			}
			return true
		}
	}
	call()
}

// abandon restarts a TV1 client that cannot know whether its partitions were
// added.
func (c *simClient) abandon(s *sim) { c.pid, c.epoch = -1, -1; s.init(c) }
