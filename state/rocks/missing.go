//go:build !rocksdb

package rocks

import (
	"errors"

	"github.com/thalweg/thalweg/state"
)

var errMissing = errors.New("rocks: this program was built without RocksDB: " +
	"install librocksdb (Debian, Ubuntu: apt-get install librocksdb-dev; macOS: brew install rocksdb) " +
	"and build with -tags rocksdb, or use pebble.Dir, which needs neither")

func (backend) Open(state.Options) (state.Engine, error) { return nil, errMissing }
