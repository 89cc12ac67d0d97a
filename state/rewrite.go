package state

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/thalweg/thalweg/processor"
)

// rewriting keeps the changelog of a versioned store bounded. No broker compacts
// it, because compaction keeps one record of a key; so the store itself writes
// what it holds to the log again, some keys with each write, and when it is
// through, what lies before is needless.
//
// Such a pass does in the log what a snapshot does that is taken while writes go
// on. All versions of a key are written together, each with a header that tells
// its row, the first one that the rows before are void. A key's turn comes with
// the cursor, or before the first write to it since the pass began.
//
// Invariants:
//   - a pass begins with the first record of a transaction: the changelog up to
//     the committed position is before it, everything later is of it;
//   - a pass has all rows of a key before it has any other record of it, so that
//     a restore that begins where the pass began, with nothing, applies each write
//     to what it was applied to, and at the end of the pass has what the store had;
//   - each record of a pass has the store's time, and one is the first: a restore
//     refuses what the store has refused.
type rewriting struct {
	at     int64 // the committed position when the store was last written
	begun  int64 // the position at which the pass began; -1: there is none
	after  int64 // the length of the changelog from which on a pass begins
	step   int   // how many rows the cursor goes over at a time
	credit int   // keys that it may go over
	// histories says that the cursor has gone over the latest versions, in order
	// of keys, and is going over the keys that have a history only, in order
	// of length and key. cursor is the last key it was at, nil at the beginning.
	histories bool
	cursor    []byte
	// written are keys that were written before the cursor came to them. They may
	// be forgotten: to write a key twice does no harm.
	written map[string]bool
}

const (
	// rewriteAfter is from which length, in offsets, a changelog is rewritten
	// where RewriteAfter does not say.
	rewriteAfter = 10_000
	// rewriteKeys is by how many keys the cursor goes on for a write, and
	// rewriteStep how many rows it looks at in one scan.
	rewriteKeys, rewriteStep = 2, 64
	// rewriteNoted bounds the keys remembered as written.
	rewriteNoted = 1 << 16
)

// RewriteAfter has a versioned store write its versions to its changelog again
// when that is n offsets long, and later when it has doubled since, so that what
// lies before is deleted. Default 10,000.
func RewriteAfter(n int) Option { return func(s *Spec) { s.RewriteAfter = n } }

// rewriteHeader names the header of a version that is written again:
//
//	flags | int64 observed | int64 validTo
const (
	rewriteHeader     = "thalweg-rewritten"
	rewriteHeaderSize = 1 + 8 + 8
)

const (
	rewriteFirst   = 1 << iota // the key's rows before are void
	rewriteLatest              // a row of the first kind
	rewriteNothing             // no version: the key has none
)

func newRewriting(spec Spec) rewriting {
	r := rewriting{at: -2, begun: -1, after: rewriteAfter}
	if spec.RewriteAfter > 0 {
		r.after = int64(spec.RewriteAfter)
	}
	r.step = int(min(rewriteStep, max(rewriteKeys, r.after/8)))
	return r
}

// rewrite is called before each write of the current key that is logged.
func (s *VersionedStore[K, V]) rewrite() error {
	r, pos := &s.rewriting, &s.p.pos
	pos.need(0)
	first := pos.Offset != r.at
	r.at = pos.Offset
	if first && r.begun < 0 && pos.Offset-pos.Needed() >= r.after {
		r.begun, r.histories, r.cursor, r.credit = pos.Offset, false, nil, 0
		r.written = map[string]bool{}
	}
	if r.begun < 0 {
		return nil
	}
	if done, err := s.isRewritten(); err != nil {
		return err
	} else if !done {
		if len(r.written) >= rewriteNoted {
			clear(r.written)
		}
		r.written[string(s.key)] = true
		if err := s.rewriteKey(); err != nil {
			return err
		}
	}
	if r.credit += rewriteKeys; r.credit < r.step {
		return nil
	}
	r.credit = 0
	key := bytes.Clone(s.key)
	through, err := s.rewriteOn()
	s.key = append(s.key[:0], key...)
	if err == nil && through {
		pos.Needs[0] = r.begun
		// What a pass over everything has made of the log may double.
		r.after = max(r.after, 2*(pos.Offset-r.begun))
		*r = rewriting{at: r.at, begun: -1, after: r.after, step: r.step}
	}
	return err
}

// isRewritten reports whether the pass has written the current key: it did if it
// is behind the cursor. A key without a latest version that the cursor has not
// gone over for its history may have been, which is not known.
func (s *VersionedStore[K, V]) isRewritten() (bool, error) {
	r := &s.rewriting
	if r.written[string(s.key)] {
		return true, nil
	}
	if !r.histories && (r.cursor == nil || bytes.Compare(s.key, r.cursor) > 0) {
		return false, nil
	}
	_, latest, err := s.latest()
	if latest || err != nil || !r.histories || r.cursor == nil {
		return latest, err
	}
	return len(s.key) < len(r.cursor) || len(s.key) == len(r.cursor) && bytes.Compare(s.key, r.cursor) <= 0, nil
}

// rewriteOn moves the cursor on and reports whether the pass is through.
func (s *VersionedStore[K, V]) rewriteOn() (through bool, err error) {
	r := &s.rewriting
	keys, more, err := s.keysAfter()
	if err != nil {
		return false, err
	}
	for _, key := range keys {
		s.key = append(s.key[:0], key...)
		r.cursor = key
		if r.written[string(key)] {
			continue
		}
		if r.histories {
			if _, latest, err := s.latest(); err != nil {
				return false, err
			} else if latest {
				continue // it was written with that, or before it was put
			}
		}
		if err := s.rewriteKey(); err != nil {
			return false, err
		}
	}
	if !more && !r.histories {
		r.histories, r.cursor = true, nil
		return false, nil
	}
	return !more, nil
}

// keysAfter returns the next keys behind the cursor, and whether there may be
// more.
func (s *VersionedStore[K, V]) keysAfter() (keys [][]byte, more bool, err error) {
	r := &s.rewriting
	kind := byte(latestRows)
	if r.histories {
		kind = historyRows
	}
	lo, hi := []byte{kind}, []byte{kind + 1}
	switch {
	case r.cursor == nil:
	case r.histories:
		s.key = append(s.key[:0], r.cursor...)
		lo = append(s.historyRow(nil, noEnd), 0)
	default:
		lo = append(append(lo, r.cursor...), 0)
	}
	it := s.p.Scan(lo, hi, false)
	for n := 0; it.Next(); n++ {
		if n == r.step {
			more = true
			break
		}
		key := it.Key()[1:]
		if r.histories {
			if len(key) < 4+8 {
				err = s.fail("read", ErrCorrupt)
				break
			}
			key = key[4 : len(key)-8]
			if len(keys) > 0 && bytes.Equal(key, keys[len(keys)-1]) {
				continue
			}
		}
		keys = append(keys, bytes.Clone(key))
	}
	if cerr := it.Close(); err == nil {
		err = cerr
	}
	return keys, more, err
}

// rewriteKey logs the rows of the current key, without those that have expired
// and wait for a sweep.
func (s *VersionedStore[K, V]) rewriteKey() error {
	some := false
	put := func(flags byte, at version) error {
		some = true
		h := append(make([]byte, 0, rewriteHeaderSize), flags)
		h = binary.BigEndian.AppendUint64(h, uint64(s.p.pos.Observed))
		h = binary.BigEndian.AppendUint64(h, uint64(at.validTo))
		var value []byte
		if at.present {
			value = notNil(at.value)
		}
		return s.env.Log(notNil(s.key), value, max(at.ts, 0), processor.Headers{{Key: rewriteHeader, Value: h}})
	}
	at, ok, err := s.oldest()
	for ; ok && err == nil; at, ok, err = s.after(at.ts) {
		if at.validTo < s.horizon() {
			continue
		}
		if err := put(0, at); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	at, ok, err = s.latest()
	switch {
	case err != nil:
		return err
	case ok:
		return put(rewriteLatest, at)
	case !some:
		return put(rewriteNothing, version{ts: s.p.pos.Observed})
	}
	return nil
}

// restoreRewritten applies a record of the current key that a pass has logged.
func (s *VersionedStore[K, V]) restoreRewritten(h []byte, at version) error {
	if len(h) != rewriteHeaderSize {
		return s.fail("restore", fmt.Errorf("%w: header %s of %d bytes", ErrCorrupt, rewriteHeader, len(h)))
	}
	flags := h[0]
	at.validTo = int64(binary.BigEndian.Uint64(h[9:]))
	s.p.pos.Observed = max(s.p.pos.Observed, int64(binary.BigEndian.Uint64(h[1:])))
	if err := s.sweep(); err != nil {
		return err
	}
	switch {
	case flags&rewriteNothing != 0:
		return nil
	case flags&rewriteLatest != 0:
		return s.putLatest(at)
	}
	return s.putHistory(at)
}

// oldest finds the oldest version in the history.
func (s *VersionedStore[K, V]) oldest() (version, bool, error) {
	s.row = s.historyRow(s.row[:0], 0)
	s.row2 = append(s.historyRow(s.row2[:0], noEnd), 0)
	return s.first(s.row, s.row2, false)
}
