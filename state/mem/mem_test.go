package mem_test

import (
	"testing"

	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/mem"
	"github.com/thalweg/thalweg/state/statetest"
)

func TestEngine(t *testing.T) {
	statetest.Engine(t, func(string) state.Backend { return mem.New() }, false)
}
