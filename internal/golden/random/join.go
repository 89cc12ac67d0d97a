package random

import (
	"fmt"
	"strconv"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/windowing"
)

// maybe is a side of a join that may be missing, as text.
func maybe[V any](m dsl.Maybe[V]) text {
	if !m.OK {
		return nil
	}
	return textOf(m.Value)
}

func leftJoined(l text, r dsl.Maybe[text]) text { return joined(l, maybe(r)) }

func joinStreams(n Node, l, r dsl.Stream[text, text]) any {
	w := windowing.Within(0).WithBefore(ms(n.Join.Before)).WithAfter(ms(n.Join.After)).WithGrace(ms(n.Join.Grace))
	var opts []dsl.JoinOption
	if n.Store.Memory {
		opts = append(opts, dsl.InMemory())
	}
	switch n.Kind {
	case "left":
		return l.LeftJoin(n.Store.Name, r, w, leftJoined, opts...)
	case "outer":
		return l.OuterJoin(n.Store.Name, r, w, func(l, r dsl.Maybe[text]) text { return joined(maybe(l), maybe(r)) }, opts...)
	}
	return l.Join(n.Store.Name, r, w, joined, opts...)
}

// joinTable joins a stream with a table of texts or of counts.
func joinTable(n Node, s dsl.Stream[text, text], t any) (any, error) {
	opts := []dsl.JoinOption{dsl.RepartitionAs(n.F), dsl.Named(n.F)}
	if n.Grace > 0 {
		opts = append(opts, dsl.JoinGrace(ms(n.Grace)))
	}
	switch t := t.(type) {
	case dsl.Table[text, text]:
		if n.Kind == "left" {
			return s.LeftJoinTable(t, leftJoined, opts...), nil
		}
		return s.JoinTable(t, joined, opts...), nil
	case dsl.Table[text, int64]:
		if n.Kind == "left" {
			return s.LeftJoinTable(t, func(l text, r dsl.Maybe[int64]) text { return joined(l, maybe(r)) }, opts...), nil
		}
		return s.JoinTable(t, func(l text, r int64) text { return joined(l, textOf(r)) }, opts...), nil
	}
	return nil, fmt.Errorf("cannot join a %T", t)
}

func joinTables[K, VL, VR any](n Node, l dsl.Table[K, VL], r dsl.Table[K, VR]) any {
	opts := n.Store.options(true)
	switch n.Kind {
	case "left":
		return l.LeftJoin(r, func(l VL, r dsl.Maybe[VR]) text { return joined(textOf(l), maybe(r)) }, opts...)
	case "outer":
		return l.OuterJoin(r, func(l dsl.Maybe[VL], r dsl.Maybe[VR]) text { return joined(maybe(l), maybe(r)) }, opts...)
	}
	return l.Join(r, func(l VL, r VR) text { return joined(textOf(l), textOf(r)) }, opts...)
}

// foreign is a foreign-key join. Its internal topics are called after the node.
func (a *assembly) foreign(n Node, l dsl.Table[text, text]) any {
	r := a.made[n.In[1]].(dsl.Table[text, text])
	name := "fk" + strconv.Itoa(len(a.made))
	fk := func(k, v text) (text, bool) {
		key := selectors[n.Key](k, v)
		return key, key != nil
	}
	opts := n.Store.options(true)
	if n.Kind == "left" {
		return l.LeftJoinOn(name, r, fk, leftJoined, opts...)
	}
	return l.JoinOn(name, r, fk, joined, opts...)
}
