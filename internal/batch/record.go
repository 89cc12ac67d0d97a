package batch

// Record is one record of a batch. Key, Value and Headers alias the batch's
// bytes, or the [Decompressor]'s buffer, and live as long as those.
type Record struct {
	Offset    int64
	Timestamp int64  // milliseconds since the epoch
	Key       []byte // nil means null, empty means empty
	Value     []byte // nil means null: a tombstone in a compacted topic
	Headers   Headers
}

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte // nil means null
}

// Headers are a record's headers, still encoded. The zero value has none.
// An [Iter] has checked them, so walking them cannot fail.
type Headers struct {
	n   int
	raw []byte
}

// Len is the number of headers.
func (h Headers) Len() int { return h.n }

// Raw is the encoded headers without their count.
func (h Headers) Raw() []byte { return h.raw }

// Next takes the first header off h. The slices alias the batch.
func (h *Headers) Next() (key, value []byte, ok bool) {
	if h.n == 0 {
		return nil, nil, false
	}
	key, rest, ok := takeBytes(h.raw)
	if !ok {
		return nil, nil, false
	}
	value, rest, ok = takeBytes(rest)
	if !ok {
		return nil, nil, false
	}
	h.n--
	h.raw = rest
	return key, value, true
}

// takeBytes cuts a length-prefixed slice off b; length −1 is nil.
func takeBytes(b []byte) (p, rest []byte, ok bool) {
	l, n := varint(b)
	if n == 0 || l < -1 || int(l) > len(b)-n {
		return nil, b, false
	}
	b = b[n:]
	if l < 0 {
		return nil, b, true
	}
	return b[:l:l], b[l:], true
}

// Iter walks the records of one batch in offset order without allocating.
type Iter struct {
	body       []byte // what is left
	base       int64
	baseTime   int64
	appendTime int64 // of all records, when stamped is set
	stamped    bool
	left       int32
	prevDelta  int32
	lastDelta  int32
	err        error
}

// Records starts a walk over the batch's records. d is used when the batch is
// compressed and may be nil when it is not; the records then alias d's buffer
// and are valid until d is used again.
func (v View) Records(d *Decompressor) (Iter, error) {
	body := v.Body()
	if c := v.Codec(); c != None {
		if d == nil {
			return Iter{}, invalid(-1, "%v batch read without a decompressor", c)
		}
		var err error
		if body, err = d.Decompress(c, body); err != nil {
			return Iter{}, err
		}
	}
	return Iter{
		body:       body,
		base:       v.BaseOffset(),
		baseTime:   v.BaseTimestamp(),
		appendTime: v.MaxTimestamp(),
		stamped:    v.IsLogAppendTime(),
		left:       v.Count(),
		prevDelta:  -1,
		lastDelta:  v.LastOffsetDelta(),
	}, nil
}

// Next decodes the next record into r and reports whether there was one.
// After it returned false, [Iter.Err] says whether the batch was intact.
func (it *Iter) Next(r *Record) bool {
	if it.left <= 0 || it.err != nil {
		if it.err == nil && len(it.body) > 0 {
			it.err = corrupt("%d bytes follow the last record", len(it.body))
		}
		return false
	}
	length, n := varint(it.body)
	if n == 0 || length < 0 || int(length) > len(it.body)-n {
		return it.fail("length")
	}
	rec := it.body[n : n+int(length)]
	it.body = it.body[n+int(length):]
	if len(rec) == 0 {
		return it.fail("attributes")
	}
	rec = rec[1:]
	ts, n := varlong(rec)
	if n == 0 {
		return it.fail("timestamp")
	}
	rec = rec[n:]
	delta, n := varint(rec)
	if n == 0 || delta <= it.prevDelta || delta > it.lastDelta {
		return it.fail("offset")
	}
	rec = rec[n:]
	var ok bool
	if r.Key, rec, ok = takeBytes(rec); !ok {
		return it.fail("key")
	}
	if r.Value, rec, ok = takeBytes(rec); !ok {
		return it.fail("value")
	}
	headers, n := varint(rec)
	if n == 0 || headers < 0 {
		return it.fail("header count")
	}
	rec = rec[n:]
	if !validHeaders(rec, headers) {
		return it.fail("headers")
	}
	r.Headers = Headers{n: int(headers), raw: rec}
	r.Offset = it.base + int64(delta)
	r.Timestamp = it.baseTime + ts
	if it.stamped {
		r.Timestamp = it.appendTime
	}
	it.prevDelta = delta
	it.left--
	return true
}

// validHeaders reports that b is exactly n headers with non-null keys.
func validHeaders(b []byte, n int32) bool {
	for ; n > 0; n-- {
		key, rest, ok := takeBytes(b)
		if !ok || key == nil {
			return false
		}
		if _, b, ok = takeBytes(rest); !ok {
			return false
		}
	}
	return len(b) == 0
}

func (it *Iter) fail(field string) bool {
	it.err = corrupt("record after offset %d has a bad %s", it.base+int64(it.prevDelta), field)
	return false
}

// Err is the reason why the walk ended before the last record, or nil.
func (it *Iter) Err() error { return it.err }
