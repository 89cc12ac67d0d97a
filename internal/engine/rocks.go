//go:build rocksdb

package engine

import (
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/rocks"
)

// Dir keeps state below path in RocksDB.
func Dir(path string) state.Backend { return rocks.Dir(path) }
