package membership

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/thalweg/thalweg/internal/seeds"
	"github.com/thalweg/thalweg/runtime/internal/assign"
	"github.com/thalweg/thalweg/runtime/internal/commit"
)

// The simulator runs processes with several workers against a model of the
// group's coordinator and of transactions. The membership's two machines, the
// commit machine and the assignor are the runtime's own; the goroutines that
// drive them are steps here, and a seed chooses which of them goes on, sleeps, or
// dies, which member is expelled, and which answer gets lost. In the end all
// faults are over, and everything has to run.

const (
	simProcs   = 3
	simWorkers = 2
	simTasks   = 5
)

// bug is something planted that the simulator has to find.
type bug int

const (
	noBug bug = iota
	// asserting: a worker takes each epoch for one that confirms what it
	// runs, whatever was lost since.
	asserting
	// hasty: a worker says that what was lost is closed before it is.
	hasty
)

// stage is where the group's goroutine of a process is.
type stage int

const (
	asking     stage = iota // the owner, for the subscription
	subscribed              // has asked
	joining                 // waits for the answer of a join
	syncing
	staying
)

// Events in the inbox of a process's owner, besides Answer.
type (
	joinedEvent struct{ epoch Epoch }
	laidEvent   struct{ epoch Epoch }
	lostEvent   struct{}
	askEvent    struct{}
)

// simProc is a process: the group's goroutine, the owner of the membership, and
// its workers.
type simProc struct {
	slot, life int
	workers    []*simWorker

	// The group's goroutine.
	stage      stage
	id         string
	generation int32
	member     bool
	losses     int
	sub        *assign.Member // the owner's reply
	outcome    *Output        // of the last assignment, once there is one
	over       bool

	// The owner.
	machine *Machine
	inbox   []any
	outbox  []Message // decided, not yet sent
	laying  []laidEvent
}

func (p *simProc) String() string { return fmt.Sprintf("process %d.%d", p.slot, p.life) }

func (p *simProc) instance() string {
	if p.slot == 0 {
		return "static"
	}
	return ""
}

type sim struct {
	rng       *rand.Rand
	bug       bug
	split     bool // a loss overtakes all that came before it and is not yet sent
	group     coordinator
	procs     [simProcs]*simProc
	txns      [simProcs][simWorkers]*transaction
	asleep    map[any]int
	committed map[assign.Task]int
	log       []output
	logged    map[assign.Task]int
	faults    bool
	trace     []string
	err       error
}

func newSim(seed uint64, b bug, split bool) *sim {
	s := &sim{
		rng: rand.New(rand.NewPCG(seed, 0)), bug: b, split: split, faults: true,
		group:  coordinator{seats: map[string]*seat{}, fenced: map[string]bool{}},
		asleep: map[any]int{}, committed: map[assign.Task]int{}, logged: map[assign.Task]int{},
	}
	for i := range s.procs {
		for w := range s.txns[i] {
			s.txns[i][w] = &transaction{}
		}
		s.start(i)
	}
	return s
}

func (s *sim) note(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
}

func (s *sim) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// chance is one in n, while there are faults.
func (s *sim) chance(n int) bool { return s.faults && s.rng.IntN(n) == 0 }

// start starts a process, or starts it anew after it died.
func (s *sim) start(i int) {
	p := &simProc{slot: i, machine: New(simWorkers)}
	if old := s.procs[i]; old != nil {
		p.life = old.life + 1
	}
	s.note("%v starts", p)
	for n := range simWorkers {
		w := &simWorker{proc: p, index: n, commit: commit.New(true), txn: s.txns[i][n], slots: map[assign.Task]int{}}
		w.side = NewWorker(w.commit)
		if s.bug == asserting {
			w.side = assertingWorker{NewWorker(w.commit)}
		}
		w.txn.abort()
		w.pid = w.txn.epoch
		p.workers = append(p.workers, w)
	}
	s.procs[i] = p
}

// step lets one goroutine do one thing.
func (s *sim) step() {
	p := s.procs[s.rng.IntN(simProcs)]
	var who any
	var do func()
	switch n := s.rng.IntN(2 + 3*simWorkers); {
	case n == 0:
		who, do = [2]any{p, "group"}, func() { s.groupStep(p) }
	case n == 1:
		who, do = [2]any{p, "owner"}, func() { s.ownerStep(p) }
	default:
		w := p.workers[n%simWorkers]
		who, do = w, func() { s.workerStep(w) }
	}
	if s.asleep[who]--; s.asleep[who] > 0 {
		return
	}
	if s.chance(150) {
		s.note("%v sleeps", who)
		s.asleep[who] = s.rng.IntN(60)
		return
	}
	do()
}

// fault lets something go wrong.
func (s *sim) fault() {
	p := s.procs[s.rng.IntN(simProcs)]
	switch s.rng.IntN(6) {
	case 0, 1:
		s.note("%v is expelled", p.id)
		s.group.expel(p.id)
	case 2:
		s.note("rebalance timeout")
		s.group.giveUpWaiting()
	case 3:
		w := p.workers[s.rng.IntN(simWorkers)]
		s.note("%v: transaction timeout", w)
		w.txn.abort()
	case 4:
		s.note("%v dies", p)
		s.start(p.slot)
	case 5: // its request to join came through, and no answer back
		if p.id == "" {
			id, _ := s.group.join("", p.instance(), assign.Member{Workers: simWorkers})
			s.note("%s is nobody's", id)
		}
	}
}

// tidy ends what would end by time: sessions of members that nobody is, and
// waiting for an epoch.
func (s *sim) tidy() {
	for id := range s.group.seats {
		if !slices.ContainsFunc(s.procs[:], func(p *simProc) bool { return p.id == id }) {
			s.note("%s expires", id)
			s.group.expel(id)
			return
		}
	}
}

// lose is group.Member's: the owner is told before anything else happens.
func (s *sim) lose(p *simProc, why code) {
	s.note("%v (%s) lost its membership: %s", p, p.id, why)
	if p.member {
		p.losses++
		if s.split {
			s.send(p, p.machine.Lost().Messages)
		} else {
			p.inbox = append(p.inbox, lostEvent{})
		}
	}
	p.member, p.generation, p.stage = false, -1, asking
	switch why {
	case unknownMember:
		p.id = ""
	case fencedInstance:
		s.start(p.slot) // it ends, and somebody starts it again
	}
}

// groupStep is the goroutine of group.Member.Run.
func (s *sim) groupStep(p *simProc) {
	switch p.stage {
	case asking:
		p.sub = nil
		p.inbox = append(p.inbox, askEvent{})
		p.stage = subscribed
	case subscribed:
		if p.sub == nil {
			return
		}
		id, err := s.group.join(p.id, p.instance(), *p.sub)
		switch {
		case err != none:
			s.lose(p, err)
		case s.chance(10): // no answer: asks again
			p.stage = asking
		default:
			s.note("%v joins as %s owning %v of %d", p, id, p.sub.Owned, p.sub.Generation)
			p.id, p.stage = id, joining
		}
	case joining:
		switch seat, err := s.group.check(p.id); {
		case err != none:
			s.lose(p, err)
		case seat.answer > 0:
			p.generation, seat.answer = seat.answer, 0
			p.stage = syncing
		case seat.joined && s.group.joining: // still waits
		default: // the answer got lost
			p.stage = asking
		}
	case syncing:
		switch tasks, err := s.group.sync(p.id, p.generation, decide); err {
		case none:
			s.note("%v (%s) is given %v in %d", p, p.id, tasks, p.generation)
			p.member, p.over, p.outcome, p.stage = true, false, nil, staying
			p.inbox = append(p.inbox, joinedEvent{Epoch{
				Epoch: commit.Epoch{Member: p.id, Generation: p.generation}, Losses: p.losses, Tasks: tasks,
			}})
		case pending:
		case rebalancing:
			p.stage = asking
		default:
			s.lose(p, err)
		}
	case staying:
		if p.outcome != nil {
			if p.over = p.over || p.outcome.GaveUp; p.over {
				p.stage = asking
				return
			}
		}
		switch err := s.group.heartbeat(p.id, p.generation); err {
		case none:
		case rebalancing:
			p.over = true
		default:
			s.lose(p, err)
		}
	}
}

func decide(members []assign.Member) assign.Plan {
	var tasks []assign.Task
	for i := range int32(simTasks) {
		tasks = append(tasks, assign.Task{Partition: i})
	}
	return assign.Decide(tasks, func(assign.Task) bool { return false }, members)
}

// ownerStep is the goroutine that owns the membership. It may sleep between a
// decision and each of its messages.
func (s *sim) ownerStep(p *simProc) {
	if len(p.laying) > 0 && s.rng.IntN(3) == 0 {
		p.inbox = append(p.inbox, p.laying[0])
		p.laying = p.laying[1:]
	}
	if len(p.outbox) > 0 {
		s.send(p, p.outbox[:1])
		p.outbox = p.outbox[1:]
		return
	}
	if len(p.inbox) == 0 {
		return
	}
	e := p.inbox[0]
	p.inbox = p.inbox[1:]
	var out Output
	switch e := e.(type) {
	case joinedEvent:
		if s.chance(3) { // a plan has to be laid
			p.laying = append(p.laying, laidEvent(e))
			return
		}
		out = p.machine.Joined(e.epoch)
	case laidEvent:
		out = p.machine.Joined(e.epoch)
	case lostEvent:
		out = p.machine.Lost()
	case Answer:
		out = p.machine.Answered(e)
	case askEvent:
		owned, generation := p.machine.Owned()
		p.sub = &assign.Member{Workers: simWorkers, Owned: owned, Generation: generation}
	}
	p.outbox = out.Messages
	if out.CarriedOut {
		p.outcome = &out
	}
}

func (s *sim) send(p *simProc, ms []Message) {
	for _, m := range ms {
		s.note("%v is told: lost %v, epoch %d, before %v, tasks %v", p.workers[m.Worker], m.Lost, m.Epoch.Generation, m.Before, m.Tasks)
		p.workers[m.Worker].inbox = append(p.workers[m.Worker].inbox, m)
	}
}

// settled checks, some time after the last fault, that every task runs in one
// place.
func (s *sim) settled() error {
	where := map[assign.Task][]*simWorker{}
	for _, p := range s.procs {
		for _, w := range p.workers {
			for t := range w.slots {
				where[t] = append(where[t], w)
			}
		}
	}
	for i := range int32(simTasks) {
		t := assign.Task{Partition: i}
		if len(where[t]) != 1 {
			return fmt.Errorf("task %v runs on %v", t, where[t])
		}
	}
	return nil
}

// run is a whole simulation: faults, and then none.
func (s *sim) run() error {
	for range 2500 {
		if s.rng.IntN(60) == 0 {
			s.fault()
		}
		if s.rng.IntN(200) == 0 {
			s.tidy()
		}
		if s.step(); s.err != nil {
			return s.err
		}
	}
	s.note("no more faults")
	s.faults = false
	clear(s.asleep)
	var before map[assign.Task]int
	for i := range 4000 {
		if i%50 == 0 {
			s.tidy()
		}
		if i == 2500 {
			before = maps.Clone(s.logged)
		}
		if s.step(); s.err != nil {
			return s.err
		}
	}
	if err := s.settled(); err != nil {
		return err
	}
	for i := range int32(simTasks) {
		if t := (assign.Task{Partition: i}); s.logged[t] == before[t] {
			return fmt.Errorf("task %v does not get on", t)
		}
	}
	return nil
}

const simSeeds = 200

// No task commits in two places, and all run in the end; also where a loss
// overtakes what was decided before it, which the runtime does not let happen.
func TestSimulation(t *testing.T) {
	for _, split := range []bool{false, true} {
		t.Run(fmt.Sprintf("losses overtake=%v", split), func(t *testing.T) {
			outputs, ran := 0, 0
			for seed := range seeds.Upto(simSeeds) {
				s := newSim(seed, noBug, split)
				if err := s.run(); err != nil {
					for _, line := range s.trace[max(0, len(s.trace)-80):] {
						t.Log(line)
					}
					t.Fatalf("seed %d: %v", seed, err)
				}
				outputs += len(s.log)
				ran++
			}
			require.Greater(t, outputs, ran*500, "the simulation does not get anywhere")
			t.Logf("%d outputs over %d seeds", outputs, ran)
		})
	}
}

// The simulator finds what it is there to find.
func TestSimulationFindsBugs(t *testing.T) {
	for b, want := range map[bug]string{
		asserting: "commits task",
		hasty:     "has not closed",
	} {
		t.Run(want, func(t *testing.T) {
			for seed := range seeds.Upto(simSeeds) {
				if err := newSim(seed, b, b == asserting).run(); err != nil {
					require.ErrorContains(t, err, want)
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Fatal("not found")
		})
	}
}
