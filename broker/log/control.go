package log

// Configure changes the settings that a topic's configuration can change while
// the log is open: segment and index sizes, and retention. The rest of cfg is
// ignored.
func (l *Log) Configure(cfg Config) {
	cfg.setDefaults()
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	l.cfg.SegmentBytes, l.cfg.SegmentAge = cfg.SegmentBytes, cfg.SegmentAge
	l.cfg.IndexInterval, l.cfg.IndexBytes = cfg.IndexInterval, cfg.IndexBytes
	l.cfg.RetentionBytes, l.cfg.RetentionTime = cfg.RetentionBytes, cfg.RetentionTime
}

// Abandon closes the log's files as they are, the way a crash of the process
// would. The next Open recovers it.
func (l *Log) Abandon() {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if !l.closed {
		l.release()
	}
}
