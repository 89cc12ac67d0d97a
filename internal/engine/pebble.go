//go:build !rocksdb

package engine

import (
	"github.com/thalweg/thalweg/state"
	"github.com/thalweg/thalweg/state/pebble"
)

// Dir keeps state below path in Pebble.
func Dir(path string) state.Backend { return pebble.Dir(path) }
