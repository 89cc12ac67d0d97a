package assign

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// version of both blobs. A reader takes its own and older ones; what a newer
// version adds comes after what this one knows and is left unread.
const version = 3

// ErrMalformed reports user data that does not decode.
var ErrMalformed = errors.New("assign: malformed user data")

// Subscription is the user data of a member's join metadata.
type Subscription struct {
	Process     string   // identity of the process, for people
	Fingerprint string   // of the topology it runs
	Workers     int      // capacity
	Generation  int32    // in which Owned was assigned
	Owned       []Task   // running now
	Local       []Local  // local state
	TxnIDs      []string // transactional ids its workers use
	Known       []string // ids in use in the last generation it saw
}

// Assignment is the user data of a member's assignment.
type Assignment struct {
	// Refused is not empty when the member may not run: the reason, for its
	// operator.
	Refused string
	Tasks   []Task
	// Known are the transactional ids of all members of the generation, so
	// that whoever leads the next one can fence those that are gone, even if
	// the present leader is among them.
	Known []string
	// Topics are those that the topology reads, as the leader saw them: all
	// members read the same. Since version 2, their ids since version 3.
	Topics []Topic
}

// Topic is a topic as it was seen.
type Topic struct {
	Name       string
	Partitions int32
	ID         [16]byte // zero where brokers have none
}

// AppendTo appends the encoded subscription to dst.
func (s Subscription) AppendTo(dst []byte) []byte {
	dst = append(dst, version)
	dst = appendString(dst, s.Process)
	dst = appendString(dst, s.Fingerprint)
	dst = binary.AppendUvarint(dst, uint64(s.Workers))
	dst = binary.AppendVarint(dst, int64(s.Generation))
	dst = appendTasks(dst, s.Owned)
	dst = binary.AppendUvarint(dst, uint64(len(s.Local)))
	for _, l := range s.Local {
		dst = appendTask(dst, l.Task)
		dst = binary.AppendVarint(dst, l.Position)
	}
	dst = appendStrings(dst, s.TxnIDs)
	return appendStrings(dst, s.Known)
}

// ParseSubscription decodes what AppendTo made. The error wraps ErrMalformed.
func ParseSubscription(src []byte) (Subscription, error) {
	r := reader{src: src}
	r.version()
	s := Subscription{
		Process:     r.string(),
		Fingerprint: r.string(),
		Workers:     int(r.uvarint() & 0xffff),
		Generation:  int32(r.varint()),
		Owned:       r.tasks(),
	}
	for range r.length(3) {
		s.Local = append(s.Local, Local{Task: r.task(), Position: r.varint()})
	}
	s.TxnIDs = r.strings()
	s.Known = r.strings()
	return s, r.err
}

// AppendTo appends the encoded assignment to dst.
func (a Assignment) AppendTo(dst []byte) []byte {
	dst = append(dst, version)
	dst = appendString(dst, a.Refused)
	dst = appendTasks(dst, a.Tasks)
	dst = appendStrings(dst, a.Known)
	dst = binary.AppendUvarint(dst, uint64(len(a.Topics)))
	for _, t := range a.Topics {
		dst = appendString(dst, t.Name)
		dst = binary.AppendVarint(dst, int64(t.Partitions))
	}
	for _, t := range a.Topics {
		dst = append(dst, t.ID[:]...)
	}
	return dst
}

// ParseAssignment decodes what AppendTo made. The error wraps ErrMalformed.
func ParseAssignment(src []byte) (Assignment, error) {
	r := reader{src: src}
	v := r.version()
	a := Assignment{Refused: r.string(), Tasks: r.tasks(), Known: r.strings()}
	if v >= 2 {
		for range r.length(2) {
			a.Topics = append(a.Topics, Topic{Name: r.string(), Partitions: int32(r.varint())})
		}
	}
	if v >= 3 {
		for i := range a.Topics {
			a.Topics[i].ID = r.id()
		}
	}
	return a, r.err
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendStrings(dst []byte, ss []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ss)))
	for _, s := range ss {
		dst = appendString(dst, s)
	}
	return dst
}

func appendTask(dst []byte, t Task) []byte {
	dst = binary.AppendVarint(dst, int64(t.Sub))
	return binary.AppendVarint(dst, int64(t.Partition))
}

func appendTasks(dst []byte, ts []Task) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ts)))
	for _, t := range ts {
		dst = appendTask(dst, t)
	}
	return dst
}

// reader takes values off src until the first error, after which it yields
// zero values.
type reader struct {
	src []byte
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrMalformed, what)
	}
	r.src = nil
}

func (r *reader) version() byte {
	if len(r.src) == 0 || r.src[0] == 0 {
		r.fail("no version")
		return 0
	}
	v := r.src[0]
	r.src = r.src[1:]
	return v
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.src)
	if n <= 0 {
		r.fail("number")
		return 0
	}
	r.src = r.src[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.src)
	if n <= 0 {
		r.fail("number")
		return 0
	}
	r.src = r.src[n:]
	return v
}

// length reads a count of elements that take at least each bytes, so that a
// hostile count cannot make the reader allocate.
func (r *reader) length(each int) int {
	n := r.uvarint()
	if n > uint64(len(r.src)/each) {
		r.fail("length")
		return 0
	}
	return int(n)
}

func (r *reader) string() string {
	n := r.length(1)
	s := string(r.src[:n])
	r.src = r.src[n:]
	return s
}

func (r *reader) id() (id [16]byte) {
	if len(r.src) < len(id) {
		r.fail("topic id")
		return id
	}
	r.src = r.src[copy(id[:], r.src):]
	return id
}

func (r *reader) strings() []string {
	var ss []string
	for range r.length(1) {
		ss = append(ss, r.string())
	}
	return ss
}

func (r *reader) task() Task {
	return Task{Sub: int32(r.varint()), Partition: int32(r.varint())}
}

func (r *reader) tasks() []Task {
	var ts []Task
	for range r.length(2) {
		ts = append(ts, r.task())
	}
	return ts
}
