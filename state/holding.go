package state

import (
	"reflect"
	"time"
	"unsafe"
)

// holding says how a cache may keep values of type V. A value that shares memory
// with what the program still has would be changed behind the cache's back, so
// it is held as it is only when its type cannot share memory that can be
// written to, or when it has a method Clone() V.
type holding[V any] struct {
	typed bool
	clone func(V) V      // nil: plain copies are safe
	size  func(*V) int64 // memory outside of V; nil: none
}

func (h *holding[V]) copy(v V) V {
	if h.clone != nil {
		return h.clone(v)
	}
	return v
}

func holdingOf[V any]() holding[V] {
	var zero V
	if _, ok := any(zero).(interface{ Clone() V }); ok {
		return holding[V]{typed: true, clone: func(v V) V { return any(v).(interface{ Clone() V }).Clone() }}
	}
	t := reflect.TypeFor[V]()
	if !unaliased(t) {
		return holding[V]{}
	}
	h := holding[V]{typed: true}
	if at := stringsIn(nil, t, 0); len(at) > 0 {
		h.size = func(v *V) int64 {
			var n int64
			for _, off := range at {
				n += int64(len(*(*string)(unsafe.Add(unsafe.Pointer(v), off))))
			}
			return n
		}
	}
	return h
}

// unaliased reports whether copies of a value share nothing that can be written
// to. Strings and times cannot.
func unaliased(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return unaliased(t.Elem())
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return true
		}
		for i := range t.NumField() {
			if !unaliased(t.Field(i).Type) {
				return false
			}
		}
		return true
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Chan, reflect.Func,
		reflect.Interface, reflect.UnsafePointer, reflect.Uintptr:
		return false
	}
	return true
}

// stringsIn appends where the strings of an unaliased type lie. Those of large
// arrays are left out: the size is an estimate.
func stringsIn(at []uintptr, t reflect.Type, off uintptr) []uintptr {
	switch t.Kind() {
	case reflect.String:
		return append(at, off)
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return at
		}
		for i := range t.NumField() {
			f := t.Field(i)
			at = stringsIn(at, f.Type, off+f.Offset)
		}
	case reflect.Array:
		for i := range min(t.Len(), 16) {
			at = stringsIn(at, t.Elem(), off+uintptr(i)*t.Elem().Size())
		}
	}
	return at
}
