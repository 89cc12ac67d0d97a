package log

// Configure changes the settings that a topic's configuration can change while
// the log is open: segment size and age, and retention. The rest of cfg is
// ignored; the index interval takes effect with the next Open.
func (l *Log) Configure(cfg Config) {
	cfg.setDefaults()
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	l.cfg.SegmentBytes, l.cfg.SegmentAge = cfg.SegmentBytes, cfg.SegmentAge
	l.cfg.IndexBytes = cfg.IndexBytes
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

// InTxn reports whether the producer has an open transaction here of that very
// epoch. An open one of an earlier epoch is a transaction that was ended and
// whose marker is on its way: it says nothing about the next one.
func (l *Log) InTxn(producerID int64, epoch int16) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	p := l.prod.byID[producerID]
	return p != nil && p.txnFirst >= 0 && p.epoch == epoch
}
