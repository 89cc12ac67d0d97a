// Package engine chooses the state engine of programs that run on either: RocksDB where the build tag rocksdb says that
// librocksdb is there, Pebble otherwise. A program that knows what it wants names rocks.Dir or pebble.Dir itself.
package engine
