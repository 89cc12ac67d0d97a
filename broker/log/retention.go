package log

// EnforceRetention deletes the oldest segments as long as all their records
// are older than RetentionTime, or as the log without them is not smaller than
// RetentionBytes. Whole segments go, never one that reaches above the high
// watermark; when all have expired the active one is rolled first. It returns
// how many were deleted. Call it every few minutes for topics whose cleanup
// policy includes delete.
//
// A record from the future keeps its segment, and all behind it, until its
// time has come.
func (l *Log) EnforceRetention() (deleted int, err error) {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if err := l.usable(); err != nil {
		return 0, err
	}
	n, err := l.expired()
	if n == 0 || err != nil {
		return 0, err
	}
	if n == len(l.segments) {
		if err := l.roll(l.active().end); err != nil {
			return 0, err
		}
	}
	if err := l.advanceStart(l.segments[n].base); err != nil {
		return 0, err
	}
	return n, nil
}

// expired counts the segments that may go; writeMu is held.
func (l *Log) expired() (n int, err error) {
	now := l.cfg.Now().UnixMilli()
	var size int64
	for _, s := range l.segments {
		size += s.size
	}
	for _, s := range l.segments {
		if s.end > l.hw.Load() || s.size == 0 {
			break
		}
		tooMuch := l.cfg.RetentionBytes > 0 && size-s.size >= l.cfg.RetentionBytes
		tooOld := false
		if age := l.cfg.RetentionTime; age > 0 && !tooMuch {
			x, err := l.indexOf(s)
			if err != nil {
				return 0, err
			}
			newest := x.maxTS
			if newest < 0 {
				newest = s.created
			}
			tooOld = now-newest > age.Milliseconds()
		}
		if !tooMuch && !tooOld {
			break
		}
		size -= s.size
		n++
	}
	return n, nil
}
