package vfs

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// chunkSize is the unit in which a memory file grows: appending to a large
// file copies nothing.
const chunkSize = 16 << 10

// Mem is a file system in memory. Everything in it lives as long as it does.
type Mem struct {
	mu    sync.Mutex
	files map[string]*memData
}

// NewMem returns an empty file system in memory.
func NewMem() *Mem { return &Mem{files: map[string]*memData{}} }

// memData is the contents of one file; open handles share it.
type memData struct {
	mu     sync.RWMutex
	chunks [][]byte
	size   int64
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// Open implements FS.
func (m *Mem) Open(name string, flag int) (File, error) {
	name = filepath.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.files[name]
	if d == nil {
		if flag&os.O_CREATE == 0 {
			return nil, pathError("open", name, fs.ErrNotExist)
		}
		d = &memData{}
		m.files[name] = d
	}
	if flag&os.O_TRUNC != 0 {
		d.truncate(0)
	}
	return memFile{d}, nil
}

// Rename implements FS.
func (m *Mem) Rename(oldName, newName string) error {
	oldName, newName = filepath.Clean(oldName), filepath.Clean(newName)
	m.mu.Lock()
	defer m.mu.Unlock()
	if d, ok := m.files[oldName]; ok {
		delete(m.files, oldName)
		m.files[newName] = d
		return nil
	}
	moved := false
	for _, name := range slices.Collect(maps.Keys(m.files)) {
		if rest, ok := strings.CutPrefix(name, oldName+string(filepath.Separator)); ok {
			m.files[filepath.Join(newName, rest)] = m.files[name]
			delete(m.files, name)
			moved = true
		}
	}
	if !moved {
		return pathError("rename", oldName, fs.ErrNotExist)
	}
	return nil
}

// Remove implements FS. Open handles stay usable.
func (m *Mem) Remove(name string) error {
	name = filepath.Clean(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.files[name]; !ok {
		return pathError("remove", name, fs.ErrNotExist)
	}
	delete(m.files, name)
	return nil
}

// RemoveAll implements FS.
func (m *Mem) RemoveAll(dir string) error {
	dir = filepath.Clean(dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.files, func(name string, _ *memData) bool {
		return name == dir || strings.HasPrefix(name, dir+string(filepath.Separator))
	})
	return nil
}

// MkdirAll implements FS. Directories exist by having files.
func (m *Mem) MkdirAll(string) error { return nil }

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	dir = filepath.Clean(dir)
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.files {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(string) error { return nil }

// Incarnation implements FS: memory never loses a write and keeps its log.
func (m *Mem) Incarnation() string { return "memory" }

type memFile struct{ d *memData }

func (f memFile) ReadAt(p []byte, off int64) (int, error)  { return f.d.readAt(p, off) }
func (f memFile) WriteAt(p []byte, off int64) (int, error) { return f.d.writeAt(p, off), nil }
func (f memFile) Sync() error                              { return nil }
func (f memFile) Close() error                             { return nil }

func (f memFile) Truncate(size int64) error {
	f.d.truncate(size)
	return nil
}

func (f memFile) Size() (int64, error) {
	f.d.mu.RLock()
	defer f.d.mu.RUnlock()
	return f.d.size, nil
}

func (d *memData) readAt(p []byte, off int64) (n int, err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for n < len(p) {
		at := off + int64(n)
		if at >= d.size {
			return n, io.EOF
		}
		c := d.chunks[at/chunkSize][at%chunkSize:]
		n += copy(p[n:], c[:min(int64(len(c)), d.size-at)])
	}
	return n, nil
}

func (d *memData) writeAt(p []byte, off int64) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.extend(off + int64(len(p)))
	for n < len(p) {
		at := off + int64(n)
		n += copy(d.chunks[at/chunkSize][at%chunkSize:], p[n:])
	}
	return n
}

func (d *memData) extend(size int64) {
	for int64(len(d.chunks))*chunkSize < size {
		d.chunks = append(d.chunks, make([]byte, chunkSize))
	}
	d.size = max(d.size, size)
}

func (d *memData) truncate(size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if size >= d.size {
		d.extend(size)
		return
	}
	keep := (size + chunkSize - 1) / chunkSize
	clear(d.chunks[keep:])
	d.chunks = d.chunks[:keep]
	if rest := size % chunkSize; rest > 0 {
		clear(d.chunks[keep-1][rest:]) // a later extension reads zeros
	}
	d.size = size
}
