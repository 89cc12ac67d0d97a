//go:build rocksdb

package rocks

/*
#include <string.h>
#include <rocksdb/c.h>

#cgo noescape thalweg_get
#cgo nocallback thalweg_get

enum { thalweg_missing = -1, thalweg_failed = -2 };

// thalweg_get copies a value to dst, as much of it as there is room for, and
// returns its length.
static long thalweg_get(rocksdb_t* db, const rocksdb_readoptions_t* how, const char* key, size_t klen, char* dst, size_t room) {
	char* err = NULL;
	rocksdb_pinnableslice_t* v = rocksdb_get_pinned(db, how, key, klen, &err);
	if (err != NULL) {
		rocksdb_free(err);
		return thalweg_failed;
	}
	if (v == NULL) return thalweg_missing;
	size_t n;
	const char* from = rocksdb_pinnableslice_value(v, &n);
	if (from == NULL) {
		n = 0;
	} else {
		memcpy(dst, from, n < room ? n : room);
	}
	rocksdb_pinnableslice_destroy(v);
	return (long)n;
}
*/
import "C"

import (
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"github.com/linxGnu/grocksdb"
)

// reading is what a read is made with: RocksDB's own handles, so that one call
// of C does for the three of the binding.
type reading struct {
	options *grocksdb.ReadOptions
	db      *C.rocksdb_t
	how     *C.rocksdb_readoptions_t
}

func (e *engine) reading(options *grocksdb.ReadOptions) (r reading, err error) {
	db, err := handle(e.db)
	if err != nil {
		return r, err
	}
	how, err := handle(options)
	if err != nil {
		return r, err
	}
	return reading{options, (*C.rocksdb_t)(db), (*C.rocksdb_readoptions_t)(how)}, nil
}

// handle returns the pointer to RocksDB's object that the binding keeps in the
// field c of its own and gives away to nobody.
func handle(bound any) (unsafe.Pointer, error) {
	c := reflect.ValueOf(bound).Elem().FieldByName("c")
	if !c.IsValid() || c.Kind() != reflect.Pointer || c.IsNil() {
		return nil, fmt.Errorf("the binding's %T has no pointer c: state/rocks does not fit this version of it", bound)
	}
	return c.UnsafePointer(), nil
}

// leastRoom is the least memory a value is copied to, so that small values need
// one call.
const leastRoom = 128

func (e *engine) get(r reading, dst, key []byte) ([]byte, bool, error) {
	for room := leastRoom; ; {
		dst = slices.Grow(dst[:0], room)
		n := C.thalweg_get(r.db, r.how, (*C.char)(unsafe.Pointer(unsafe.SliceData(key))), C.size_t(len(key)),
			(*C.char)(unsafe.Pointer(unsafe.SliceData(dst))), C.size_t(cap(dst)))
		switch {
		case n == C.thalweg_missing:
			return dst[:0], false, nil
		case n == C.thalweg_failed:
			return dst[:0], false, e.failure(r, key)
		case int(n) <= cap(dst):
			return dst[:n], true, nil
		}
		room = int(n)
	}
}

// failure asks again for a value that could not be read, to tell why.
func (e *engine) failure(r reading, key []byte) error {
	v, err := e.db.GetPinned(r.options, key)
	if err != nil {
		return fmt.Errorf("rocks: get: %w", err)
	}
	v.Destroy()
	return fmt.Errorf("rocks: get: failed once and succeeded again")
}
