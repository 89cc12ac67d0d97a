package dsl

import (
	"reflect"

	"github.com/thalweg/thalweg/processor"
)

// PartitionForeign tells a foreign-key join where the rows of the other table lie,
// if its topic was not written by the default partitioner: f gives the partition
// of a key among n. Build checks that K is the other table's key. Of a row without
// a foreign key, which any partition can answer, it is asked with the zero value.
func PartitionForeign[K any](f func(k K, n int32) int32) StoreOption {
	return PartitionForeignByHeaders(func(k K, _ processor.Headers, n int32) int32 { return f(k, n) })
}

// PartitionForeignByHeaders is PartitionForeign for a function that also reads
// the headers of the row that is joined. It must find the same partition for
// every row with one foreign key.
func PartitionForeignByHeaders[K any](f func(k K, h processor.Headers, n int32) int32) StoreOption {
	return storeOption(func(s *storing) { s.otherPart = f })
}

// PartitionRows tells a foreign-key join where its own rows lie. That is needed
// only where answers come to other tasks than those that asked, which by default
// they do not.
func PartitionRows[K any](f func(k K, n int32) int32) StoreOption {
	return PartitionRowsByHeaders(func(k K, _ processor.Headers, n int32) int32 { return f(k, n) })
}

// PartitionRowsByHeaders is PartitionRows for a function that also reads the
// headers of the answer: those of the row that asked, or of the row of the other
// table that changed.
func PartitionRowsByHeaders[K any](f func(k K, h processor.Headers, n int32) int32) StoreOption {
	return storeOption(func(s *storing) { s.rowPart = f })
}

// partitionerFor returns a partitioner of the options, nil if there is none.
func partitionerFor[K any](b *Builder, f any, where string) func(K, processor.Headers, int32) int32 {
	if f == nil {
		return nil
	}
	part, ok := f.(func(K, processor.Headers, int32) int32)
	if !ok {
		b.t.Fail("dsl: %s is for keys of type %v, but the key is a %v", where, reflect.TypeOf(f).In(0), reflect.TypeFor[K]())
	}
	return part
}
