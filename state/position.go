package state

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// NoTime is the observed time of a store that has seen no record.
const NoTime int64 = -1

// A Position says which records of its changelog a store-partition holds, and
// what else its stores must remember over a restart. It is written in the same
// batch as the data it describes.
//
// An offset alone does not identify a place: the topic may have been deleted
// and created again, or have lost its tail and grown another one. The topic id
// and the leader epoch tell.
type Position struct {
	// TopicID is the id of the changelog topic; zero when not known.
	TopicID [16]byte
	// Offset is the offset after the last record applied: where a restore goes
	// on. -1 when no record of a changelog has been applied.
	Offset int64
	// LeaderEpoch is the leader epoch of the record before Offset; -1 when not
	// known.
	LeaderEpoch int32
	// Observed is the stream time the store has seen, by which its windows
	// expire, in Unix milliseconds; NoTime before the first record. The stores
	// keep it themselves.
	Observed int64
	// Sequence is the last number a store that keeps duplicates has given out.
	// The stores keep it themselves.
	Sequence int32
	// Needs says where in the changelog the parts of the store begin. The stores
	// keep it themselves.
	Needs Needs
}

// Needs has for each part of a store whose rows go together, such as a segment
// of time, an offset at or below that of the first changelog record of a row
// there, or -1 where there is none. A store of which nothing ever goes, but by
// compaction, has no parts.
type Needs [4]int64

var noNeeds = Needs{-1, -1, -1, -1}

// Needed is the offset below which the changelog has nothing that a restore of
// the store needs: its records are of rows that have expired, or are in the log
// again. 0 says that nothing can be told.
func (p Position) Needed() int64 {
	least := int64(-1)
	for _, n := range p.Needs {
		if n >= 0 && (least < 0 || n < least) {
			least = n
		}
	}
	return max(least, 0)
}

// need notes that a part has rows with changelog records from now on.
func (p *Position) need(part int64) {
	if n := &p.Needs[part%int64(len(p.Needs))]; *n < 0 {
		*n = max(p.Offset, 0)
	}
}

// free notes that the rows of a part are gone.
func (p *Position) free(part int64) { p.Needs[part%int64(len(p.Needs))] = -1 }

// startPosition is that of a store-partition that holds nothing.
var startPosition = Position{Offset: -1, LeaderEpoch: -1, Observed: NoTime, Needs: noNeeds}

const (
	positionVersion = 2
	positionSize    = positionSize1 + 4*8
	positionSize1   = 1 + 16 + 8 + 4 + 8 + 4 // of version 1, without needs
)

// version | topic id | int64 offset | int32 epoch | int64 observed | int32 sequence | 4 int64 needs
func (p Position) append(dst []byte) []byte {
	dst = append(dst, positionVersion)
	dst = append(dst, p.TopicID[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Offset))
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.LeaderEpoch))
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Observed))
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.Sequence))
	for _, n := range p.Needs {
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	return dst
}

// ErrCorrupt is wrapped by errors about rows that state itself wrote and cannot
// read back.
var ErrCorrupt = errors.New("state: corrupt row")

func parsePosition(src []byte) (p Position, err error) {
	switch {
	case len(src) == positionSize && src[0] == positionVersion:
		for i := range p.Needs {
			p.Needs[i] = int64(binary.BigEndian.Uint64(src[positionSize1+8*i:]))
		}
	case len(src) == positionSize1 && src[0] == 1:
		// What the parts need is not known: the whole log.
	default:
		return p, fmt.Errorf("%w: position of %d bytes", ErrCorrupt, len(src))
	}
	copy(p.TopicID[:], src[1:])
	p.Offset = int64(binary.BigEndian.Uint64(src[17:]))
	p.LeaderEpoch = int32(binary.BigEndian.Uint32(src[25:]))
	p.Observed = int64(binary.BigEndian.Uint64(src[29:]))
	p.Sequence = int32(binary.BigEndian.Uint32(src[37:]))
	return p, nil
}
