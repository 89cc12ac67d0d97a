package state

// links are an entry's neighbours in one list; nil outside of it.
type links[V any] struct{ prev, next *cacheEntry[V] }

// The lists that an entry can be in.
const (
	inLRU = iota
	inDirty
	cacheLists
)

// list is a doubly linked list through its entries, around a sentinel.
type list[V any] struct {
	root  *cacheEntry[V]
	which int
}

func (l *list[V]) init(which int) {
	l.root, l.which = new(cacheEntry[V]), which
	*l.of(l.root) = links[V]{l.root, l.root}
}

func (l *list[V]) of(e *cacheEntry[V]) *links[V] { return &e.in[l.which] }

func (l *list[V]) first() *cacheEntry[V] { return l.end(l.of(l.root).next) }
func (l *list[V]) last() *cacheEntry[V]  { return l.end(l.of(l.root).prev) }

func (l *list[V]) end(e *cacheEntry[V]) *cacheEntry[V] {
	if e == l.root {
		return nil
	}
	return e
}

// remove takes e out; it does nothing when e is not in the list.
func (l *list[V]) remove(e *cacheEntry[V]) {
	at := l.of(e)
	if at.next == nil {
		return
	}
	l.of(at.prev).next, l.of(at.next).prev = at.next, at.prev
	*at = links[V]{}
}

func (l *list[V]) toBack(e *cacheEntry[V]) {
	if back := l.of(l.root).prev; back != e {
		l.remove(e)
		l.insert(e, back)
	}
}

func (l *list[V]) toFront(e *cacheEntry[V]) { l.remove(e); l.insert(e, l.root) }

// insert puts e behind after.
func (l *list[V]) insert(e, after *cacheEntry[V]) {
	next := l.of(after).next
	*l.of(e) = links[V]{after, next}
	l.of(after).next, l.of(next).prev = e, e
}
