package runtime

import (
	"github.com/thalweg/thalweg/internal/batch"
	"github.com/thalweg/thalweg/internal/task"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/runtime/internal/fetch"
)

// input is one partition a running task reads.
type input struct {
	topic    string
	cursor   *fetch.Cursor
	reader   reader
	chunks   []fetch.Chunk // scratch of take
	caughtUp bool          // everything up to the end was handed to the task
	end      int64         // the high watermark, as far as it is known
	begin    int64         // the first offset that is read; -1 until known
}

// reader is what the chunks of one partition share: they are read one after the
// other, so one decompressor serves all of them.
type reader struct {
	decompressor batch.Decompressor
	headers      map[string]string // keys of headers seen
	free         []*chunk
}

// maxHeaderKeys bounds the header keys kept to be shared.
const maxHeaderKeys = 256

// chunk is a task.Batch over the bytes of a fetched chunk.
type chunk struct {
	reader  *reader
	cursor  *fetch.Cursor
	fetched fetch.Chunk
	next    int // the batch after the one being read
	iter    batch.Iter
	epoch   int32
	open    bool
	record  batch.Record
}

// take moves what was fetched to the task and reports whether there was
// anything.
func (in *input) take(committed bool) (chunks []fetch.Chunk, err error) {
	var st fetch.Status
	in.chunks, st = in.cursor.Take(in.chunks[:0])
	switch {
	case in.begin >= 0:
	case len(in.chunks) > 0:
		in.begin = in.chunks[0].From
	case st.Position >= 0:
		in.begin = st.Position
	}
	end := readable(st, committed)
	in.caughtUp = end >= 0 && st.Position >= end
	in.end = st.HighWatermark
	return in.chunks, st.Err
}

// readable is the end of what can be read of a partition now, -1 before it is known.
func readable(st fetch.Status, committed bool) int64 {
	if committed {
		return st.LastStable
	}
	return st.HighWatermark
}

// batch makes a task.Batch of a chunk.
func (r *reader) batch(c *fetch.Cursor, f fetch.Chunk) *chunk {
	var b *chunk
	if n := len(r.free); n > 0 {
		b, r.free = r.free[n-1], r.free[:n-1]
	} else {
		b = new(chunk)
	}
	*b = chunk{reader: r, cursor: c, fetched: f}
	return b
}

// Next implements task.Batch.
func (c *chunk) Next(r *task.Record) (bool, error) {
	for {
		if !c.open {
			if c.next == len(c.fetched.Batches) {
				return false, nil
			}
			v := c.fetched.Batches[c.next]
			it, err := v.Records(&c.reader.decompressor)
			if err != nil {
				return false, err
			}
			c.iter, c.epoch, c.open = it, v.LeaderEpoch(), true
			c.next++
		}
		if !c.iter.Next(&c.record) {
			if err := c.iter.Err(); err != nil {
				return false, err
			}
			c.open = false
			continue
		}
		if c.record.Offset < c.fetched.From {
			continue
		}
		r.Offset, r.LeaderEpoch, r.Timestamp = c.record.Offset, c.epoch, c.record.Timestamp
		r.Key, r.Value = c.record.Key, c.record.Value
		r.Headers = nil
		if c.record.Headers.Len() > 0 {
			r.Headers = c.reader.copyHeaders(c.record.Headers)
		}
		return true, nil
	}
}

// End implements task.Batch.
func (c *chunk) End() int64 { return c.fetched.Next }

// Release implements task.Batch.
func (c *chunk) Release() {
	c.cursor.Release(c.fetched.Bytes)
	r := c.reader
	*c = chunk{}
	if len(r.free) < 16 {
		r.free = append(r.free, c)
	}
}

// copyHeaders copies headers out of the batch; their keys are shared.
func (r *reader) copyHeaders(h batch.Headers) processor.Headers {
	hs := make(processor.Headers, 0, h.Len())
	for {
		k, v, ok := h.Next()
		if !ok {
			return hs
		}
		key, known := r.headers[string(k)]
		if !known {
			key = string(k)
			if r.headers == nil {
				r.headers = make(map[string]string)
			}
			if len(r.headers) < maxHeaderKeys {
				r.headers[key] = key
			}
		}
		if v != nil {
			v = append(make([]byte, 0, len(v)), v...)
		}
		hs = append(hs, processor.Header{Key: key, Value: v})
	}
}
