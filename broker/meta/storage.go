package meta

import (
	"encoding/binary"
	"encoding/json/v2"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/thalweg/thalweg/broker/log/vfs"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Files of the Raft state in its directory.
const (
	// logFile holds entries, each framed as u32 length, u32 CRC-32C, then
	// u64 term, u64 index, u8 type, data. It is append-only: an entry with an
	// index that occurred before replaces that one and all after it.
	logFile = "log"
	// snapshotFile and hardStateFile are replaced as a whole.
	snapshotFile  = "snapshot"
	hardStateFile = "hardstate"
)

const (
	entryHeader = 8
	entryFixed  = 17
	maxEntry    = 64 << 20
	maxSnapshot = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// storage is raft.Storage over a directory, with all entries since the last
// snapshot in memory as well. Only the goroutine of its Node uses it.
type storage struct {
	*raft.MemoryStorage
	fs  vfs.FS
	dir string
	log vfs.File
	end int64 // where the next entry is written
	// voters are the group's members according to the configuration; a
	// snapshot overrides them.
	state raftpb.ConfState
}

// hardState is the JSON form of raftpb.HardState.
type hardState struct {
	Term   uint64 `json:"term"`
	Vote   uint64 `json:"vote"`
	Commit uint64 `json:"commit"`
}

// snapshot is the content of the snapshot file.
type snapshot struct {
	Version int      `json:"v"`
	Index   uint64   `json:"index"`
	Term    uint64   `json:"term"`
	Voters  []uint64 `json:"voters"`
	Records []Record `json:"records"`
}

// openStorage reads what is in dir, which it makes if need be. It returns the
// image of the snapshot. A torn entry at the end of the log is cut off: it
// was never acknowledged. Damage anywhere else is an error.
func openStorage(fsys vfs.FS, dir string, voters []uint64) (*storage, *Image, error) {
	s := &storage{MemoryStorage: raft.NewMemoryStorage(), fs: fsys, dir: dir}
	s.state.Voters = voters
	img := NewImage()
	bootstrap := &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{ConfState: &s.state}}
	if err := s.ApplySnapshot(bootstrap); err != nil {
		return nil, nil, fmt.Errorf("meta: bootstrap: %w", err)
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, nil, fmt.Errorf("meta: create the metadata directory: %w", err)
	}
	img, err := s.loadSnapshot(img)
	if err != nil {
		return nil, nil, err
	}
	if err := s.openLog(); err != nil {
		return nil, nil, err
	}
	if err := s.loadHardState(); err != nil {
		_ = s.close()
		return nil, nil, err
	}
	return s, img, nil
}

func (s *storage) loadSnapshot(empty *Image) (*Image, error) {
	b, err := vfs.ReadFile(s.fs, filepath.Join(s.dir, snapshotFile), maxSnapshot)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return nil, fmt.Errorf("meta: read snapshot: %w", err)
	}
	var snap snapshot
	if err := json.Unmarshal(b, &snap); err != nil {
		return nil, fmt.Errorf("meta: snapshot %s is damaged: %w", filepath.Join(s.dir, snapshotFile), err)
	}
	if snap.Version != formatVersion {
		return nil, fmt.Errorf("meta: the snapshot has format %d, this build reads %d: use the version that wrote it", snap.Version, formatVersion)
	}
	img, err := empty.Apply(snap.Index, snap.Records)
	if err != nil {
		return nil, err
	}
	s.state.Voters = snap.Voters
	err = s.ApplySnapshot(&raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		ConfState: &s.state, Index: &snap.Index, Term: &snap.Term,
	}})
	if err != nil {
		return nil, fmt.Errorf("meta: load snapshot: %w", err)
	}
	return img, nil
}

// loadHardState runs after the log is loaded. The commit index on disk is as
// old as the last vote, so it may lie before the snapshot.
func (s *storage) loadHardState() error {
	first, _ := s.FirstIndex()
	last, _ := s.LastIndex()
	lastTerm, err := s.Term(last)
	if err != nil {
		return fmt.Errorf("meta: load hard state: %w", err)
	}
	var h hardState
	b, err := vfs.ReadFile(s.fs, filepath.Join(s.dir, hardStateFile), maxSnapshot)
	switch {
	case errors.Is(err, fs.ErrNotExist) && lastTerm == 0:
		return nil // the first start
	case err != nil:
		return fmt.Errorf("meta: read hard state: %w", err)
	}
	if err := json.Unmarshal(b, &h); err != nil {
		return fmt.Errorf("meta: hard state %s is damaged: %w", filepath.Join(s.dir, hardStateFile), err)
	}
	if h.Term < lastTerm {
		return fmt.Errorf("meta: hard state is of term %d, the log of %d: restore the metadata directory from a backup", h.Term, lastTerm)
	}
	h.Commit = min(max(h.Commit, first-1), last)
	return s.SetHardState(&raftpb.HardState{Term: &h.Term, Vote: &h.Vote, Commit: &h.Commit})
}

// openLog loads the entries after the snapshot and cuts off a torn one.
func (s *storage) openLog() error {
	path := filepath.Join(s.dir, logFile)
	b, err := vfs.ReadFile(s.fs, path, maxSnapshot)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("meta: read log: %w", err)
	}
	if err := s.replay(b); err != nil {
		return fmt.Errorf("meta: load log %s: %w", path, err)
	}
	f, err := s.fs.Open(path, os.O_CREATE)
	if err != nil {
		return fmt.Errorf("meta: open log: %w", err)
	}
	if err := f.Truncate(s.end); err != nil {
		_ = f.Close()
		return fmt.Errorf("meta: cut torn log: %w", err)
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		_ = f.Close()
		return fmt.Errorf("meta: open log: %w", err)
	}
	s.log = f
	return nil
}

// replay appends the entries in b and sets end behind the last intact one.
func (s *storage) replay(b []byte) error {
	for rest := b; ; {
		e, n := decodeEntry(rest)
		if n == 0 {
			return tornOnly(rest)
		}
		last, err := s.LastIndex()
		if err != nil {
			return err
		}
		if e.GetIndex() > last+1 {
			return fmt.Errorf("entry %d follows entry %d: restore the metadata directory from a backup", e.GetIndex(), last)
		}
		if err := s.MemoryStorage.Append([]*raftpb.Entry{e}); err != nil {
			return err
		}
		s.end += int64(n)
		rest = rest[n:]
	}
}

// tornOnly reports an error if an intact entry follows the bytes that are not
// one: then they are not the torn end of a crash.
func tornOnly(rest []byte) error {
	if len(rest) < entryHeader {
		return nil
	}
	n := int64(entryHeader) + int64(binary.BigEndian.Uint32(rest))
	if n >= int64(len(rest)) {
		return nil
	}
	if _, ok := decodeEntry(rest[n:]); ok > 0 {
		return errors.New("an entry in the middle is damaged: restore the metadata directory from a backup")
	}
	return nil
}

func appendEntry(b []byte, e *raftpb.Entry) []byte {
	start := len(b)
	b = append(b, make([]byte, entryHeader)...)
	b = binary.BigEndian.AppendUint64(b, e.GetTerm())
	b = binary.BigEndian.AppendUint64(b, e.GetIndex())
	b = append(b, byte(e.GetType()))
	b = append(b, e.GetData()...)
	body := b[start+entryHeader:]
	binary.BigEndian.PutUint32(b[start:], uint32(len(body)))
	binary.BigEndian.PutUint32(b[start+4:], crc32.Checksum(body, castagnoli))
	return b
}

// decodeEntry reads the entry that starts b and its length in bytes, which is
// zero if no intact entry starts there.
func decodeEntry(b []byte) (*raftpb.Entry, int) {
	if len(b) < entryHeader+entryFixed {
		return nil, 0
	}
	n := binary.BigEndian.Uint32(b)
	if n < entryFixed || n > maxEntry || int(n) > len(b)-entryHeader {
		return nil, 0
	}
	body := b[entryHeader : entryHeader+int(n)]
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(b[4:]) {
		return nil, 0
	}
	term, index := binary.BigEndian.Uint64(body), binary.BigEndian.Uint64(body[8:])
	kind := raftpb.EntryType(body[16])
	return &raftpb.Entry{Term: &term, Index: &index, Type: &kind, Data: body[entryFixed:]}, entryHeader + int(n)
}

// save makes term and vote durable, then the entries: an entry of a term in
// which this node could vote a second time must not exist.
//
// The commit index alone is not written: a restart finds out again what is
// committed.
func (s *storage) save(entries []*raftpb.Entry, hs *raftpb.HardState) error {
	if !raft.IsEmptyHardState(hs) {
		old, _, err := s.InitialState()
		if err != nil {
			return err
		}
		if old.GetTerm() != hs.GetTerm() || old.GetVote() != hs.GetVote() {
			if err := s.saveHardState(hs); err != nil {
				return err
			}
		}
		if err := s.SetHardState(hs); err != nil {
			return err
		}
	}
	if len(entries) == 0 {
		return nil
	}
	var b []byte
	for _, e := range entries {
		b = appendEntry(b, e)
	}
	if _, err := s.log.WriteAt(b, s.end); err != nil {
		return fmt.Errorf("meta: write log: %w", err)
	}
	if err := s.log.Sync(); err != nil {
		return fmt.Errorf("meta: sync log: %w", err)
	}
	s.end += int64(len(b))
	if err := s.MemoryStorage.Append(entries); err != nil {
		return fmt.Errorf("meta: append: %w", err)
	}
	return nil
}

func (s *storage) saveHardState(hs *raftpb.HardState) error {
	b, err := json.Marshal(hardState{Term: hs.GetTerm(), Vote: hs.GetVote(), Commit: hs.GetCommit()})
	if err != nil {
		return fmt.Errorf("meta: encode hard state: %w", err)
	}
	if err := vfs.WriteFile(s.fs, filepath.Join(s.dir, hardStateFile), b, true); err != nil {
		return fmt.Errorf("meta: write hard state: %w", err)
	}
	return nil
}

// compact writes img as the snapshot at its index and drops the entries up to
// there. A crash in between leaves entries that the snapshot covers; loading
// skips them.
func (s *storage) compact(img *Image) error {
	term, err := s.Term(img.Index)
	if err != nil {
		return fmt.Errorf("meta: compact at %d: %w", img.Index, err)
	}
	b, err := json.Marshal(snapshot{
		Version: formatVersion, Index: img.Index, Term: term, Voters: s.state.Voters, Records: img.Records(),
	})
	if err != nil {
		return fmt.Errorf("meta: encode snapshot: %w", err)
	}
	if err := vfs.WriteFile(s.fs, filepath.Join(s.dir, snapshotFile), b, true); err != nil {
		return fmt.Errorf("meta: write snapshot: %w", err)
	}
	if _, err := s.CreateSnapshot(img.Index, &s.state, nil); err != nil {
		return fmt.Errorf("meta: snapshot: %w", err)
	}
	if err := s.Compact(img.Index); err != nil {
		return fmt.Errorf("meta: compact: %w", err)
	}
	return s.rewriteLog()
}

// rewriteLog replaces the file by one with the entries in memory.
func (s *storage) rewriteLog() error {
	first, _ := s.FirstIndex()
	last, _ := s.LastIndex()
	var b []byte
	if last >= first {
		entries, err := s.Entries(first, last+1, math.MaxUint64)
		if err != nil {
			return fmt.Errorf("meta: rewrite log: %w", err)
		}
		for _, e := range entries {
			b = appendEntry(b, e)
		}
	}
	path := filepath.Join(s.dir, logFile)
	if err := vfs.WriteFile(s.fs, path, b, true); err != nil {
		return fmt.Errorf("meta: rewrite log: %w", err)
	}
	f, err := s.fs.Open(path, 0)
	if err != nil {
		return fmt.Errorf("meta: reopen log: %w", err)
	}
	_ = s.log.Close() // of the file that was replaced
	s.log, s.end = f, int64(len(b))
	return nil
}

func (s *storage) close() error {
	if err := s.log.Close(); err != nil {
		return fmt.Errorf("meta: close log: %w", err)
	}
	return nil
}
