package processor

import "slices"

// A Header is one entry of a record's headers. Value is nil for a null header.
type Header struct {
	Key   string
	Value []byte
}

// Headers are the headers of one record, in order; keys may repeat.
//
// The slice and the values in it are shared by everything that has seen the
// record: they must not be modified in place. [Headers.With] copies.
type Headers []Header

// Get returns the value of the last header with the given key.
func (h Headers) Get(key string) (value []byte, ok bool) {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Key == key {
			return h[i].Value, true
		}
	}
	return nil, false
}

// With returns a copy of h with one more header at its end.
func (h Headers) With(key string, value []byte) Headers {
	out := make(Headers, len(h), len(h)+1)
	copy(out, h)
	return append(out, Header{Key: key, Value: value})
}

// Without returns h without any header of the given key. It returns h itself
// when there is none.
func (h Headers) Without(key string) Headers {
	if _, ok := h.Get(key); !ok {
		return h
	}
	return slices.DeleteFunc(slices.Clone(h), func(e Header) bool { return e.Key == key })
}
