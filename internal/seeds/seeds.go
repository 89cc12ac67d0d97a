// Package seeds chooses the seeds of tests that choose at random, in one way for all of them:
//
//	THALWEG_SEED=n     that seed alone, to repeat a failure
//	THALWEG_SEEDS=n    n seeds instead of the test's own number, to look longer
package seeds

import (
	"iter"
	"os"
	"strconv"
)

// Upto yields 1 to n, or what the environment asks for.
func Upto(n int) iter.Seq[uint64] {
	return choose(n, os.Getenv("THALWEG_SEED"), os.Getenv("THALWEG_SEEDS"))
}

// choose is Upto without the environment. What is not a positive number counts as not set.
func choose(n int, one, many string) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		if seed, err := strconv.ParseUint(one, 10, 64); err == nil && seed > 0 {
			yield(seed)
			return
		}
		count := uint64(n)
		if m, err := strconv.ParseUint(many, 10, 64); err == nil && m > 0 {
			count = m
		}
		for seed := uint64(1); seed <= count; seed++ {
			if !yield(seed) {
				return
			}
		}
	}
}
