package commit

import "fmt"

// process takes the next input of a random task. What it makes of it is sent at
// once, or with the flush.
func (s *sim) process(p *proc) {
	for t, next := range p.tasks {
		if next < 0 {
			// OffsetFetch with RequireStable: not while a transaction holds
			// offsets of the partition.
			for i := range s.txns {
				if _, pending := s.txns[i].offsets[t]; pending {
					return
				}
			}
			p.tasks[t] = s.committed[t]
			return
		}
		if p.spent {
			s.fault = fmt.Errorf("process %d sends under an epoch that it gave up", p.id)
			return
		}
		if s.rng.IntN(100) == 0 {
			p.machine.Abort() // the record fails
			return
		}
		p.next(t, next)
		p.tasks[t] = next + 1
		p.dirty, p.began = true, true
		if s.rng.IntN(3) > 0 {
			s.send(p)
		}
		return
	}
}

// send sends the batches of a process that are not acknowledged, in order. It
// returns an outcome other than OK when one is refused; what got lost stays.
func (s *sim) send(p *proc) Outcome {
	var left []batch
	o := OK
	held := map[int]bool{} // partitions whose first batch got no answer
	for _, b := range p.unacked {
		if o != OK || held[b.task] {
			left = append(left, b)
			continue
		}
		switch s.rng.IntN(10) {
		case 0: // the request gets lost
			left, held[b.task] = append(left, b), true
			continue
		case 1: // the answer does
			s.arrive(p.id, b)
			left, held[b.task] = append(left, b), true
			continue
		}
		switch s.arrive(p.id, b) {
		case fenced:
			o, left = Fenced, append(left, b)
		case outOfOrder:
			o, left = Failed, append(left, b)
		}
	}
	p.unacked = left
	return o
}

// arrive is a batch at its partition.
func (s *sim) arrive(i int, b batch) verdict {
	if s.transactional && b.epoch != s.txns[i].epoch {
		return fenced
	}
	v := s.parts[b.task].append(b)
	if v == appended {
		if s.transactional {
			s.txns[i].records = append(s.txns[i].records, b.output)
		} else {
			s.log = append(s.log, b.output)
		}
	}
	return v
}

// arriveLate delivers a batch that was given up.
func (s *sim) arriveLate() {
	if n := len(s.late); n > 0 {
		i := s.rng.IntN(n)
		b := s.late[i]
		s.late = append(s.late[:i], s.late[i+1:]...)
		if !s.transactional { // a transaction's are fenced by its coordinator
			s.arrive(0, b)
		}
	}
}

// step carries out a step of the machine.
func (s *sim) step(p *proc) {
	m, txn := p.machine, &s.txns[p.id]
	dead := s.transactional && p.epoch != txn.epoch
	lostAnswer := s.rng.IntN(12) == 0
	step := m.Step()
	s.note("%s %v", p.member(), step)
	switch step {
	case Flush:
		if dead && len(p.unacked) > 0 {
			m.Flushed(Fenced, true)
			return
		}
		switch o := s.send(p); {
		case o != OK:
			m.Flushed(o, true)
		case len(p.unacked) > 0 && s.rng.IntN(5) == 0:
			m.Flushed(Failed, true) // the delivery timed out
		case len(p.unacked) == 0:
			m.Flushed(OK, s.transactional && p.began)
		}
	case SendOffsets, CommitOffsets:
		_, known := s.members[m.Epoch().Member]
		switch {
		case dead && step == SendOffsets:
			m.Next(Fenced)
		case !known:
			m.Next(Expelled)
		case m.Epoch().Generation != s.generation:
			m.Next(Rebalancing)
		default:
			for t, next := range p.tasks {
				if next < 0 {
					continue
				}
				if step == SendOffsets {
					txn.offsets[t] = next
				} else {
					s.committed[t] = next
				}
			}
			switch {
			case lostAnswer && step == SendOffsets:
				m.Next(Failed)
			case lostAnswer:
				m.Next(Unknown)
			default:
				m.Next(OK)
			}
		}
	case Await:
		s.receive(p)
	case EndCommit:
		switch {
		case dead:
			m.Next(Fenced)
		case lostAnswer && s.rng.IntN(2) == 0:
			m.Next(Unknown) // it never arrived
		default:
			s.commit(p)
			if lostAnswer {
				m.Next(Unknown)
			} else {
				s.bumped(p)
				m.Next(OK)
			}
		}
	case EndAbort:
		s.endAbort(p, dead)
	case Apply:
		for t, next := range p.tasks {
			p.store[t] = max(p.store[t], next)
		}
		p.dirty = false
		m.Next(OK)
	case Rebuild:
		s.rebuild(p)
		m.Next(OK)
	case Reinit:
		s.init(p)
		s.rebuild(p)
		m.Next(OK)
	}
}

// endAbort is the worker's.
func (s *sim) endAbort(p *proc, dead bool) {
	s.late = append(s.late, p.drop(s.transactional, s.bug)...)
	switch {
	case p.spent && !s.v2 && !s.bug.deaf:
		p.machine.Next(Spent) // initializing the producer aborts
	case dead && p.began:
		p.machine.Next(Fenced)
	default:
		if s.transactional && p.began {
			s.end(p.id)
			s.bumped(p)
		}
		p.machine.Next(OK)
	}
}

// end is the end of a transaction at its coordinator: version 2 gives the next
// epoch.
func (s *sim) end(i int) {
	s.abortTxn(i)
	if s.v2 {
		s.txns[i].epoch++
	}
}

// bumped is the answer to the end of a transaction.
func (s *sim) bumped(p *proc) {
	p.began = false
	if s.v2 {
		p.renew(p.id, s.txns[p.id].epoch)
	}
}
