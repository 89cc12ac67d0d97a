package dsl

// PartitionForeign tells a foreign-key join where the rows of the other table lie,
// if its topic was not written by the default partitioner: f gives the partition
// of a key among n. Build checks that K is the other table's key. Of a row without
// a foreign key, which any partition can answer, it is asked with the zero value.
func PartitionForeign[K any](f func(k K, n int32) int32) StoreOption {
	return storeOption(func(s *storing) { s.otherPart = f })
}

// PartitionRows tells a foreign-key join where its own rows lie. That is needed
// only where answers come to other tasks than those that asked, which by default
// they do not.
func PartitionRows[K any](f func(k K, n int32) int32) StoreOption {
	return storeOption(func(s *storing) { s.rowPart = f })
}

// partitionerFor returns a partitioner of the options, nil if there is none.
func partitionerFor[K any](b *Builder, f any, where string) func(K, int32) int32 {
	if f == nil {
		return nil
	}
	part, ok := f.(func(K, int32) int32)
	if !ok {
		b.t.Fail("dsl: %s has the types of %T", where, f)
	}
	return part
}
