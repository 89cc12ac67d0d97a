// Package spec is what the trial's parts agree on: the names of the topics, and the times of windows and joins. The
// program is built from it, and the verifier computes from it, in different ways, what the program must come to.
//
// Keys and values are text. The value of a stream's record is an id that no other record has; aggregates are lists of
// ids, separated by commas, so that a result says which records are in it.
package spec

import "time"

// Partitions is the number of partitions of each topic.
const Partitions = 4

// Inputs.
const (
	Pipe      = "pipe"
	Counted   = "counted"
	Rekeyed   = "rekeyed"
	Events    = "events"
	Clicks    = "clicks"
	Views     = "views"
	People    = "people"    // table
	Visits    = "visits"    // joined with people
	Quotes    = "quotes"    // versioned table
	Trades    = "trades"    // joined with quotes
	Orders    = "orders"    // table; value "customer:id"
	Customers = "customers" // table
	Wallets   = "wallets"   // table; value "group:amount"
)

// Outputs.
const (
	PipeOut      = "pipe-out"
	CountOut     = "count-out"
	ListOut      = "list-out"
	RekeyedOut   = "rekeyed-out"
	WindowOut    = "window-out"
	WindowFinal  = "window-final"
	WindowHeld   = "window-held"
	SessionFinal = "session-final"
	SessionHeld  = "session-held"
	InnerOut     = "inner-out"
	LeftOut      = "left-out"
	OuterOut     = "outer-out"
	VisitsOut    = "visits-out"
	TradesOut    = "trades-out"
	ForeignInner = "foreign-inner"
	ForeignLeft  = "foreign-left"
	WalletsOut   = "wallets-out"
)

// Ins and Outs are all topics.
var (
	Ins  = []string{Pipe, Counted, Rekeyed, Events, Clicks, Views, People, Visits, Quotes, Trades, Orders, Customers, Wallets}
	Outs = []string{PipeOut, CountOut, ListOut, RekeyedOut, WindowOut, WindowFinal, WindowHeld, SessionFinal, SessionHeld,
		InnerOut, LeftOut, OuterOut, VisitsOut, TradesOut, ForeignInner, ForeignLeft, WalletsOut}
)

// Times of windows and joins. Nothing that is sent is later than Grace allows.
const (
	Window  = 10 * time.Second
	Gap     = 2 * time.Second
	Within  = 1500 * time.Millisecond
	Grace   = 5 * time.Minute
	History = time.Hour

	// Chapter is how much event time a part of the input takes; the parts begin at its multiples.
	Chapter = 12 * time.Minute
)

// Dropped is the beginning of the ids that the pipe leaves out.
const Dropped = "-"

// Group is the key that the program gives to a record of Rekeyed.
func Group(id string) string { return "g" + id[len(id)-1:] }
