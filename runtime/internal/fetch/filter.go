package fetch

import (
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/thalweg/thalweg/internal/batch"
)

// cut splits the bytes of one partition of a Fetch answer into batches to hand
// on. Control batches never are; with committed, neither are those of aborted
// transactions: a producer's batches are aborted from the first offset the
// answer lists for it until its abort marker (protocol: Fetch v4). The last
// batch may be incomplete and is ignored. next is where the following fetch
// begins.
func cut(raw []byte, from int64, committed bool, aborted []kmsg.FetchResponseTopicPartitionAbortedTransaction) (views []batch.View, next int64, err error) {
	next = from
	var open map[int64]bool
	if committed && len(aborted) > 0 {
		open = make(map[int64]bool)
		slices.SortFunc(aborted, func(a, b kmsg.FetchResponseTopicPartitionAbortedTransaction) int {
			return int(max(-1, min(1, a.FirstOffset-b.FirstOffset)))
		})
	}
	first := true
	for len(raw) > 0 {
		v, rest, err := batch.Parse(raw)
		if errors.Is(err, batch.ErrTruncated) {
			if first {
				return nil, from, fmt.Errorf("fetch: the batch at offset %d does not fit the answer: raise the fetch size", from)
			}
			break
		}
		if err != nil {
			return nil, from, fmt.Errorf("fetch: at offset %d: %w", next, err)
		}
		first = false
		raw = rest
		if v.NextOffset() <= from {
			continue
		}
		if err := v.Validate(); err != nil {
			return nil, from, fmt.Errorf("fetch: batch at offset %d: %w", v.BaseOffset(), err)
		}
		next = v.NextOffset()
		for len(aborted) > 0 && open != nil && aborted[0].FirstOffset <= v.LastOffset() {
			open[aborted[0].ProducerID] = true
			aborted = aborted[1:]
		}
		if v.IsControl() {
			m, ok, err := v.Marker()
			if err != nil {
				return nil, from, fmt.Errorf("fetch: marker at offset %d: %w", v.BaseOffset(), err)
			}
			if ok && !m.Commit {
				delete(open, v.ProducerID())
			}
			continue
		}
		if v.IsTransactional() && open[v.ProducerID()] {
			continue
		}
		if v.Count() > 0 {
			views = append(views, v)
		}
	}
	return views, next, nil
}
