//go:build rocksdb

package rocks_test

import (
	"testing"

	"github.com/thalweg/thalweg/state/rocks"
	"github.com/thalweg/thalweg/state/statetest"
)

func TestMain(m *testing.M) { statetest.Main(m, rocks.Dir) }

func TestEngine(t *testing.T) { statetest.Engine(t, rocks.Dir, true) }

func TestKilledProcessLeavesDataAndPositionAgreeing(t *testing.T) { statetest.Crash(t, rocks.Dir) }
