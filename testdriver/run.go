package testdriver

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/processor"
)

// keeps reports whether records must be found again: to restore stores and to
// process again what was not committed.
func (d *Driver) keeps() bool { return d.cfg.crashSeed != nil || d.cfg.onFailure != nil }

// send appends a record of the test to its topic.
func (d *Driver) send(r *processor.RawRecord) error {
	t := d.topic(r.Topic)
	if len(t.readers) == 0 {
		return fmt.Errorf("topic %q is not a source of the topology", r.Topic)
	}
	if r.Partition < 0 {
		r.Partition = t.partition(r.Key)
	} else if int(r.Partition) >= len(t.next) {
		return fmt.Errorf("topic %q has no partition %d", r.Topic, r.Partition)
	} else if r.Key != nil && r.Partition != t.partition(r.Key) {
		t.placed = true
	}
	r.Offset = t.append(r.Partition)
	if d.keeps() {
		r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
		t.records[r.Partition] = append(t.records[r.Partition], *r)
	}
	return d.hand(t, r, d.keeps())
}

// hand gives a record to the tasks that read it; kept tells that its bytes stay.
// A global store has it at once.
func (d *Driver) hand(t *topicLog, r *processor.RawRecord, kept bool) error {
	for _, u := range t.readers {
		if u == d.global {
			if err := d.applyGlobal(t, d.batch(r, kept)); err != nil {
				return err
			}
		} else if u.partition == r.Partition {
			if err := u.task.Enqueue(t.name, d.batch(r, kept), d.now); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Driver) applyGlobal(t *topicLog, b task.Batch) error {
	g := d.global
	if err := g.task.Enqueue(t.name, b, d.now); err != nil {
		return err
	}
	for {
		if more, err := g.task.Process(d.now); err != nil {
			return err
		} else if !more {
			break
		}
	}
	if err := g.flush(); err != nil {
		return err
	}
	return g.done()
}

// run processes records until no task can go on.
func (d *Driver) run() error {
	if d.turns != nil {
		return d.interleave()
	}
	for progress := true; progress; {
		progress = false
		for _, u := range d.tasks {
			switch {
			case u.task.Buffered() && u.task.Ready(d.now):
				progress = true
				if err := d.step(u); err != nil {
					return err
				}
			case !u.task.Buffered() && u.task.NeedsCommit():
				// Records were skipped before they became anything to process.
				if d.cfg.manual {
					break
				}
				progress = true
				if err := d.commit(u); err != nil {
					return err
				}
			}
		}
	}
	if d.cfg.manual && d.random == nil {
		return d.deliver()
	}
	return nil
}

// step takes one record through a task: process, punctuate, commit, deliver.
func (d *Driver) step(u *unit) error {
	if err := u.step(); err != nil {
		return d.again(u, err)
	}
	u.retries = 0
	if d.strikes() {
		return d.crash(u)
	}
	if d.cfg.manual {
		if d.random != nil {
			return nil // delivered by the commit, as in a transaction
		}
		return d.deliver()
	}
	if err := d.commit(u); err != nil {
		return err
	}
	if d.strikes() {
		return d.crash(u)
	}
	return nil
}

// again handles a failure of a step, which may ask for another try.
func (d *Driver) again(u *unit, err error) error {
	if retry := (*processor.RetryError)(nil); !errors.As(err, &retry) {
		return err
	}
	if d.cfg.manual && d.random == nil {
		return fmt.Errorf("with ManualCommit nothing can be tried again: %w", err)
	}
	if u.retries++; u.retries > maxRetries {
		return err
	}
	return d.crash(u)
}

func (d *Driver) commit(u *unit) error {
	if err := u.flush(); err != nil {
		return err
	}
	if d.strikes() {
		return d.crash(u)
	}
	return d.finish(u)
}

// maxRetries bounds how often a failure handler may choose Retry for a record
// that fails each time.
const maxRetries = 10

func (u *unit) step() error {
	now := u.d.now
	if _, err := u.task.Process(now); err != nil {
		return err
	}
	_, err := u.task.Punctuate(processor.StreamTime, now)
	return err
}

// finish makes a commit final and delivers what was sent in it.
func (d *Driver) finish(units ...*unit) error {
	for ; d.placed < d.log.n; d.placed++ {
		d.place(d.placed)
	}
	for _, u := range units {
		if err := u.done(); err != nil {
			return err
		}
	}
	return d.deliver()
}

// deliver makes staged records visible, in the order in which they were sent,
// and hands them to the tasks that read them.
func (d *Driver) deliver() error {
	for d.delivered < d.log.n {
		i := d.delivered
		if i == d.placed {
			d.place(i)
			d.placed++
		}
		d.delivered++
		t := d.topics[d.log.row(i).topic]
		t.rows = append(t.rows, int32(i))
		if len(t.readers) > 0 {
			r := d.raw(i)
			if err := d.hand(t, &r, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// unstage forgets what was sent and not delivered.
func (d *Driver) unstage() {
	d.log.cut(d.delivered)
	d.placed = d.delivered
}

// commitAll commits every task. In one task for each sub-topology the order is
// that of the sub-topologies.
func (d *Driver) commitAll() error {
	for _, u := range d.tasks {
		if err := u.flush(); err != nil {
			return err
		}
	}
	return d.finish(d.tasks...)
}

func (d *Driver) advance() error {
	for _, u := range d.tasks {
		if _, err := u.task.Punctuate(processor.WallClock, d.now); err != nil {
			return err
		}
	}
	return d.settle()
}

// closeWindows moves event time task by task, so that what one of them emits is
// in time for the next.
func (d *Driver) closeWindows(until int64) error {
	for _, u := range d.tasks {
		if err := u.task.AdvanceTime(until, d.now); err != nil {
			return err
		}
		if err := d.settle(); err != nil {
			return err
		}
	}
	return nil
}

// settle commits and delivers what came of something other than a record.
func (d *Driver) settle() error {
	var err error
	if d.cfg.manual {
		if d.random == nil {
			err = d.deliver()
		}
	} else {
		err = d.commitAll()
	}
	if err != nil {
		return err
	}
	return d.run()
}

// strikes decides whether a task is stopped now.
func (d *Driver) strikes() bool { return d.random != nil && d.random.IntN(12) == 0 }

// crash stops u and starts it again. Without a commit after each record all
// tasks share a transaction, and go down together.
func (d *Driver) crash(u *unit) error {
	d.crashes++
	hit := []*unit{u}
	if d.cfg.manual {
		hit = d.tasks
	}
	d.unstage()
	for _, u := range hit {
		stores := u.task.Stores()
		if err := u.stop(); err != nil {
			return err
		}
		if d.random == nil || d.random.IntN(3) > 0 {
			continue
		}
		for _, s := range stores {
			if s.Changelog == "" {
				continue // nothing to restore it from
			}
			if err := d.db.Drop(s.Declared.Name, u.partition); err != nil {
				return err
			}
		}
	}
	for _, u := range hit {
		if err := u.start(); err != nil {
			return err
		}
	}
	return nil
}
