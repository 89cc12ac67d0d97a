package state

import lists "container/list"

// recency bounds a store to its most recently used rows: Kafka Streams' LRU map.
// Which rows those are is known since the store was opened; before that, rows
// count as used in the order of their keys or, when restored, of the changelog.
type recency struct {
	max   int
	rows  map[string]*lists.Element // of string
	order lists.List                // least recently used first
}

// newRecency reads which rows there are.
func newRecency(max int, p *Partition) (*recency, error) {
	r := &recency{max: max, rows: map[string]*lists.Element{}}
	it := p.Scan(nil, nil, false)
	for it.Next() {
		r.touch(it.Key())
	}
	return r, it.Close()
}

// touch makes a row the most recently used one.
func (r *recency) touch(row []byte) {
	if e := r.rows[string(row)]; e != nil {
		r.order.MoveToBack(e)
		return
	}
	key := string(row)
	r.rows[key] = r.order.PushBack(key)
}

func (r *recency) forget(row []byte) {
	if e := r.rows[string(row)]; e != nil {
		r.order.Remove(e)
		delete(r.rows, string(row))
	}
}

// excess returns the row to evict, if there are too many.
func (r *recency) excess() (row []byte, ok bool) {
	if r.order.Len() <= r.max {
		return nil, false
	}
	return []byte(r.order.Front().Value.(string)), true
}
