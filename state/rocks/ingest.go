//go:build rocksdb

package rocks

/*
#cgo LDFLAGS: -lrocksdb
#include <stdlib.h>
#include <string.h>
#include <rocksdb/c.h>

// thalweg_length reads a length of at most 32 bits, seven bits a byte.
static const char* thalweg_length(const char* p, size_t* n) {
	*n = 0;
	for (int shift = 0;; shift += 7) {
		unsigned char b = (unsigned char)*p++;
		*n |= (size_t)(b & 0x7f) << shift;
		if (b < 0x80) return p;
	}
}

// thalweg_rows adds the records of a batch, without its header, to a file: one
// call for many rows.
static void thalweg_rows(rocksdb_sstfilewriter_t* w, const char* p, size_t size, char** err) {
	const char* end = p + size;
	while (p < end && *err == NULL) {
		char op = *p++;
		size_t klen, vlen;
		const char* key = thalweg_length(p, &klen);
		p = key + klen;
		if (op == 0) {
			rocksdb_sstfilewriter_delete(w, key, klen, err);
			continue;
		}
		const char* value = thalweg_length(p, &vlen);
		p = value + vlen;
		rocksdb_sstfilewriter_put(w, key, klen, value, vlen, err);
	}
}

// thalweg_table opens a file for rows that is like the database's own.
static rocksdb_sstfilewriter_t* thalweg_table(const char* path, char** err) {
	rocksdb_options_t* o = rocksdb_options_create();
	rocksdb_block_based_table_options_t* t = rocksdb_block_based_options_create();
	rocksdb_block_based_options_set_filter_policy(t, rocksdb_filterpolicy_create_bloom_full(10));
	rocksdb_block_based_options_set_index_type(t, rocksdb_block_based_table_index_type_two_level_index_search);
	rocksdb_block_based_options_set_partition_filters(t, 1);
	rocksdb_options_set_block_based_table_factory(o, t);
	rocksdb_options_set_compression(o, rocksdb_no_compression);
	rocksdb_envoptions_t* e = rocksdb_envoptions_create();
	rocksdb_sstfilewriter_t* w = rocksdb_sstfilewriter_create(e, o);
	rocksdb_envoptions_destroy(e);
	rocksdb_block_based_options_destroy(t);
	rocksdb_options_destroy(o);
	rocksdb_sstfilewriter_open(w, path, err);
	return w;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/linxGnu/grocksdb"

	"github.com/thalweg/thalweg/state"
)

// Ingest writes each run to a file and adds the files to the database in one
// step of its manifest. The memtables are flushed before, so that what survives
// a crash is a prefix of what was applied even so.
func (e *engine) Ingest(runs ...state.Run) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return state.ErrClosed
	}
	if err := e.ingest(runs); err != nil {
		return fmt.Errorf("rocks: ingest: %w", err)
	}
	return nil
}

func (e *engine) ingest(runs []state.Run) (err error) {
	dir, err := os.MkdirTemp(e.path, incoming)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var paths []string
	for i, run := range runs {
		path := filepath.Join(dir, fmt.Sprint(i))
		written, err := writeTable(path, run)
		if err != nil {
			return err
		}
		if written {
			paths = append(paths, path)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	flush := grocksdb.NewDefaultFlushOptions()
	defer flush.Destroy()
	if err := e.db.Flush(flush); err != nil {
		return err
	}
	how := grocksdb.NewDefaultIngestExternalFileOptions()
	defer how.Destroy()
	how.SetMoveFiles(true)
	if err := e.db.IngestExternalFile(paths, how); err != nil {
		return err
	}
	// Files pass by what slows writes down while compaction is behind. This
	// write has nothing in it and waits.
	nothing := grocksdb.NewWriteBatch()
	defer nothing.Destroy()
	return e.db.Write(e.write, nothing)
}

// incoming begins the names of directories for files on their way in. Those
// that a crash left are deleted when the database is opened.
const incoming = "incoming-"

func removeIncoming(path string) error {
	left, err := filepath.Glob(filepath.Join(path, incoming+"*"))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// tableChunk is how much of a run is handed over at once.
const tableChunk = 64 << 10

// writeTable writes a run to a file. A run without rows makes none.
func writeTable(path string, run state.Run) (written bool, err error) {
	var w *C.rocksdb_sstfilewriter_t
	defer func() {
		if w != nil {
			C.rocksdb_sstfilewriter_destroy(w)
		}
	}()
	var rows state.Batch
	pass := func() {
		if rows.Len() == 0 || err != nil {
			return
		}
		if w == nil {
			w, err = openTable(path)
		}
		if err == nil {
			records := rows.Records()
			var failed *C.char
			C.thalweg_rows(w, (*C.char)(unsafe.Pointer(unsafe.SliceData(records))), C.size_t(len(records)), &failed)
			err = taken(failed)
		}
		rows.Reset()
	}
	run(func(op state.Op, key, value []byte) {
		if op == state.OpDelete {
			rows.Delete(key)
		} else {
			rows.Put(key, value)
		}
		if rows.Size() > tableChunk {
			pass()
		}
	})
	if pass(); err != nil || w == nil {
		return false, err
	}
	var failed *C.char
	C.rocksdb_sstfilewriter_finish(w, &failed)
	return true, taken(failed)
}

func openTable(path string) (*C.rocksdb_sstfilewriter_t, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var failed *C.char
	w := C.thalweg_table(name, &failed)
	return w, taken(failed)
}

// taken makes an error of a message of RocksDB's and frees it.
func taken(message *C.char) error {
	if message == nil {
		return nil
	}
	defer C.rocksdb_free(unsafe.Pointer(message))
	return errors.New(C.GoString(message))
}
