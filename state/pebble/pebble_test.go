package pebble_test

import (
	"testing"

	"github.com/thalweg/thalweg/state/pebble"
	"github.com/thalweg/thalweg/state/statetest"
)

func TestMain(m *testing.M) { statetest.Main(m, pebble.Dir) }

func TestEngine(t *testing.T) { statetest.Engine(t, pebble.Dir, true) }

func TestKilledProcessLeavesDataAndPositionAgreeing(t *testing.T) { statetest.Crash(t, pebble.Dir) }
