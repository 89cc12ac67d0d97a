package testdriver

// Interleave has the tasks take turns at random, and commit at random moments
// between them, as the processes of a fleet do: what Queue has queued, and what one
// task sends to another, waits for an arbitrary time. Without it a record is
// processed to its end, through all tasks, before the next. With Partitions every
// sub-topology has tasks of its own; in one task for all, only the commits vary.
//
// It excludes ManualCommit and WithCrashes.
func Interleave(seed uint64) Option { return func(c *config) { c.turns = &seed } }

// interleave takes the place of run: in no order, until no task can go on and
// everything is committed.
func (d *Driver) interleave() error {
	for {
		u := d.pick()
		if u == nil {
			return nil
		}
		if !u.task.Buffered() || !u.task.Ready(d.now) || u.task.NeedsCommit() && d.turns.IntN(4) == 0 {
			if err := d.commit(u); err != nil {
				return err
			}
			continue
		}
		if err := u.step(); err != nil {
			return d.again(u, err)
		}
		// Records go on at once: a fleet's arrive with the commit or before it.
		if err := d.deliver(); err != nil {
			return err
		}
	}
}

// pick chooses one of the tasks that have something to do.
func (d *Driver) pick() *unit {
	var able []*unit
	for _, u := range d.tasks {
		if u.task.Buffered() && u.task.Ready(d.now) || u.task.NeedsCommit() {
			able = append(able, u)
		}
	}
	if len(able) == 0 {
		return nil
	}
	return able[d.turns.IntN(len(able))]
}
