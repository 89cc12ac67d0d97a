package dsl

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/tidwall/btree"

	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/state"
)

// bufferHandle declares the buffer of a suppressed table.
type bufferHandle struct{ spec *state.Spec }

func newBufferHandle(name string, opts []state.Option) bufferHandle {
	s := state.Spec{Name: name, Type: state.TypeBuffer, KeyType: "[]uint8", ValueType: "[]uint8", Logged: true}
	for _, o := range opts {
		o(&s)
	}
	s.Cached = false
	return bufferHandle{&s}
}

// StoreName returns the store's name.
func (h bufferHandle) StoreName() string { return h.spec.Name }

// Spec describes the store.
func (h bufferHandle) Spec() state.Spec { return *h.spec }

// Open opens the buffer in a task, with the entries it had at the last commit.
func (h bufferHandle) Open(env state.Env) (state.Store, error) {
	b := &buffer{
		name: h.spec.Name, env: env, byKey: map[string]*bufferEntry{}, dirty: map[string]bool{},
		order: btree.NewBTreeGOptions((*bufferEntry).before, btree.Options{NoLocks: true}),
	}
	it := env.Partition.Scan(nil, nil, false)
	defer it.Close()
	for it.Next() {
		if err := b.load(it.Key(), it.Value()); err != nil {
			return nil, err
		}
	}
	return b, it.Err()
}

// buffer holds changes in memory, the latest of each key, in the order of their
// times and then of their keys' bytes. A key keeps the time at which it came.
//
// What was changed is written to the store and the changelog when the task
// commits, so that keys which came and went between two commits are not written
// but for a tombstone. The changelog has the bytes of Kafka Streams, with the
// header v = 3; see decodeLogged for older ones.
type buffer struct {
	name string
	env  state.Env
	// onFlush is called before what was changed is written; it may be nil.
	onFlush func() error
	byKey   map[string]*bufferEntry
	order   *btree.BTreeG[*bufferEntry]
	dirty   map[string]bool
	size    int64
	row     []byte
}

type bufferEntry struct {
	key   string // encoded
	time  int64
	value bufferValue
}

func (e *bufferEntry) before(o *bufferEntry) bool {
	if e.time != o.time {
		return e.time < o.time
	}
	return e.key < o.key
}

// row appends the entry as it is stored and logged.
func (e *bufferEntry) row(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(e.value.append(dst), uint64(e.time))
}

func (e *bufferEntry) size() int64 { return 8 + int64(len(e.key)) + e.value.size() }

// Name is the name it was declared with.
func (b *buffer) Name() string { return b.name }

// Len returns the number of entries.
func (b *buffer) Len() (int, error) { return len(b.byKey), nil }

// put adds or replaces the change of a key. v.prior is ignored for a key that
// is there already: it stays what it was when the key came.
func (b *buffer) put(key []byte, time int64, v bufferValue) {
	e := b.byKey[string(key)]
	if e == nil {
		v.prior = v.old
		e = &bufferEntry{key: string(key), time: time, value: v}
		b.byKey[e.key] = e
		b.order.Set(e)
	} else {
		b.size -= e.size()
		v.prior = e.value.prior
		e.value = v
	}
	b.size += e.size()
	b.dirty[e.key] = true
}

// first returns the earliest entry, or nil.
func (b *buffer) first() *bufferEntry {
	e, _ := b.order.Min()
	return e
}

func (b *buffer) remove(e *bufferEntry) {
	b.order.Delete(e)
	delete(b.byKey, e.key)
	b.size -= e.size()
	b.dirty[e.key] = true
}

var bufferHeaders = processor.Headers{{Key: "v", Value: []byte{3}}}

// Flush writes what was changed since the last time.
func (b *buffer) Flush() error {
	if b.onFlush != nil {
		if err := b.onFlush(); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b.dirty)) {
		e := b.byKey[key]
		var value []byte
		var headers processor.Headers
		var err error
		ts := int64(0)
		if e == nil {
			err = b.env.Partition.Delete([]byte(key))
		} else {
			b.row = e.row(b.row[:0])
			value, headers, ts = b.row, bufferHeaders, e.value.rec.Timestamp
			err = b.env.Partition.Put([]byte(key), value)
		}
		if err == nil && b.env.Log != nil {
			err = b.env.Log([]byte(key), value, max(ts, 0), headers)
		}
		if err != nil {
			return fmt.Errorf("dsl: buffer %q: %w", b.name, err)
		}
	}
	clear(b.dirty)
	return nil
}

// Restore applies a record of the changelog.
func (b *buffer) Restore(key, value []byte, ts int64, headers processor.Headers) error {
	if value == nil {
		if e := b.byKey[string(key)]; e != nil {
			b.remove(e)
			delete(b.dirty, e.key)
		}
		return b.env.Partition.Load(key, nil)
	}
	e := &bufferEntry{key: string(key)}
	var err error
	if e.value, e.time, err = decodeLogged(value, ts, headers, b.byKey[e.key]); err != nil {
		return fmt.Errorf("dsl: buffer %q: %w", b.name, err)
	}
	b.add(e)
	b.row = e.row(b.row[:0])
	return b.env.Partition.Load(key, b.row)
}

// load makes an entry of a row of the store.
func (b *buffer) load(key, value []byte) (err error) {
	e := &bufferEntry{key: string(key)}
	if e.time, err = e.value.decode3(value); err != nil {
		return fmt.Errorf("dsl: buffer %q: %w", b.name, err)
	}
	b.add(e)
	return nil
}

// add puts an entry in the place of one with its key.
func (b *buffer) add(e *bufferEntry) {
	if old := b.byKey[e.key]; old != nil {
		b.order.Delete(old)
		b.size -= old.size()
	}
	b.byKey[e.key] = e
	b.order.Set(e)
	b.size += e.size()
}

// Close ends the use of the buffer.
func (b *buffer) Close() error { return nil }
