// Package rocks is the engine on RocksDB. It needs cgo and librocksdb, and
// therefore the build tag rocksdb; without the tag the package builds, and
// opening an engine says what is missing.
//
// It uses only what every version of the binding from v1.7.10 to v1.11.1 has,
// so that a modfile alone can bind another RocksDB.
package rocks

import "github.com/thalweg/thalweg/state"

// Dir returns the backend that keeps its data in the directory path, which is
// made if it does not exist. One engine at a time can have it open.
func Dir(path string) state.Backend { return backend{path} }

type backend struct{ path string }

func (backend) Name() string { return "rocksdb" }
