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
}

// startPosition is that of a store-partition that holds nothing.
var startPosition = Position{Offset: -1, LeaderEpoch: -1, Observed: NoTime}

const (
	positionVersion = 1
	positionSize    = 1 + 16 + 8 + 4 + 8 + 4
)

// version | topic id | int64 offset | int32 epoch | int64 observed | int32 sequence
func (p Position) append(dst []byte) []byte {
	dst = append(dst, positionVersion)
	dst = append(dst, p.TopicID[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Offset))
	dst = binary.BigEndian.AppendUint32(dst, uint32(p.LeaderEpoch))
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Observed))
	return binary.BigEndian.AppendUint32(dst, uint32(p.Sequence))
}

// ErrCorrupt is wrapped by errors about rows that state itself wrote and cannot
// read back.
var ErrCorrupt = errors.New("state: corrupt row")

func parsePosition(src []byte) (p Position, err error) {
	if len(src) != positionSize || src[0] != positionVersion {
		return p, fmt.Errorf("%w: position of %d bytes", ErrCorrupt, len(src))
	}
	copy(p.TopicID[:], src[1:])
	p.Offset = int64(binary.BigEndian.Uint64(src[17:]))
	p.LeaderEpoch = int32(binary.BigEndian.Uint32(src[25:]))
	p.Observed = int64(binary.BigEndian.Uint64(src[29:]))
	p.Sequence = int32(binary.BigEndian.Uint32(src[37:]))
	return p, nil
}
