package commit

// What brokers remember of producers: per partition the epoch, the sequence
// number that comes next, and the last batches, by which they know a batch that is
// sent twice. A batch here has one record.

// batch is one record on its way: the n-th input of a task, whose outputs go to a
// partition of their own.
type batch struct {
	output
	producer, epoch, sequence int
}

// window is how many batches of a producer a partition remembers.
const window = 5

type verdict int

const (
	appended verdict = iota
	duplicate
	fenced
	outOfOrder
)

// partition is the log of one task's outputs, as far as producers go.
type partition map[int]*producerState // by producer id

type producerState struct{ epoch, next int }

func (p partition) append(b batch) verdict {
	s := p[b.producer]
	switch {
	case s == nil:
		s = &producerState{b.epoch, b.sequence}
		p[b.producer] = s
	case b.epoch < s.epoch:
		return fenced
	case b.epoch > s.epoch:
		if b.sequence != 0 {
			return outOfOrder
		}
		s.epoch, s.next = b.epoch, 0
	}
	switch {
	case b.sequence == s.next:
		s.next++
		return appended
	case b.sequence < s.next && b.sequence >= s.next-window:
		return duplicate // whatever is in it
	}
	return outOfOrder
}

// producer is the producer of one process, by the rules of package produce.
type producer struct {
	id, epoch int
	sequence  [simTasks]int
	unacked   []batch
	spent     bool
}

func (p *producer) renew(id, epoch int) {
	p.id, p.epoch, p.spent, p.sequence = id, epoch, false, [simTasks]int{}
}

func (p *producer) next(task, n int) batch {
	b := batch{output{task, n}, p.id, p.epoch, p.sequence[task]}
	p.sequence[task]++
	p.unacked = append(p.unacked, b)
	return b
}

// planted are faults that the simulator has to find.
type planted struct {
	restart bool // sequences start again after a drop, under the same epoch
	deaf    bool // the machine does not hear that the producer needs a new epoch
}

// drop gives up what is not acknowledged.
func (p *producer) drop(transactional bool, bug planted) (given []batch) {
	given, p.unacked = p.unacked, nil
	switch {
	case bug.restart:
		p.sequence = [simTasks]int{}
	case len(given) == 0:
	case transactional:
		p.spent = true
	default:
		p.renew(p.id, p.epoch+1)
	}
	return given
}
