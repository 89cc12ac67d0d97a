package random

import (
	"fmt"
	"strconv"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/windowing"
)

func joinStreams[T any](t types[T], n Node, l, r dsl.Stream[T, T]) any {
	w := windowing.Within(0).WithBefore(ms(n.Join.Before)).WithAfter(ms(n.Join.After)).WithGrace(ms(n.Join.Grace))
	var opts []dsl.JoinOption
	if n.Store.Memory {
		opts = append(opts, dsl.InMemory())
	}
	switch n.Kind {
	case "left":
		return l.LeftJoin(n.Store.Name, r, w, t.leftJoined, opts...)
	case "outer":
		return l.OuterJoin(n.Store.Name, r, w, t.outerJoined, opts...)
	}
	return l.Join(n.Store.Name, r, w, t.joined, opts...)
}

// joinTable joins a stream with a table of texts or of counts.
func joinTable[T any](t types[T], n Node, s dsl.Stream[T, T], with any) (any, error) {
	opts := []dsl.JoinOption{dsl.RepartitionAs(n.F), dsl.Named(n.F)}
	if n.Grace > 0 {
		opts = append(opts, dsl.JoinGrace(ms(n.Grace)))
	}
	switch with := with.(type) {
	case dsl.Table[T, T]:
		if n.Kind == "left" {
			return s.LeftJoinTable(with, t.leftJoined, opts...), nil
		}
		return s.JoinTable(with, t.joined, opts...), nil
	case dsl.Table[T, int64]:
		if n.Kind == "left" {
			return s.LeftJoinTable(with, func(l T, r dsl.Maybe[int64]) T { return t.out(joined(t.in(l), side(t, r))) }, opts...), nil
		}
		return s.JoinTable(with, func(l T, r int64) T { return t.out(joined(t.in(l), t.text(r))) }, opts...), nil
	}
	return nil, fmt.Errorf("cannot join a %T", with)
}

func joinTables[T, K, VL, VR any](t types[T], n Node, l dsl.Table[K, VL], r dsl.Table[K, VR]) any {
	opts := n.Store.options(true)
	switch n.Kind {
	case "left":
		return l.LeftJoin(r, func(l VL, r dsl.Maybe[VR]) T { return t.out(joined(t.text(l), side(t, r))) }, opts...)
	case "outer":
		return l.OuterJoin(r, func(l dsl.Maybe[VL], r dsl.Maybe[VR]) T { return t.out(joined(side(t, l), side(t, r))) }, opts...)
	}
	return l.Join(r, func(l VL, r VR) T { return t.out(joined(t.text(l), t.text(r))) }, opts...)
}

// foreign is a foreign-key join. Its internal topics are called after the node.
func (a *assembly[T]) foreign(n Node, l dsl.Table[T, T]) any {
	r := a.made[n.In[1]].(dsl.Table[T, T])
	name := "fk" + strconv.Itoa(len(a.made))
	fk := func(k, v T) (T, bool) {
		key := selectors[n.Key](a.in(k), a.in(v))
		return a.out(key), key != nil
	}
	opts := n.Store.options(true)
	if n.Kind == "left" {
		return l.LeftJoinOn(name, r, fk, a.leftJoined, opts...)
	}
	return l.JoinOn(name, r, fk, a.joined, opts...)
}
