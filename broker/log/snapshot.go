package log

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/thalweg/thalweg/broker/log/vfs"
)

// A .snapshot file is the producer state at the offset that names it, in
// Kafka's format version 1: version i16, CRC-32C of the rest, then an array of
// producers. Of each producer's window only the last batch is kept. The time of
// a producer is when it was heard of, where Kafka has the event time of its last
// batch; both compare it with their clock.
const (
	snapshotVersion   = 1
	snapshotHeaderLen = 2 + 4 + 4
	snapshotEntryLen  = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8
)

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func (s *producers) encode() []byte {
	be := binary.BigEndian
	b := make([]byte, snapshotHeaderLen, snapshotHeaderLen+len(s.byID)*snapshotEntryLen)
	be.PutUint16(b, snapshotVersion)
	be.PutUint32(b[6:], uint32(len(s.byID)))
	ids := make([]int64, 0, len(s.byID))
	for id := range s.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		p := s.byID[id]
		last := seqRange{lastSeq: -1, lastOffset: -1}
		if p.n > 0 {
			last = p.batches[p.n-1]
		}
		b = be.AppendUint64(b, uint64(p.id))
		b = be.AppendUint16(b, uint16(p.epoch))
		b = be.AppendUint32(b, uint32(last.lastSeq))
		b = be.AppendUint64(b, uint64(last.lastOffset))
		b = be.AppendUint32(b, uint32(last.offsetDelta))
		b = be.AppendUint64(b, uint64(p.heard))
		b = be.AppendUint32(b, uint32(p.coordinatorEpoch))
		b = be.AppendUint64(b, uint64(p.txnFirst))
	}
	be.PutUint32(b[2:], castagnoli(b[6:]))
	return b
}

// decodeProducers reads a snapshot. Transactions that were open at its offset
// are open again; ended ones are below it and need nothing.
func decodeProducers(b []byte) (*producers, error) {
	be := binary.BigEndian
	if len(b) < snapshotHeaderLen {
		return nil, fmt.Errorf("%d bytes are no snapshot", len(b))
	}
	if v := be.Uint16(b); v != snapshotVersion {
		return nil, fmt.Errorf("unknown version %d", v)
	}
	if got, want := castagnoli(b[6:]), be.Uint32(b[2:]); got != want {
		return nil, fmt.Errorf("checksum is %08x, header says %08x", got, want)
	}
	n := int64(be.Uint32(b[6:]))
	b = b[snapshotHeaderLen:]
	if int64(len(b)) != n*snapshotEntryLen {
		return nil, fmt.Errorf("%d bytes for %d producers", len(b), n)
	}
	s := newProducers()
	for ; len(b) > 0; b = b[snapshotEntryLen:] {
		p := &producer{
			id:               int64(be.Uint64(b)),
			epoch:            int16(be.Uint16(b[8:])),
			heard:            int64(be.Uint64(b[26:])),
			coordinatorEpoch: int32(be.Uint32(b[34:])),
			txnFirst:         int64(be.Uint64(b[38:])),
		}
		last := seqRange{
			lastSeq: int32(be.Uint32(b[10:])), lastOffset: int64(be.Uint64(b[14:])), offsetDelta: int32(be.Uint32(b[22:])),
			timestamp: p.heard,
		}
		if p.id < 0 || s.byID[p.id] != nil || p.txnFirst < -1 || last.offsetDelta < 0 || last.lastOffset == math.MaxInt64 {
			return nil, fmt.Errorf("malformed producer %d", p.id)
		}
		if last.lastOffset >= 0 {
			p.addBatch(last)
		}
		if p.txnFirst >= 0 {
			s.open = append(s.open, openTxn{p.txnFirst, p.id})
		}
		s.byID[p.id] = p
	}
	slices.SortFunc(s.open, func(a, b openTxn) int { return cmp.Compare(a.first, b.first) })
	return s, nil
}

// snapshotOffsets lists the snapshots in the directory, newest first.
func (l *Log) snapshotOffsets() ([]int64, error) {
	names, err := l.cfg.FS.List(l.dir)
	if err != nil {
		return nil, storage("list log directory", err)
	}
	var out []int64
	for _, name := range names {
		if off, suffix, ok := parseFileName(name); ok && suffix == snapshotSuffix {
			out = append(out, off)
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out, nil
}

// removeSnapshots deletes those at or above from.
func (l *Log) removeSnapshots(from int64) error {
	offsets, err := l.snapshotOffsets()
	if err != nil {
		return err
	}
	for _, off := range offsets {
		if off < from {
			break
		}
		if err := removeFile(l.cfg.FS, l.path(fileName(off, snapshotSuffix))); err != nil {
			return err
		}
	}
	return nil
}

// producersAt rebuilds the producer state at offset to: from the newest intact
// snapshot and the batches behind it.
//
// The snapshot must not be above the high watermark hw: a snapshot does not
// hold transactions that have ended but whose markers are not replicated, and
// without them the last stable offset would be too high.
func (l *Log) producersAt(to, hw int64) (*producers, error) {
	l.mu.RLock()
	list := l.segments
	l.mu.RUnlock()
	from := list[0].base
	now := l.cfg.Now().UnixMilli()
	state := newProducers()
	offsets, err := l.snapshotOffsets()
	if err != nil {
		return nil, err
	}
	for _, off := range offsets {
		if off < from || off > to || off > max(hw, from) {
			continue
		}
		name := l.path(fileName(off, snapshotSuffix))
		b, err := vfs.ReadFile(l.cfg.FS, name, 1<<30)
		if err != nil {
			return nil, storage("read snapshot", err)
		}
		s, err := decodeProducers(b)
		if err == nil {
			s.heardBy(now)
			state, from = s, off
			break
		}
		l.cfg.Logger.Warn("log: snapshot is damaged, using an older one", "file", name, "err", err)
	}
	return state, l.replay(list, state, from, to, now)
}

// heardBy corrects the time of producers that a clock ahead of now has noted.
func (s *producers) heardBy(now int64) {
	for _, p := range s.byID {
		p.heard = min(p.heard, now)
	}
}

// replay applies the batches in [from, to) to the state, as if they arrived at
// a time.
func (l *Log) replay(list []*segment, state *producers, from, to, at int64) error {
	for i, s := range list {
		if s.base >= to {
			break
		}
		if from >= to || (i+1 < len(list) && list[i+1].base <= from) {
			continue
		}
		c := s.scan(0, s.size)
		for {
			v, pos, err := c.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if v.BaseOffset() >= to {
				return nil
			}
			if v.BaseOffset() < from {
				continue
			}
			if _, _, err := state.apply(v, at); err != nil {
				return s.corrupt(pos, err)
			}
		}
	}
	return nil
}
