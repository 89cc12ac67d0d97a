package testdriver

import "github.com/thalweg/thalweg/processor"

// recordLog keeps records in the order in which they were sent, in few large
// pieces of memory without pointers: a test may send millions, and the garbage
// collector need not look at any of them.
//
// Bytes once written stay where they are and are never changed, so whoever reads
// a record may keep them.
type recordLog struct {
	rows    [][]row
	n       int
	data    [][]byte
	headers map[int]processor.Headers // of the few rows that have any
}

// row is one record without its bytes.
type row struct {
	timestamp, offset int64
	topic, partition  int32
	piece, at         uint32 // of data, where the key and behind it the value lie
	key, value        int32  // their lengths; null for no bytes at all
}

const (
	null      = -1
	rowPiece  = 1 << 10 // rows
	dataPiece = 64 << 10
)

// add appends a record. Its offset is not known yet.
func (l *recordLog) add(topic, partition int32, key, value []byte, ts int64, h processor.Headers) {
	r := row{timestamp: ts, topic: topic, partition: partition, key: null, value: null}
	r.piece, r.at = l.room(len(key) + len(value))
	data := &l.data[r.piece]
	if key != nil {
		r.key = int32(len(key))
		*data = append(*data, key...)
	}
	if value != nil {
		r.value = int32(len(value))
		*data = append(*data, value...)
	}
	if l.n == len(l.rows)*rowPiece {
		l.rows = append(l.rows, make([]row, rowPiece))
	}
	if len(h) > 0 {
		if l.headers == nil {
			l.headers = map[int]processor.Headers{}
		}
		l.headers[l.n] = h
	}
	*l.row(l.n) = r
	l.n++
}

// room finds where n bytes fit.
func (l *recordLog) room(n int) (piece, at uint32) {
	last := len(l.data) - 1
	if last < 0 || n > cap(l.data[last])-len(l.data[last]) {
		l.data = append(l.data, make([]byte, 0, max(n, dataPiece)))
		last++
	}
	return uint32(last), uint32(len(l.data[last]))
}

func (l *recordLog) row(i int) *row { return &l.rows[i/rowPiece][i%rowPiece] }

// bytes returns key and value of a row, nil for null.
func (l *recordLog) bytes(r *row) (key, value []byte) {
	data, at := l.data[r.piece], int(r.at)
	if r.key != null {
		end := at + int(r.key)
		key, at = data[at:end:end], end
	}
	if r.value != null {
		end := at + int(r.value)
		value = data[at:end:end]
	}
	return key, value
}

// headersOf returns the headers of row i.
func (l *recordLog) headersOf(i int) processor.Headers {
	if len(l.headers) == 0 {
		return nil
	}
	return l.headers[i]
}

// cut forgets the rows from n on.
func (l *recordLog) cut(n int) {
	for i := n; i < l.n && len(l.headers) > 0; i++ {
		delete(l.headers, i)
	}
	l.n = n
}
