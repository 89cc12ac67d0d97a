package commit

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/thalweg/thalweg/internal/seeds"
)

// The simulator runs workers against a model of the brokers: a group
// coordinator, a transaction coordinator, partitions that know producers by their
// sequence numbers, and a log of outputs. A seed chooses what happens next:
// records, failing records, commit steps, lost requests and answers, requests that
// arrive late, sessions that expire, processes that sleep through it, transactions
// that time out, crashes. Exactly once each input is to appear once, in order; at
// least once, what is committed is to be there.

// mode is a guarantee, and a transaction protocol.
type mode struct {
	transactional, v2 bool
}

var modes = map[string]mode{"exactly-once-2": {true, true}, "exactly-once-1": {true, false}, "at-least-once": {false, false}}

const (
	simTasks = 3
	simProcs = 3
)

// output is one record of a transaction: the n-th input of a task.
type output struct{ task, n int }

// transaction is the coordinator's side of one transactional id.
type transaction struct {
	epoch   int
	records []output
	offsets map[int]int // pending, by task
}

type message struct {
	lost   bool
	epoch  Epoch
	giveUp []int
	takeOn []int
}

// proc is a process with one worker.
type proc struct {
	id      int
	life    int // how often it was started
	machine *Machine
	inbox   []message
	changes []message
	lost    bool
	tasks   map[int]int   // next input, -1 while the offset is not known
	store   [simTasks]int // inputs the local store holds
	producer
	dirty  bool
	began  bool // the transaction
	asleep int  // turns
}

type sim struct {
	mode
	bug   planted
	rng   *rand.Rand
	parts [simTasks]partition
	late  []batch // given up, and still on their way
	ids   int     // producer ids given out
	fault error   // of a worker

	// What check has seen: of the log, the next input of each task, all outputs,
	// and how many committed inputs have one.
	checked int
	next    [simTasks]int
	there   map[output]bool
	found   [simTasks]int

	procs      []*proc
	txns       []transaction
	generation int32
	members    map[string]int // member id → process
	owner      [simTasks]string
	giving     map[int]string // tasks asked back, and from whom
	committed  [simTasks]int  // offsets
	log        []output
	trace      []string
}

func (s *sim) note(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
}

func (p *proc) member() string { return fmt.Sprintf("p%d.%d", p.id, p.life) }

func newSim(seed uint64, m mode, bug planted) *sim {
	s := &sim{mode: m, bug: bug, rng: rand.New(rand.NewPCG(seed, 0)), members: map[string]int{}, giving: map[int]string{}, there: map[output]bool{}}
	for t := range s.parts {
		s.parts[t] = partition{}
	}
	for i := range simProcs {
		s.procs = append(s.procs, nil)
		s.txns = append(s.txns, transaction{offsets: map[int]int{}})
		s.start(i)
	}
	return s
}

// start starts a process, or starts it anew after a crash.
func (s *sim) start(i int) {
	life := 0
	if old := s.procs[i]; old != nil {
		life = old.life + 1
	}
	p := &proc{id: i, life: life, machine: New(s.transactional), tasks: map[int]int{}}
	if old := s.procs[i]; old != nil {
		p.store = old.store // on disk
	}
	s.procs[i] = p
	s.init(p)
	s.join(p)
}

// abortTxn is what the coordinator does to an open transaction.
func (s *sim) abortTxn(i int) {
	s.txns[i].records, s.txns[i].offsets = nil, map[int]int{}
}

// init is InitProducerId: with a transactional id it fences and aborts, without
// one it gives a new producer id.
func (s *sim) init(p *proc) {
	s.late = append(s.late, p.drop(s.transactional, s.bug)...)
	p.began = false
	if !s.transactional {
		s.ids++
		p.renew(1000+s.ids, 0)
		return
	}
	s.abortTxn(p.id)
	s.txns[p.id].epoch++
	p.renew(p.id, s.txns[p.id].epoch)
}

// join adds the process to the group and rebalances.
func (s *sim) join(p *proc) {
	s.members[p.member()] = p.id
	s.rebalance()
}

// rebalance begins a generation: tasks of departed members go to random ones,
// and one task of a random member may be asked back. Everybody gets the epoch.
func (s *sim) rebalance() {
	s.generation++
	var ids []string
	for _, p := range s.procs {
		if p != nil && s.members[p.member()] == p.id && s.inGroup(p) {
			ids = append(ids, p.member())
		}
	}
	if len(ids) == 0 {
		return
	}
	msgs := map[string]*message{}
	for _, id := range ids {
		msgs[id] = &message{epoch: Epoch{id, s.generation}}
	}
	for t := range simTasks {
		if _, ok := s.members[s.owner[t]]; !ok {
			delete(s.giving, t)
			s.owner[t] = ids[s.rng.IntN(len(ids))]
			msgs[s.owner[t]].takeOn = append(msgs[s.owner[t]].takeOn, t)
		} else if _, asked := s.giving[t]; !asked && len(ids) > 1 && s.rng.IntN(4) == 0 {
			s.giving[t] = s.owner[t]
			msgs[s.owner[t]].giveUp = append(msgs[s.owner[t]].giveUp, t)
		}
	}
	for id, m := range msgs {
		p := s.procs[s.members[id]]
		p.inbox = append(p.inbox, *m)
	}
}

func (s *sim) inGroup(p *proc) bool {
	_, ok := s.members[p.member()]
	return ok
}

// expire removes a member whose session ended; the leader may fence its
// transactional id at once.
func (s *sim) expire(p *proc) {
	if !s.inGroup(p) {
		return
	}
	s.note("expire %s", p.member())
	delete(s.members, p.member())
	if s.rng.IntN(2) == 0 {
		s.abortTxn(p.id)
		s.txns[p.id].epoch++
	}
	s.rebalance()
}

// heartbeat is the group's goroutine of a process: it finds out that the
// membership is gone, says so, and joins again.
func (s *sim) heartbeat(p *proc) {
	if s.inGroup(p) {
		return
	}
	p.inbox = append(p.inbox, message{lost: true})
	p.life++
	s.join(p)
}

// receive is the worker's receive.
func (s *sim) receive(p *proc) {
	for _, m := range p.inbox {
		if m.lost {
			p.machine.Lost()
			p.lost = true
			p.changes = nil
		} else {
			p.machine.Confirm(m.epoch, true)
			p.changes = append(p.changes, m)
		}
	}
	p.inbox = nil
}

// rebuild closes all tasks and opens those that are still the member's.
func (s *sim) rebuild(p *proc) {
	for t := range p.tasks {
		if p.lost {
			delete(p.tasks, t)
		} else {
			p.tasks[t] = -1
		}
	}
	p.lost, p.dirty = false, false
}

// turn lets a process do one thing.
func (s *sim) turn(p *proc) {
	if p.asleep > 0 {
		p.asleep--
		return
	}
	if p.machine.Step() != Done {
		s.step(p)
		return
	}
	s.receive(p)
	switch {
	case p.lost:
		p.machine.Abort()
	case len(p.changes) > 0:
		c := p.changes[0]
		if len(c.giveUp) > 0 && p.dirty {
			p.machine.Commit()
			return
		}
		p.changes = p.changes[1:]
		for _, t := range c.giveUp {
			delete(p.tasks, t)
			if s.owner[t] == c.epoch.Member {
				s.owner[t] = "" // the rejoin hands it over
				delete(s.giving, t)
			}
		}
		for _, t := range c.takeOn {
			p.tasks[t] = -1
		}
		if len(c.giveUp) > 0 && s.inGroup(p) {
			s.rebalance()
		}
	case p.dirty && s.rng.IntN(3) == 0:
		p.machine.Commit()
	default:
		s.process(p)
	}
}

// commit is the coordinator's: all of the transaction becomes visible.
func (s *sim) commit(p *proc) {
	txn := &s.txns[p.id]
	s.log = append(s.log, txn.records...)
	for t, next := range txn.offsets {
		s.committed[t] = next
	}
	s.end(p.id)
}

// check compares what is new in the log with the inputs.
func (s *sim) check() error {
	if s.fault != nil {
		return s.fault
	}
	for ; s.checked < len(s.log); s.checked++ {
		o := s.log[s.checked]
		if s.transactional && o.n != s.next[o.task] {
			return fmt.Errorf("output %d of task %d is input %d, want %d", s.checked, o.task, o.n, s.next[o.task])
		}
		s.next[o.task] = o.n + 1
		s.there[o] = true
	}
	for t, n := range s.committed {
		for ; s.found[t] < n; s.found[t]++ {
			if !s.there[output{t, s.found[t]}] {
				return fmt.Errorf("input %d of task %d is committed, and its output is not there", s.found[t], t)
			}
		}
	}
	for _, p := range s.procs {
		for t, n := range p.store {
			if n > s.committed[t] {
				return fmt.Errorf("the store of process %d holds %d inputs of task %d, committed are %d", p.id, n, t, s.committed[t])
			}
		}
	}
	if s.transactional && s.next != s.committed {
		return fmt.Errorf("outputs %v, committed offsets %v", s.next, s.committed)
	}
	return nil
}

func TestSimulation(t *testing.T) {
	n := 300
	if testing.Short() {
		n = 50
	}
	for name, m := range modes {
		t.Run(name, func(t *testing.T) {
			total, ran := 0, 0
			for seed := range seeds.Upto(n) {
				ran++
				s := newSim(seed, m, planted{})
				if i, err := s.run(3000); err != nil {
					for _, line := range s.trace[max(0, len(s.trace)-60):] {
						t.Log(line)
					}
					t.Fatalf("seed %d, step %d: %v", seed, i, err)
				}
				total += len(s.log)
			}
			if total < ran*100 {
				t.Fatalf("only %d outputs over %d seeds: the simulation does not get anywhere", total, ran)
			}
			t.Logf("%d outputs over %d seeds", total, ran)
		})
	}
}

// The simulator finds producers that use sequence numbers twice.
func TestSimulationFindsBugs(t *testing.T) {
	for _, x := range []struct {
		name, mode string
		bug        planted
	}{
		{"sequences start again", "exactly-once-1", planted{restart: true}},
		{"sequences start again", "at-least-once", planted{restart: true}},
		{"the machine is not told", "exactly-once-1", planted{deaf: true}},
	} {
		t.Run(x.name+"/"+x.mode, func(t *testing.T) {
			for seed := uint64(1); seed <= 300; seed++ {
				if i, err := newSim(seed, modes[x.mode], x.bug).run(3000); err != nil {
					t.Logf("seed %d, step %d: %v", seed, i, err)
					return
				}
			}
			t.Error("found nothing")
		})
	}
}

// run lets the seed choose what happens, for some steps.
func (s *sim) run(steps int) (int, error) {
	for i := range steps {
		p := s.procs[s.rng.IntN(simProcs)]
		switch r := s.rng.IntN(400); {
		case r == 0:
			s.note("crash %s", p.member())
			if s.inGroup(p) {
				delete(s.members, p.member())
				if s.rng.IntN(2) == 0 {
					s.abortTxn(p.id)
					s.txns[p.id].epoch++
				}
				s.rebalance()
			}
			s.start(p.id)
		case r == 1:
			s.expire(p)
		case r == 2:
			p.asleep = s.rng.IntN(200)
		case r == 3: // transaction timeout
			s.note("timeout %d", p.id)
			s.abortTxn(p.id)
			s.txns[p.id].epoch++
		case r == 4:
			s.arriveLate()
		case r < 20:
			if p.asleep == 0 {
				s.heartbeat(p)
			}
		default:
			s.turn(p)
		}
		if err := s.check(); err != nil {
			return i, err
		}
	}
	return steps, nil
}
