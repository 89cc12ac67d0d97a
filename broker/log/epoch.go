package log

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strconv"
)

// EpochEntry says that a leader epoch's first record is at Start.
type EpochEntry struct {
	Epoch int32
	Start int64
}

// epochs is the leader-epoch cache (KIP-101). Invariant: strictly increasing
// in both fields. Two logs that agree on (epoch, end offset) agree on every
// byte before, so it alone decides where a follower truncates.
type epochs []EpochEntry

// assign adds an epoch that starts at offset start and reports whether the
// cache changed. Entries that begin at or after start had no records and are
// replaced.
func (e *epochs) assign(epoch int32, start int64) bool {
	list := *e
	if n := len(list); n > 0 && list[n-1].Epoch >= epoch {
		return false
	}
	n := len(list)
	for n > 0 && list[n-1].Start >= start {
		n--
	}
	*e = append(list[:n:n], EpochEntry{epoch, start})
	return true
}

// latest is the newest epoch, -1 when there is none.
func (e epochs) latest() int32 {
	if len(e) == 0 {
		return -1
	}
	return e[len(e)-1].Epoch
}

// endOffsetFor returns the largest known epoch not above epoch and where it
// ends. An epoch above the newest is unknown: (-1, -1). One below the oldest
// ends where the oldest begins.
func (e epochs) endOffsetFor(epoch int32, logEnd int64) (int32, int64) {
	if len(e) == 0 || epoch < 0 || epoch > e.latest() {
		return -1, -1
	}
	if epoch == e.latest() {
		return epoch, logEnd
	}
	i := sort.Search(len(e), func(i int) bool { return e[i].Epoch > epoch })
	if i == 0 {
		return epoch, e[0].Start
	}
	return e[i-1].Epoch, e[i].Start
}

// at returns the epoch of the record at offset, -1 when unknown.
func (e epochs) at(offset int64) int32 {
	i := sort.Search(len(e), func(i int) bool { return e[i].Start > offset })
	if i == 0 {
		return -1
	}
	return e[i-1].Epoch
}

// truncateEnd drops the epochs that begin at or after end (KAFKA-10706: empty
// epochs at the log end must go too). It reports whether there were any.
func (e *epochs) truncateEnd(end int64) bool {
	n := len(*e)
	for n > 0 && (*e)[n-1].Start >= end {
		n--
	}
	changed := n < len(*e)
	*e = (*e)[:n:n]
	return changed
}

// truncateStart drops the epochs that ended before start; the one that covers
// start begins there from now on.
func (e *epochs) truncateStart(start int64) bool {
	i := sort.Search(len(*e), func(i int) bool { return (*e)[i].Start > start }) - 1
	if i < 0 || (*e)[i].Start == start && i == 0 {
		return false
	}
	*e = slices.Clone((*e)[i:])
	(*e)[0].Start = start
	return true
}

// encode writes Kafka's leader-epoch-checkpoint: version, count, then a line
// "epoch start" for each.
func (e epochs) encode() []byte {
	b := fmt.Appendf(nil, "0\n%d\n", len(e))
	for _, x := range e {
		b = fmt.Appendf(b, "%d %d\n", x.Epoch, x.Start)
	}
	return b
}

func decodeEpochs(b []byte) (epochs, error) {
	lines := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
	if len(lines) < 2 || string(lines[0]) != "0" {
		return nil, fmt.Errorf("not a version 0 checkpoint")
	}
	n, err := strconv.Atoi(string(lines[1]))
	if err != nil || n != len(lines)-2 {
		return nil, fmt.Errorf("count is %q, file has %d entries", lines[1], len(lines)-2)
	}
	var out epochs
	for _, line := range lines[2:] {
		a, c, ok := bytes.Cut(line, []byte(" "))
		epoch, err1 := strconv.ParseInt(string(a), 10, 32)
		start, err2 := strconv.ParseInt(string(c), 10, 64)
		if !ok || err1 != nil || err2 != nil || epoch < 0 || start < 0 {
			return nil, fmt.Errorf("malformed entry %q", line)
		}
		if k := len(out); k > 0 && (int64(out[k-1].Epoch) >= epoch || out[k-1].Start >= start) {
			return nil, errIndex
		}
		out = append(out, EpochEntry{int32(epoch), start})
	}
	return out, nil
}
