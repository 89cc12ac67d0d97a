package dsl

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/state"
)

// The changelogs of buffers have been written in four layouts, which the header v
// tells apart:
//
//	none  int64 time | change
//	1     int64 time | context | int32 n | change
//	2     context | int32 n | change | prior | int64 time
//	3     context | prior | old | new | int64 time
//
// where change is old | new, and the parts are as in bufferValue. Some releases
// (2.4.0, 2.4.1, 2.5.0) wrote the layout of 3 and said 2. Only 3 is written here.
//
// decodeLogged reads one of them, and returns the time it has waited from. The
// prior value, which versions before 2 do not have, is that of the entry before,
// or else the old value.
func decodeLogged(value []byte, ts int64, headers processor.Headers, before *bufferEntry) (v bufferValue, time int64, err error) {
	version, versioned := headers.Get("v")
	switch {
	case !versioned:
		v.rec = state.Record{Partition: -1, Offset: -1, Timestamp: ts, Headers: keepHeaders(headers)}
		time, err = v.decodeOld(value, nil, before)
	case bytes.Equal(version, []byte{1}):
		time, err = v.decodeOld(value, (*bufferReader).contextual, before)
	case bytes.Equal(version, []byte{2}):
		if time, err = v.decode2(value); err != nil {
			v = bufferValue{}
			time, err = v.decode3(value)
		}
	case bytes.Equal(version, bufferHeaders[0].Value):
		time, err = v.decode3(value)
	default:
		err = fmt.Errorf("the changelog has a record of version %v, which cannot be read", version)
	}
	return v, time, err
}

// decode3 reads the current layout.
func (v *bufferValue) decode3(src []byte) (time int64, err error) {
	rest, err := v.decode(src)
	if err == nil && len(rest) != 8 {
		err = fmt.Errorf("dsl: buffered change: %w: %d bytes behind it", serde.ErrMalformed, len(rest))
	}
	if err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(rest)), nil
}

func (v *bufferValue) decode2(src []byte) (time int64, err error) {
	d := bufferReader{src: bytes.Clone(src)}
	change := d.contextual(v)
	v.prior = d.part(nil)
	time = int64(d.uint64())
	return time, v.decodeChange(change, &d)
}

// decodeOld reads the layouts that begin with the time. With a nil cut the change
// follows at once.
func (v *bufferValue) decodeOld(src []byte, cut func(*bufferReader, *bufferValue) []byte, before *bufferEntry) (time int64, err error) {
	d := bufferReader{src: bytes.Clone(src)}
	time = int64(d.uint64())
	var change []byte
	if cut != nil {
		change = cut(&d, v)
	} else {
		change = d.bytes(int32(len(d.src)))
	}
	err = v.decodeChange(change, &d)
	v.prior = v.old
	if before != nil {
		v.prior = before.value.prior
	}
	return time, err
}

// contextual reads a context and the bytes of the change behind it.
func (d *bufferReader) contextual(v *bufferValue) []byte {
	d.context(&v.rec)
	return d.bytes(int32(d.uint32()))
}

// decodeChange reads the old and the new value, and requires that what both came
// in, which is d, has been used up.
func (v *bufferValue) decodeChange(change []byte, d *bufferReader) error {
	c := bufferReader{src: change, short: change == nil}
	v.old, v.new = c.part(nil), c.part(nil)
	if d.short || c.short || len(d.src)+len(c.src) > 0 {
		return fmt.Errorf("dsl: buffered change: %w", serde.ErrMalformed)
	}
	return nil
}
