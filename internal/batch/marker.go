package batch

import "encoding/binary"

// Types of control records, the second field of their key.
const (
	controlAbort  int16 = 0
	controlCommit int16 = 1
)

const (
	markerKeyLen   = 4 // version i16, type i16
	markerValueLen = 6 // version i16, coordinator epoch i32
	markerLen      = HeaderLen + 1 + 1 + 1 + 1 + 1 + markerKeyLen + 1 + markerValueLen + 1
)

// Marker is the end of a transaction in one partition.
type Marker struct {
	Commit           bool
	CoordinatorEpoch int32
}

// AppendMarker appends a batch that ends a producer's transaction: one control
// record, COMMIT or ABORT, stamped ts in milliseconds.
func AppendMarker(dst []byte, pid int64, epoch int16, commit bool, coordinatorEpoch int32, ts int64) []byte {
	at := len(dst)
	dst = grow(dst, HeaderLen)
	kind := controlAbort
	if commit {
		kind = controlCommit
	}
	dst = appendVarint(dst, markerLen-HeaderLen-1)
	dst = append(dst, 0, 0, 0) // attributes, timestamp delta, offset delta
	dst = appendVarint(dst, markerKeyLen)
	dst = binary.BigEndian.AppendUint16(dst, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(kind))
	dst = appendVarint(dst, markerValueLen)
	dst = binary.BigEndian.AppendUint16(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(coordinatorEpoch))
	dst = append(dst, 0) // no headers
	View(dst[at:]).putHeader(
		&Options{LeaderEpoch: -1, ProducerID: pid, ProducerEpoch: epoch, BaseSequence: NoSequence},
		header{attributes: attrControl | attrTransactional, baseTime: ts, maxTime: ts, count: 1},
	)
	return dst
}

// Marker decodes a control batch that ends a transaction. ok is false for any
// other batch, including control batches of other kinds. A marker that
// compaction emptied is not one any more.
func (v View) Marker() (m Marker, ok bool, err error) {
	if !v.IsControl() || v.Count() == 0 {
		return Marker{}, false, nil
	}
	it, err := v.Records(nil)
	if err != nil {
		return Marker{}, false, err
	}
	var r Record
	if !it.Next(&r) {
		return Marker{}, false, it.Err()
	}
	if len(r.Key) < markerKeyLen {
		return Marker{}, false, corrupt("control record key has %d bytes", len(r.Key))
	}
	kind := int16(binary.BigEndian.Uint16(r.Key[2:]))
	if kind != controlAbort && kind != controlCommit {
		return Marker{}, false, nil
	}
	if len(r.Value) < markerValueLen {
		return Marker{}, false, corrupt("transaction marker value has %d bytes", len(r.Value))
	}
	return Marker{Commit: kind == controlCommit, CoordinatorEpoch: int32(binary.BigEndian.Uint32(r.Value[2:]))}, true, nil
}
