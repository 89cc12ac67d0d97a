// Package dsl is what most programs are written in: streams and tables with
// typed operators. Its semantics are those of Kafka Streams 4.4.
//
//	b := dsl.NewBuilder()
//	b.Stream(lines).
//		MapValues(strings.ToLower).
//		FlatMapValues(strings.FieldsSeq).
//		GroupBy(dsl.Value).
//		Count("counts").
//		ToStream().
//		To(counts)
//	t, err := b.Build()
//
// # What there is
//
//   - [Stream]: Filter, Map, FlatMap, SelectKey, Split and their kin; Process for
//     what has no operator; To, ForEach and Print end it.
//   - Stream to [Table]: GroupBy or GroupByKey, if need be WindowedBy, SlidingBy or
//     SessionBy, then Count, Reduce, Aggregate or AggregateBy; Cogroup for several
//     streams; ToTable for a stream of updates.
//   - [Table]: Filter, MapValues, TransformValues, GroupBy, Suppress, [FinalOnly];
//     ToStream for its changes.
//   - Joins: Join of streams, and of tables; JoinTable and JoinGlobal of a stream
//     with a table; JoinOn of tables over a foreign key. Left and outer ones too.
//
// Each has a runnable example. Options are functions of this package, such as
// [Named], [Uncached] or [Retention]; one in a place where it means nothing does
// not compile, or is reported by Build.
//
// # Functions
//
// Functions given to operators are shared by all tasks: they must be pure, or
// safe for concurrent use. The plain form of an operator takes a function that
// cannot fail; the Try form takes one that returns an error and may look at the
// whole record. An error, or a panic, goes to the application's failure
// handler, with the name of the operator; when that decides to go on, the
// record is dropped there.
//
// That is so for every function and for the serdes of topics. The serde of a store
// is another matter: when it fails or panics, what the store holds is in doubt, and
// the task ends.
//
// # Null
//
// A key or value of a record may be null; a null value is most often a deletion.
// Types with a null of their own (pointers, []byte, and those whose serde says
// so) show it to every function, and what one returns may be null.
//
// All other types are plain. Their nulls are shown to functions as the zero value;
// the Try forms find them in the record's NullKey and NullValue. A null value
// stays null: nothing makes a value of a deletion, and nothing leaves one out but
// a function that says so.
//
//   - A function on which more than the value depends is called for null values
//     too: Filter, Split, SelectKey, Map, FlatMap, GroupBy, Peek, ForEach, ToFunc,
//     partitioners. What is decided by the key is decided for deletions as well.
//     The value that Map or FlatMap returns for one is not used: the result is
//     a deletion under the new key.
//   - A function that only computes values is not called: MapValues, FlatMapValues
//     and their kin pass a null value on.
//   - Where a value is needed there is none: joins, and aggregates, drop the
//     record and count it. It moves the time of windows, and Count counts it there.
//   - What is missing is the zero value: the value of a Maybe that is not OK, an
//     old value, the other side of a join.
//
// A null key is shown as the zero value, so that records without keys can be
// filtered and given one; grouping and joining by the key itself drops and counts
// them.
//
// # Names
//
// A name is required wherever a topic or a store comes of it. Other operators
// are named after what is above them, unless Named says otherwise.
package dsl
