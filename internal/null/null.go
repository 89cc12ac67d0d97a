// Package null says which Go types can hold a null by themselves.
//
// A key or value of a record may be null. The flags of processor.Frame are
// always right about that. A type is nullable when one of its values means
// null; that value and the flag then go together. For all other types the
// flag alone speaks.
package null

import (
	"reflect"
	"unsafe"

	"github.com/thalweg/thalweg/serde"
)

// Test returns the function that tells whether a value of T is null, or nil
// when no value of T is. The serde decides when it is known and has an opinion;
// otherwise pointers and []byte are nullable, and their nil is null. Test uses
// reflection and is meant for build time.
func Test[T any](s serde.Serde[T]) func(T) bool {
	if s != nil {
		if t := serde.NullTest(s); t != nil {
			return t
		}
	}
	t := reflect.TypeFor[T]()
	if t.Kind() == reflect.Pointer || t == reflect.TypeFor[[]byte]() {
		return isNil[T]
	}
	return nil
}

// isNil tests a pointer or slice: its first word is zero exactly when it is
// nil. It costs one load, where reflection would box v.
func isNil[T any](v T) bool { return *(*unsafe.Pointer)(unsafe.Pointer(&v)) == nil }
