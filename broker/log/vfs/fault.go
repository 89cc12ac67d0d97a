package vfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Fault is a file system in memory that can fail and crash, for tests.
//
// It keeps for each file what the program sees and what the disk holds. A
// crash goes back to the disk, plus any part of what was written since the
// last sync: writes are kept or lost by sectors of 512 bytes, in any order;
// names are created, renamed and removed in order, so a prefix of those
// changes is kept, as on a journalling file system.
type Fault struct {
	mu          sync.Mutex
	live, disk  map[string]*faultFile
	journal     []func(map[string]*faultFile) // changes of names since the last SyncDir
	incarnation int
	hook        func(Op) (written int, err error)
}

// Op is an operation about to happen.
type Op struct {
	Kind   string // "open", "read", "write", "truncate", "size", "sync", "rename", "remove", "syncdir"
	Name   string
	Offset int64
	Len    int
}

// ErrCrashed is what files report that were open when the machine crashed.
var ErrCrashed = errors.New("vfs: the machine crashed")

const sector = 512

type faultFile struct {
	data, disk []byte
	dirty      map[int64]bool // sectors written since the last sync
}

// NewFault returns an empty file system that works until told otherwise.
func NewFault() *Fault {
	return &Fault{live: map[string]*faultFile{}, disk: map[string]*faultFile{}}
}

// Inject calls hook before each operation; an error it returns is the
// operation's result. A failing write first writes the given number of bytes.
// nil ends the faults.
func (f *Fault) Inject(hook func(Op) (written int, err error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

// Crash loses what was not synced, as r decides, and all open files.
func (f *Fault) Crash(r *rand.Rand) {
	f.mu.Lock()
	defer f.mu.Unlock()
	keep := 0
	if len(f.journal) > 0 {
		keep = r.IntN(len(f.journal) + 1)
	}
	for _, change := range f.journal[:keep] {
		change(f.disk)
	}
	f.journal = nil
	luck := r.IntN(4) // of 3: how likely an unsynced sector was written back
	for _, name := range slices.Sorted(maps.Keys(f.disk)) {
		f.disk[name] = f.disk[name].crash(r, luck)
	}
	f.live = maps.Clone(f.disk)
	f.incarnation++
}

func (d *faultFile) crash(r *rand.Rand, luck int) *faultFile {
	size := len(d.disk)
	if len(d.data) != size && luck > 0 {
		low, high := min(size, len(d.data)), max(size, len(d.data))
		switch r.IntN(3) {
		case 0:
			size = len(d.data)
		case 1:
			size = low + r.IntN(high-low+1)
		}
	}
	out := make([]byte, size)
	copy(out, d.disk)
	for _, at := range slices.Sorted(maps.Keys(d.dirty)) {
		from, to := at*sector, min((at+1)*sector, int64(len(d.data)), int64(size))
		if from < to && r.IntN(3) < luck {
			copy(out[from:to], d.data[from:to])
		}
	}
	return &faultFile{data: out, disk: slices.Clone(out), dirty: map[int64]bool{}}
}

// Incarnation implements FS.
func (f *Fault) Incarnation() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strconv.Itoa(f.incarnation)
}

func (f *Fault) check(op Op) (int, error) {
	if f.hook == nil {
		return 0, nil
	}
	n, err := f.hook(op)
	if err != nil {
		err = &fs.PathError{Op: op.Kind, Path: op.Name, Err: err}
	}
	return n, err
}

// change changes the names now, and on disk when the journal is written.
func (f *Fault) change(fn func(map[string]*faultFile)) {
	fn(f.live)
	f.journal = append(f.journal, fn)
}

// Open implements FS.
func (f *Fault) Open(name string, flag int) (File, error) {
	name = filepath.Clean(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.check(Op{Kind: "open", Name: name}); err != nil {
		return nil, err
	}
	d := f.live[name]
	if d == nil {
		if flag&os.O_CREATE == 0 {
			return nil, pathError("open", name, fs.ErrNotExist)
		}
		d = &faultFile{dirty: map[int64]bool{}}
		f.change(func(names map[string]*faultFile) { names[name] = d })
	}
	if flag&os.O_TRUNC != 0 {
		d.truncate(0)
	}
	return &faultHandle{f: f, d: d, name: name, incarnation: f.incarnation}, nil
}

// Rename implements FS, for files.
func (f *Fault) Rename(oldName, newName string) error {
	oldName, newName = filepath.Clean(oldName), filepath.Clean(newName)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.check(Op{Kind: "rename", Name: oldName}); err != nil {
		return err
	}
	if f.live[oldName] == nil {
		return pathError("rename", oldName, fs.ErrNotExist)
	}
	f.change(func(names map[string]*faultFile) {
		names[newName] = names[oldName]
		delete(names, oldName)
	})
	return nil
}

// Remove implements FS.
func (f *Fault) Remove(name string) error {
	name = filepath.Clean(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.check(Op{Kind: "remove", Name: name}); err != nil {
		return err
	}
	if f.live[name] == nil {
		return pathError("remove", name, fs.ErrNotExist)
	}
	f.change(func(names map[string]*faultFile) { delete(names, name) })
	return nil
}

// RemoveAll implements FS.
func (f *Fault) RemoveAll(dir string) error {
	dir = filepath.Clean(dir)
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.check(Op{Kind: "remove", Name: dir}); err != nil {
		return err
	}
	f.change(func(names map[string]*faultFile) {
		maps.DeleteFunc(names, func(name string, _ *faultFile) bool {
			return name == dir || strings.HasPrefix(name, dir+string(filepath.Separator))
		})
	})
	return nil
}

// MkdirAll implements FS. Directories exist by having files.
func (f *Fault) MkdirAll(string) error { return nil }

// List implements FS.
func (f *Fault) List(dir string) ([]string, error) {
	dir = filepath.Clean(dir)
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name := range f.live {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// SyncDir implements FS.
func (f *Fault) SyncDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.check(Op{Kind: "syncdir", Name: dir}); err != nil {
		return err
	}
	for _, change := range f.journal {
		change(f.disk)
	}
	f.journal = nil
	return nil
}

type faultHandle struct {
	f           *Fault
	d           *faultFile
	name        string
	incarnation int
}

// begin locks the file system and lets the hook decide.
func (h *faultHandle) begin(op Op) (int, error) {
	h.f.mu.Lock()
	if h.incarnation != h.f.incarnation {
		return 0, pathError(op.Kind, h.name, ErrCrashed)
	}
	op.Name = h.name
	return h.f.check(op)
}

func (h *faultHandle) ReadAt(p []byte, off int64) (int, error) {
	_, err := h.begin(Op{Kind: "read", Offset: off, Len: len(p)})
	defer h.f.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off >= int64(len(h.d.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.d.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *faultHandle) WriteAt(p []byte, off int64) (int, error) {
	n, err := h.begin(Op{Kind: "write", Offset: off, Len: len(p)})
	defer h.f.mu.Unlock()
	if err != nil {
		p = p[:min(n, len(p))]
	}
	if end := off + int64(len(p)); end > int64(len(h.d.data)) && len(p) > 0 {
		h.d.data = append(h.d.data, make([]byte, end-int64(len(h.d.data)))...)
	}
	if len(p) > 0 {
		copy(h.d.data[off:], p)
		for at := off / sector; at*sector < off+int64(len(p)); at++ {
			h.d.dirty[at] = true
		}
	}
	return len(p), err
}

func (h *faultHandle) Truncate(size int64) error {
	_, err := h.begin(Op{Kind: "truncate", Offset: size})
	defer h.f.mu.Unlock()
	if err == nil {
		h.d.truncate(size)
	}
	return err
}

func (h *faultHandle) Size() (int64, error) {
	_, err := h.begin(Op{Kind: "size"})
	defer h.f.mu.Unlock()
	return int64(len(h.d.data)), err
}

func (h *faultHandle) Sync() error {
	_, err := h.begin(Op{Kind: "sync"})
	defer h.f.mu.Unlock()
	if err == nil {
		h.d.disk = slices.Clone(h.d.data)
		clear(h.d.dirty)
	}
	return err
}

func (h *faultHandle) Close() error { return nil }

func (d *faultFile) truncate(size int64) {
	if size <= int64(len(d.data)) {
		d.data = d.data[:size:size]
	} else {
		d.data = append(d.data, make([]byte, size-int64(len(d.data)))...)
	}
	for at := size / sector; at*sector < int64(len(d.disk)); at++ {
		d.dirty[at] = true
	}
}
