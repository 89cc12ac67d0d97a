// Package random makes topologies and inputs from seeds, for comparison with
// Kafka Streams: a Program is built here with the public API and, from the same
// JSON, in Java with Kafka Streams' own (internal/golden/java). The command
// internal/golden/differ compares the two; runs of Kafka Streams that are worth
// keeping are in testdata and need no Java.
package random

import "github.com/thalweg/thalweg/internal/golden"

// Program is a topology as data. A node's position is its id; it reads nodes
// before it, and they are added to the topology in this order.
//
// A plain program has types without a null: its functions see the empty text in
// place of a null, and give it in place of one, and a null value stays null
// through them. In Java they are made to.
type Program struct {
	Plain bool   `json:"plain,omitempty"`
	Nodes []Node `json:"nodes"`
}

// Case is a program with its input, and with what Kafka Streams made of it once
// that is known.
type Case struct {
	golden.Case
	Wire    bool    `json:"wire,omitempty"` // asks for the records of internal topics, too
	Program Program `json:"program"`
}

// Node is one operator. Which fields are set depends on Op; functions are
// named, see functions.go.
type Node struct {
	Op       string    `json:"op"`
	In       []int     `json:"in,omitempty"`
	Topic    string    `json:"topic,omitempty"`
	F        string    `json:"f,omitempty"`     // predicate or mapper
	Key      string    `json:"key,omitempty"`   // chooses a key; an aggregation without it groups by the key as it is
	Keys     []string  `json:"keys,omitempty"`  // of a cogroup's inputs
	Cases    []string  `json:"cases,omitempty"` // predicates of a split; its default comes behind them
	Case     int       `json:"case,omitempty"`  // which of them
	Kind     string    `json:"kind,omitempty"`  // of a join: inner, left, outer; of a suppression: close, limit; of a processor's schedule: none, stream, wall
	Agg      string    `json:"agg,omitempty"`   // aggregation
	Store    *Store    `json:"store,omitempty"` // nil: the result is not stored
	Window   *Window   `json:"window,omitempty"`
	Join     *Join     `json:"join,omitempty"`
	Grace    int64     `json:"grace,omitempty"` // of a join with a versioned table, ms; 0: none
	Every    int64     `json:"every,omitempty"` // of a schedule, ms
	Suppress *Suppress `json:"suppress,omitempty"`
}

// Store is how a node's result is kept.
type Store struct {
	Name      string `json:"name"`
	Uncached  bool   `json:"uncached,omitempty"`
	Memory    bool   `json:"memory,omitempty"`
	History   int64  `json:"history,omitempty"`   // of versions, ms; 0: not versioned
	Retention int64  `json:"retention,omitempty"` // of windows, ms; 0: the default
}

// Window is the window of an aggregation, in ms.
type Window struct {
	Kind    string `json:"kind"` // time, sliding, session
	Size    int64  `json:"size"` // or difference, or gap
	Advance int64  `json:"advance,omitempty"`
	Grace   int64  `json:"grace"`
	Final   bool   `json:"final,omitempty"` // emit on close
}

// Join is the window of a join of streams, in ms.
type Join struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
	Grace  int64 `json:"grace"`
}

// Suppress is how changes are held back.
type Suppress struct {
	Wait int64 `json:"wait"` // ms
	Max  int   `json:"max"`  // records; 0: no bound
}
