package log

import (
	"encoding/binary"
	"fmt"
)

// abortedEntryLen is the size of a .txnindex entry: version i16, producer id,
// first offset, offset of the ABORT marker and the last stable offset after
// it, all i64.
const abortedEntryLen = 34

// AbortedTxn is an aborted transaction in this partition, as a Fetch response
// lists it.
type AbortedTxn struct {
	ProducerID  int64
	FirstOffset int64
}

// abortedEntry also knows where the transaction ended.
type abortedEntry struct {
	AbortedTxn
	lastOffset int64 // of the marker
	lastStable int64 // once the marker is replicated
}

func encodeAborted(entries []abortedEntry) []byte {
	b := make([]byte, 0, len(entries)*abortedEntryLen)
	for _, e := range entries {
		b = binary.BigEndian.AppendUint16(b, 0)
		b = binary.BigEndian.AppendUint64(b, uint64(e.ProducerID))
		b = binary.BigEndian.AppendUint64(b, uint64(e.FirstOffset))
		b = binary.BigEndian.AppendUint64(b, uint64(e.lastOffset))
		b = binary.BigEndian.AppendUint64(b, uint64(e.lastStable))
	}
	return b
}

func decodeAborted(b []byte) ([]abortedEntry, error) {
	if len(b)%abortedEntryLen != 0 {
		return nil, fmt.Errorf("length %d is no multiple of %d", len(b), abortedEntryLen)
	}
	var out []abortedEntry
	for ; len(b) > 0; b = b[abortedEntryLen:] {
		if v := binary.BigEndian.Uint16(b); v != 0 {
			return nil, fmt.Errorf("unknown version %d", v)
		}
		e := abortedEntry{
			AbortedTxn: AbortedTxn{
				ProducerID:  int64(binary.BigEndian.Uint64(b[2:])),
				FirstOffset: int64(binary.BigEndian.Uint64(b[10:])),
			},
			lastOffset: int64(binary.BigEndian.Uint64(b[18:])),
			lastStable: int64(binary.BigEndian.Uint64(b[26:])),
		}
		n := len(out)
		if e.ProducerID < 0 || e.FirstOffset < 0 || e.lastOffset < e.FirstOffset || e.lastStable < 0 ||
			(n > 0 && e.lastOffset <= out[n-1].lastOffset) {
			return nil, errIndex
		}
		out = append(out, e)
	}
	return out, nil
}
