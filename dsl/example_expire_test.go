package dsl_test

import (
	"time"

	"github.com/thalweg/thalweg/dsl"
)

func ExampleExpireAfter() {
	b := dsl.NewBuilder()
	b.Table(readings, "latest", dsl.ExpireAfter(time.Hour)).
		ToStream().
		TryForEach(show)

	d := drive(b)
	d.Input(readings).SendAt(at(0), "JFK", 4)
	d.Input(readings).SendAt(at(4000), "MIA", 30)
	// Output:
	// JFK 4
	// MIA 30
	// JFK deleted
}
