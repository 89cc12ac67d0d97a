package golden

import (
	"github.com/thalweg/thalweg/dsl"
	"strconv"
	"strings"
	"time"

	"github.com/thalweg/thalweg/serde"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// Keys and values of the suite are pointers, so that operators see and return
// nulls as they do in Kafka Streams.
type (
	text = *string
	long = *int64
	// windowed is the key of a windowed table.
	windowed = windowing.Windowed[text]
)

var (
	textSerde = serde.Nullable(serde.String)
	longSerde = serde.Nullable(serde.Int64)
)

// texts is a topic of text to text, longs one of text to long.
func texts(name string) topology.Topic[text, text] {
	return topology.NewTopic(name, textSerde, textSerde)
}

func longs(name string) topology.Topic[text, long] {
	return topology.NewTopic(name, textSerde, longSerde)
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// show writes a null as "null".
func show(t text) string {
	if t == nil {
		return "null"
	}
	return *t
}

func num(n int64) string { return strconv.FormatInt(n, 10) }

// join is JOIN of the descriptions.
func join(l, r text) text { return new("[" + show(l) + "," + show(r) + "]") }

// appendTo is APPEND, reduce is REDUCE, merge is MERGE.
func appendTo(_, v, sum text) text { return new(show(sum) + "+" + show(v)) }
func reduce(a, b text) text        { return new(show(a) + "+" + show(b)) }
func merge(_, a, b text) text      { return new("(" + show(a) + "&" + show(b) + ")") }

// subtract is the subtractor of the table aggregations.
func subtract(_, v, sum text) text { return new(show(sum) + "-" + show(v)) }
func unreduce(a, b text) text      { return new(show(a) + "-" + show(b)) }

func empty() text { return new("") }
func zero() long  { return new(int64(0)) }

func add(_ text, v, sum long) long { return new(*sum + orZero(v)) }
func sub(_ text, v, sum long) long { return new(*sum - orZero(v)) }

func orZero(v long) int64 {
	if v == nil {
		return 0
	}
	return *v
}

// foreignKey is FK.
func foreignKey(v text) text {
	if v == nil {
		return nil
	}
	fk, _, _ := strings.Cut(*v, "|")
	if fk == "-" {
		return nil
	}
	return &fk
}

func winKey(w windowed) text {
	return new(show(w.Key) + "@" + num(w.Start) + "-" + num(w.End))
}

// first is the first character of a value, null for null.
func first(_, v text) text {
	if v == nil {
		return nil
	}
	for _, r := range *v {
		return new(string(r))
	}
	return new("")
}

// firstOr is first with a text instead of null.
func firstOr(null string) func(k, v text) text {
	return func(k, v text) text {
		if v == nil {
			return &null
		}
		return first(k, v)
	}
}

// last is the last character of a value.
func last(v string) string {
	r := []rune(v)
	if len(r) == 0 {
		return ""
	}
	return string(r[len(r)-1])
}

// endsEven keeps values that end in an even digit.
func endsEven(_, v text) bool {
	return v != nil && *v != "" && strings.Contains("02468", last(*v))
}

func startsX(_, v text) bool { return v != nil && strings.HasPrefix(*v, "x") }

func suffix(s string) func(text) text {
	return func(v text) text { return new(show(v) + s) }
}

// counts is a topic of text to a count, which is null only in tombstones.
func counts(name string) topology.Topic[text, int64] {
	return topology.NewTopic(name, textSerde, serde.Int64)
}

// timed is the topic of a windowed table with windows of the given size.
func timed[V any](name string, size int64, v serde.Serde[V]) topology.Topic[windowed, V] {
	return topology.NewTopic(name, windowing.TimeKey(textSerde, windowing.EndAfter(size)), v)
}

// sessions is the topic of a session table.
func sessions[V any](name string, v serde.Serde[V]) topology.Topic[windowed, V] {
	return topology.NewTopic(name, windowing.SessionKey(textSerde), v)
}

// The joiners do not ask whether a side is there: what is missing is null.

func leftJoin(l text, r dsl.Maybe[text]) text { return join(l, r.Value) }

func outerJoin(l dsl.Maybe[text], r dsl.Maybe[text]) text { return join(l.Value, r.Value) }
