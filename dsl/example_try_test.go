package dsl_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/processor"
	"github.com/thalweg/thalweg/testdriver"
	"github.com/thalweg/thalweg/windowing"
)

var errFrost = errors.New("below zero")

// tryAdd adds a temperature to a sum, but not a negative one.
func tryAdd(_ *processor.Context, r processor.Record[string, int64], sum int64) (int64, error) {
	if r.Value < 0 {
		return 0, errFrost
	}
	return sum + r.Value, nil
}

// tried sends three temperatures within three seconds, of which one fails.
func tried(b *dsl.Builder) {
	d := drive(b, testdriver.OnFailure(skipErrors))
	for i, degrees := range []int64{4, -1, 5} {
		d.Input(readings).SendAt(at(100+i), "JFK", degrees)
	}
}

func ExampleGrouped_TryReduce() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().TryReduce("sums", tryAdd).ToStream().TryForEach(show)
	tried(b)
	// Output:
	// JFK 4
	// skipped: below zero
	// JFK 9
}

func ExampleGrouped_TryAggregate() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().TryAggregate("sums", none, tryAdd).ToStream().TryForEach(show)
	tried(b)
	// Output:
	// JFK 4
	// skipped: below zero
	// JFK 9
}

func ExampleTimeWindowed_TryReduce() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute)).
		TryReduce("sums", tryAdd).
		ToStream().TryForEach(showWindow)
	tried(b)
	// Output:
	// JFK 60 to 120 is 4
	// skipped: below zero
	// JFK 60 to 120 is 9
}

func ExampleTimeWindowed_TryAggregate() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute)).
		TryAggregate("sums", none, tryAdd).
		ToStream().TryForEach(showWindow)
	tried(b)
	// Output:
	// JFK 60 to 120 is 4
	// skipped: below zero
	// JFK 60 to 120 is 9
}

func ExampleSessionWindowed_TryAggregate() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().
		SessionBy(windowing.Sessions(time.Minute)).
		TryAggregate("sums", none, tryAdd, add).
		ToStream().TryForEach(showWindow)
	tried(b)
	// Output:
	// JFK 100 to 100 is 4
	// skipped: below zero
	// JFK 100 to 100 deleted
	// JFK 100 to 102 is 9
}

func ExampleStream_TryJoinTable() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		TryJoinTable(b.Table(airports, "airports"), func(_ *processor.Context, r processor.Record[string, int64], name string) (string, error) {
			if r.Value < 0 {
				return "", errFrost
			}
			return fmt.Sprint(r.Value, " in ", name), nil
		}).
		TryForEach(show)

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(airports).Send("JFK", "New York")
	d.Input(readings).Send("JFK", 4)
	d.Input(readings).Send("JFK", -1)
	// Output:
	// JFK 4 in New York
	// skipped: below zero
}

func ExampleStream_TryLeftJoinTable() {
	b := dsl.NewBuilder()
	b.Stream(readings).
		TryLeftJoinTable(b.Table(airports, "airports"), func(_ *processor.Context, r processor.Record[string, int64], name dsl.Maybe[string]) (string, error) {
			if !name.OK {
				return "", fmt.Errorf("unknown airport %s", r.Key)
			}
			return fmt.Sprint(r.Value, " in ", name.Value), nil
		}).
		TryForEach(show)

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(readings).Send("JFK", 4)
	// Output: skipped: unknown airport JFK
}

func ExampleStream_TryJoin() {
	b := dsl.NewBuilder()
	b.Stream(clicks).
		TryJoin("clicked-views", b.Stream(views), windowing.Within(time.Minute),
			func(_ *processor.Context, user, click, view string) (string, error) {
				if click == "" {
					return "", fmt.Errorf("empty click of %s", user)
				}
				return click + " after " + view, nil
			}).
		TryForEach(show)

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(views).SendAt(at(0), "ann", "lamps")
	d.Input(clicks).SendAt(at(1), "ann", "")
	d.Input(clicks).SendAt(at(2), "ann", "buy")
	// Output:
	// skipped: empty click of ann
	// ann buy after lamps
}

// As in Reduce, the first value of a window is taken as it is.
func ExampleSlidingWindowed_TryReduce() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().
		SlidingBy(windowing.SlidingOf(0)).
		TryReduce("sums", tryAdd).
		ToStream().TryForEach(showWindow)
	tried(b)
	// Output:
	// JFK 100 to 100 is 4
	// JFK 101 to 101 is -1
	// JFK 102 to 102 is 5
}

func ExampleSlidingWindowed_TryAggregate() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().
		SlidingBy(windowing.SlidingOf(0)).
		TryAggregate("sums", none, tryAdd).
		ToStream().TryForEach(showWindow)
	tried(b)
	// Output:
	// JFK 100 to 100 is 4
	// skipped: below zero
	// JFK 102 to 102 is 5
}

func ExampleStream_TryLeftJoin() {
	b := dsl.NewBuilder()
	b.Stream(views).
		TryLeftJoin("view-clicks", b.Stream(clicks), windowing.Within(time.Minute),
			func(_ *processor.Context, user, view string, click dsl.Maybe[string]) (string, error) {
				if !click.OK {
					return "", fmt.Errorf("%s only looked", user)
				}
				return view + ", " + click.Value, nil
			}).
		TryForEach(show)

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(views).SendAt(at(0), "ann", "lamps")
	d.Input(clicks).SendAt(at(100), "bob", "buy")
	// Output: skipped: ann only looked
}

func ExampleStream_TryOuterJoin() {
	b := dsl.NewBuilder()
	b.Stream(views).
		TryOuterJoin("views-and-clicks", b.Stream(clicks), windowing.Within(time.Minute),
			func(_ *processor.Context, user string, view, click dsl.Maybe[string]) (string, error) {
				if !view.OK {
					return "", fmt.Errorf("%s clicked unseen", user)
				}
				return view.Value + ", " + click.Or("nothing"), nil
			}).
		TryForEach(show)

	d := drive(b, testdriver.OnFailure(skipErrors))
	d.Input(clicks).SendAt(at(0), "bob", "buy")
	d.Input(views).SendAt(at(100), "ann", "lamps")
	// Output: skipped: bob clicked unseen
}

func ExampleTimeWindowed_IdleAfter() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute)).
		EmitOnClose().
		IdleAfter(10 * time.Second).
		Count("per-minute").
		ToStream().TryForEach(showWindow)

	d := drive(b)
	measure(d, 10)
	for range 20 { // no record comes
		d.Advance(10 * time.Second)
	}
	// Output: JFK 0 to 60 is 1
}

// The last window is emitted though nothing comes after it.
func ExampleIdleAfter() {
	b := dsl.NewBuilder()
	counts := b.Stream(readings).GroupByKey().
		WindowedBy(windowing.Tumbling(time.Minute)).
		Count("per-minute")
	dsl.FinalOnly(counts, dsl.IdleAfter(10*time.Second)).ToStream().TryForEach(showWindow)

	d := drive(b)
	measure(d, 10)
	for range 20 { // no record comes
		d.Advance(10 * time.Second)
	}
	// Output: JFK 0 to 60 is 1
}

func ExampleSlidingWindowed_IdleAfter() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().
		SlidingBy(windowing.SlidingOf(time.Minute)).
		EmitOnClose().
		IdleAfter(10 * time.Second).
		Count("within-a-minute").
		ToStream().TryForEach(showWindow)

	d := drive(b)
	measure(d, 100)
	for range 20 {
		d.Advance(10 * time.Second)
	}
	// Output: JFK 40 to 100 is 1
}

func ExampleSessionWindowed_IdleAfter() {
	b := dsl.NewBuilder()
	b.Stream(readings).GroupByKey().
		SessionBy(windowing.Sessions(time.Minute)).
		EmitOnClose().
		IdleAfter(10 * time.Second).
		Count("bursts").
		ToStream().TryForEach(showWindow)

	d := drive(b)
	measure(d, 100)
	for range 20 {
		d.Advance(10 * time.Second)
	}
	// Output: JFK 100 to 100 is 1
}
