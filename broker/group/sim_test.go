package group

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"github.com/thalweg/thalweg/broker/coord"
	"github.com/thalweg/thalweg/internal/seeds"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestSimulation drives the machine with members of all kinds, offset commits,
// transactional producers and administrators, over lost replies, crashes that
// drop what is not committed, and jumps of time. After every step:
//
//   - replaying the journal gives the live state;
//   - a partition belongs to at most one member of a generation;
//   - a stable group is in the journal as it is;
//   - fetches show what a model that knows only the order of the journal says,
//     and report an open transaction's partitions as unstable.
//
// At the end, with nobody left, every request is answered, all groups are
// empty, and the compacted journal gives the same offsets.
func TestSimulation(t *testing.T) {
	for seed := range seeds.Upto(25) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { newSim(t, seed).run(800) })
	}
}

type sim struct {
	t   *testing.T
	rng *rand.Rand
	cfg *Config
	now time.Time
	ids int

	m, shadow *Machine
	committed []coord.Record
	records   []coord.Record
	effects   []coord.Effect

	members   []*simMember
	producers map[int64]*simProducer
	owners    map[ownership]string
	waiting   map[*coord.Promise[*kmsg.JoinGroupResponse]]bool
}

type ownership struct {
	group      string
	generation int32
	partition  byte
}

// simMember is a consumer. It does one thing at a time.
type simMember struct {
	group      string
	instance   *string
	version    int16
	id         string
	generation int32
	leads      []string // members to assign to, while a sync is due
	joined     bool     // has the join's answer, must sync
	stable     bool
	busy       func() bool // polls the answer
	taste      byte        // changes the metadata
}

type simProducer struct {
	epoch  int16
	open   bool
	marker *coord.Marker                // decided, not written
	sent   *kmsg.TxnOffsetCommitRequest // waits for the transaction coordinator
	before guard
}

var simGroups = []string{"g", "h"}

const simPartitions = 4

func newSim(t *testing.T, seed uint64) *sim {
	s := &sim{
		t: t, rng: rand.New(rand.NewPCG(seed, 2)), now: time.UnixMilli(1_700_000_000_000),
		producers: make(map[int64]*simProducer),
		owners:    make(map[ownership]string),
		waiting:   make(map[*coord.Promise[*kmsg.JoinGroupResponse]]bool),
	}
	cfg := Config{
		InitialRebalanceDelay: time.Duration(s.rng.IntN(2)) * time.Second,
		MaxSize:               []int{0, 3}[s.rng.IntN(2)],
		NewMemberID:           func(prefix string) string { s.ids++; return fmt.Sprintf("%s-%d", prefix, s.ids) },
	}
	s.cfg = cfg.withDefaults()
	s.m, s.shadow = newMachine(s.cfg), newMachine(s.cfg)
	s.step(s.m.Loaded)
	return s
}

func (s *sim) run(steps int) {
	for range steps {
		switch s.rng.IntN(30) {
		case 0:
			s.crash()
		case 1, 2, 3:
			s.pass(time.Duration(s.rng.IntN(3000)) * time.Millisecond)
		case 4:
			if s.rng.IntN(4) == 0 {
				s.pass(time.Duration(s.rng.IntN(90)) * time.Second)
			}
		case 5, 6, 7, 8, 9, 10:
			s.flush()
		case 11:
			s.newMember()
		case 12, 13, 14, 15:
			s.transact()
		case 16:
			s.administer()
		default:
			s.act()
		}
		s.check()
	}
	s.members = nil // all fall silent
	for pid, p := range s.producers {
		p.sent = nil
		if p.marker == nil {
			s.decide(pid, p, s.rng.IntN(2) == 0)
		}
		s.mark(p)
	}
	for range 30 {
		s.flush()
		s.pass(time.Minute)
	}
	s.check()
	for p := range s.waiting {
		_, ok := p.Value()
		require.True(s.t, ok, "a join was never answered")
	}
	for id, g := range s.m.groups {
		require.Equalf(s.t, Empty, g.state, "group %s", id)
		require.Empty(s.t, g.members)
		require.Empty(s.t, g.pendingMembers)
	}
	s.compacted()
}

func (s *sim) step(f func(*coord.Step)) {
	st := &coord.Step{Now: s.now}
	f(st)
	records, effects := st.Take()
	for i := range records {
		records[i].Time = s.now
		require.NoError(s.t, s.shadow.Replay(records[i]))
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

func (s *sim) crash() {
	if s.rng.IntN(2) == 0 {
		s.committed = append(s.committed, s.records...)
	}
	s.records, s.effects = nil, nil
	s.m, s.shadow = newMachine(s.cfg), newMachine(s.cfg)
	for _, r := range s.committed {
		require.NoError(s.t, s.m.Replay(r))
		require.NoError(s.t, s.shadow.Replay(r))
	}
	clear(s.waiting)
	clear(s.owners) // generations that were not synced may come again
	s.step(s.m.Loaded)
	for _, c := range s.members {
		if c.busy != nil && !c.busy() {
			c.busy = nil
		}
	}
	for pid, x := range s.producers {
		x.sent = nil
		if x.marker != nil {
			continue // its coordinator has it in its journal
		}
		*x = simProducer{}
		if p := s.m.producers[pid]; p != nil {
			x.epoch, x.open = max(p.epoch, 0), p.pending != nil
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
		s.step(s.m.Tick)
	}
}

// durable is what the journal determines.
type durable struct {
	Groups    map[string]durableGroup
	Producers map[int64]durableProducer
}

type durableGroup struct {
	Stored  string
	Offsets map[string]string
	Pending map[string]int
}

type durableProducer struct {
	Epoch            int16
	CoordinatorEpoch int32
	Ended            int64
	Pending          map[string]string
}

func durableOf(m *Machine) durable {
	d := durable{make(map[string]durableGroup), make(map[int64]durableProducer)}
	show := func(o stored) string {
		return fmt.Sprintf("%d@%d %x %d", o.offset.offset, o.order, o.topicID, o.committed.UnixMilli())
	}
	for id, g := range m.groups {
		x := durableGroup{Offsets: make(map[string]string), Pending: make(map[string]int)}
		if g.stored != nil {
			x.Stored = string(g.stored.AppendTo(nil))
		}
		for tp, o := range g.offsets {
			x.Offsets[fmt.Sprint(tp)] = show(o)
		}
		for tp, n := range g.pending {
			x.Pending[fmt.Sprint(tp, g.deleted[tp])] = n
		}
		if x.Stored != "" || len(x.Offsets)+len(x.Pending) > 0 { // others are soft
			d.Groups[id] = x
		}
	}
	for pid, p := range m.producers {
		x := durableProducer{p.epoch, p.coordinatorEpoch, p.ended, make(map[string]string)}
		for id, offsets := range p.pending {
			for tp, o := range offsets {
				x.Pending[fmt.Sprint(id, tp)] = show(o)
			}
		}
		d.Producers[pid] = x
	}
	return d
}

// sameDurable reports whether b has all durable state of a.
func sameDurable(a, b *Machine) bool {
	same := func(x, y stored) bool {
		return x.order == y.order && x.offset != nil && y.offset != nil && x.offset.offset == y.offset.offset &&
			x.topicID == y.topicID && x.committed.UnixMilli() == y.committed.UnixMilli()
	}
	for id, g := range a.groups {
		h := b.groups[id]
		if h == nil {
			if g.stored != nil || len(g.offsets)+len(g.pending) > 0 {
				return false
			}
			continue
		}
		if (g.stored == nil) != (h.stored == nil) || !maps.Equal(g.pending, h.pending) || !maps.Equal(g.deleted, h.deleted) ||
			g.stored != nil && string(g.stored.AppendTo(nil)) != string(h.stored.AppendTo(nil)) ||
			!maps.EqualFunc(g.offsets, h.offsets, same) {
			return false
		}
	}
	for pid, p := range a.producers {
		q := b.producers[pid]
		if q == nil || p.epoch != q.epoch || p.coordinatorEpoch != q.coordinatorEpoch || p.ended != q.ended ||
			!maps.EqualFunc(p.pending, q.pending, func(x, y map[topicPartition]stored) bool { return maps.EqualFunc(x, y, same) }) {
			return false
		}
	}
	return true
}

func (s *sim) check() {
	if !sameDurable(s.shadow, s.m) || !sameDurable(s.m, s.shadow) {
		s.t.Fatalf("live state is not what the journal says (-replayed +live):\n%s",
			cmp.Diff(durableOf(s.shadow), durableOf(s.m)))
	}
	for id, g := range s.m.groups {
		if g.state != Stable {
			continue
		}
		require.NotNil(s.t, g.stored)
		require.Equalf(s.t, g.stored.Generation, g.generation, "stable group %s", id)
		require.Len(s.t, g.stored.Members, len(g.members))
		for i, mb := range g.members {
			require.Equal(s.t, g.stored.Members[i].MemberID, mb.id)
			require.Equal(s.t, g.stored.Members[i].Assignment, mb.assignment)
		}
	}
	if s.rng.IntN(4) > 0 {
		return // the model is slow
	}
	for _, id := range simGroups {
		for p := range int32(simPartitions) {
			tp := topicPartition{"ta", p}
			at, open := s.model(id, tp)
			got := s.m.offsetFetch(id, []topicPartition{tp}, false)[0].Partitions[0]
			require.Equalf(s.t, at, got.Offset, "%s %v", id, tp)
			got = s.m.offsetFetch(id, []topicPartition{tp}, true)[0].Partitions[0]
			require.Equal(s.t, open, got.ErrorCode == kerr.UnstableOffsetCommit.Code)
		}
	}
}

// model reads an offset from the journal the slow way: the last of the plain
// commits, deletions and committed transactions' offsets.
func (s *sim) model(group string, tp topicPartition) (at int64, open bool) {
	type entry struct {
		pid    int64
		offset int64
	}
	var entries []entry // pid ≥ 0: undecided
	want := string(offsetRecord(group, tp, nil).Key)
	for _, r := range slices.Concat(s.committed, s.records) {
		switch {
		case r.Kind == coord.CommitMarker || r.Kind == coord.AbortMarker:
			entries = slices.DeleteFunc(entries, func(e entry) bool { return e.pid == r.ProducerID && r.Kind == coord.AbortMarker })
			for i := range entries {
				if entries[i].pid == r.ProducerID {
					entries[i].pid = -1
				}
			}
		case string(r.Key) == want:
			e := entry{pid: -1, offset: -1}
			if r.Kind == coord.Transactional {
				e.pid = r.ProducerID
			}
			if r.Value != nil {
				v := kmsg.NewOffsetCommitValue()
				require.NoError(s.t, v.ReadFrom(r.Value))
				e.offset = v.Offset
			}
			entries = append(entries, e)
		}
	}
	at = -1
	for _, e := range entries {
		if e.pid < 0 {
			at = e.offset
		} else {
			open = true
		}
	}
	return at, open
}

// compacted replays what a compaction of the journal leaves: no records of
// aborted transactions, and the last record for each key.
func (s *sim) compacted() {
	var kept []coord.Record
	last := make(map[string]int)
	aborted := make(map[int]bool)
	open := make(map[int64][]int)
	for i, r := range s.committed {
		switch r.Kind {
		case coord.Transactional:
			open[r.ProducerID] = append(open[r.ProducerID], i)
		case coord.AbortMarker:
			for _, j := range open[r.ProducerID] {
				aborted[j] = true
			}
			delete(open, r.ProducerID)
		case coord.CommitMarker:
			delete(open, r.ProducerID)
		}
	}
	require.Empty(s.t, open)
	for i, r := range s.committed {
		if !aborted[i] && r.Key != nil {
			last[string(r.Key)] = i
		}
	}
	for i, r := range s.committed {
		if r.Key == nil || last[string(r.Key)] == i && !aborted[i] {
			kept = append(kept, r)
		}
	}
	m := newMachine(s.cfg)
	for _, r := range kept {
		require.NoError(s.t, m.Replay(r))
	}
	for _, id := range simGroups {
		for p := range int32(simPartitions) {
			tp := []topicPartition{{"ta", p}}
			require.Equal(s.t, s.m.offsetFetch(id, tp, true), m.offsetFetch(id, tp, true))
		}
	}
}

func (s *sim) writes() (w writes, code *int16) {
	code = new(int16)
	o := offset{offset: s.rng.Int64N(1000), leaderEpoch: -1, topicID: [16]byte{byte(s.rng.IntN(2))}}
	return writes{{topicPartition{"ta", s.rng.Int32N(simPartitions)}, o, code}}, code
}

func (s *sim) commitPlain(st *coord.Step, group, id string, instance *string, generation int32) *kerrError {
	w, code := s.writes()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.MemberID, req.InstanceID, req.Generation = 9, group, id, instance, generation
	w.commit(s.m, st, req)
	if *code == 0 {
		return nil
	}
	return kerr.TypedErrorForCode(*code)
}

// transact moves one transactional producer on. Its transaction's end is
// decided first, and the marker reaches the group later. A client of the second
// protocol sends the next offsets without waiting for that: its transaction
// coordinator answers once the marker is written.
func (s *sim) transact() {
	pid := s.rng.Int64N(3)
	p := s.producers[pid]
	if p == nil {
		p = &simProducer{}
		s.producers[pid] = p
	}
	switch {
	case p.marker != nil && s.rng.IntN(2) == 0:
		s.mark(p)
	case p.sent != nil:
		if p.marker == nil {
			s.commitSent(p)
		}
	case p.open && p.marker == nil && s.rng.IntN(3) == 0:
		s.decide(pid, p, s.rng.IntN(3) > 0)
	default:
		s.send(pid, p)
	}
}

// send begins a commit: the group notes what it knows of the producer.
func (s *sim) send(pid int64, p *simProducer) {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.Version, req.Group, req.ProducerID, req.ProducerEpoch, req.Generation = 5, simGroups[s.rng.IntN(2)], pid, p.epoch, -1
	if p.marker == nil && s.rng.IntN(3) == 0 {
		req.Version = 4 // adds the partition first, which waits for the marker
	}
	if p.epoch > 0 && p.marker == nil && s.rng.IntN(6) == 0 {
		req.ProducerEpoch-- // a zombie
	}
	p.sent, p.before = req, s.m.guard(pid, req.ProducerEpoch)
}

// commitSent stores the offsets after the transaction coordinator's yes.
func (s *sim) commitSent(p *simProducer) {
	req := p.sent
	p.sent = nil
	s.step(func(st *coord.Step) {
		w, _ := s.writes()
		err := w.commitTxn(s.m, st, req, p.before)
		if req.ProducerEpoch < p.epoch {
			require.NotNil(s.t, err, "an old epoch writes")
			return
		}
		// A group with members refuses a commit without one's id; nothing
		// about the transaction itself is wrong.
		require.Containsf(s.t, []*kerrError{nil, kerr.UnknownMemberID, kerr.IllegalGeneration}, err,
			"v%d of %d/%d", req.Version, req.ProducerID, req.ProducerEpoch)
		p.open = true
	})
}

// decide ends a transaction as its coordinator does: from here on the producer
// may begin the next one.
func (s *sim) decide(pid int64, p *simProducer, commit bool) {
	p.marker = &coord.Marker{ProducerID: pid, ProducerEpoch: p.epoch, Commit: commit, Version: 1}
	if s.rng.IntN(2) == 0 {
		p.epoch++
		p.marker.ProducerEpoch, p.marker.Version = p.epoch, 2
	}
	p.open = false
}

// mark writes the marker of a transaction that was decided.
func (s *sim) mark(p *simProducer) {
	x := *p.marker
	p.marker = nil
	s.step(func(st *coord.Step) { require.Nil(s.t, s.m.writeMarker(st, x)) })
}

func (s *sim) administer() {
	group := simGroups[s.rng.IntN(len(simGroups))]
	s.step(func(st *coord.Step) {
		switch s.rng.IntN(5) {
		case 0:
			s.m.deleteGroup(st, group)
		case 1:
			req := kmsg.NewPtrOffsetDeleteRequest()
			req.Group = group
			req.Topics = []kmsg.OffsetDeleteRequestTopic{{
				Topic: "ta", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: s.rng.Int32N(simPartitions)}},
			}}
			s.m.offsetDelete(st, req)
		case 2:
			if s.rng.IntN(4) == 0 {
				s.m.deleteTopics(st, []string{"ta"})
			}
		default:
			s.commitPlain(st, group, "", nil, -1)
		}
	})
}
