// Package cputime tells what a benchmark costs on a machine that does other
// work too, where the time on the wall says little.
package cputime

import (
	"syscall"
	"testing"
	"time"
)

// Report begins to measure. The function it returns reports the CPU time of the
// whole process, its garbage collector included, for each iteration since.
func Report(b *testing.B) (report func()) {
	before := used(b)
	return func() {
		b.ReportMetric(float64((used(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
	}
}

// used is the time of the process so far, in user and system mode.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
