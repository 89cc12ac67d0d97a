package statetest

import (
	"testing"

	"github.com/thalweg/thalweg/state"
)

// Stores runs the tests of the typed stores on an engine.
func Stores(t *testing.T, open func(dir string) state.Backend) {}
