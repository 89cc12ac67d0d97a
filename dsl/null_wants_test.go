package dsl_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// nullWant is what functions see | what comes out | what is dropped.
type nullWant struct{ ops, plain, nullable string }

var nullWants = []nullWant{
	{
		ops: `Stream.Filter Stream.FilterNot Stream.TryFilter Stream.Peek Stream.TryPeek Stream.ForEach
			Stream.TryForEach Stream.Split Cases.Case Stream.ToFunc Stream.Process Stream.ProcessFunc
			Stream.ProcessValues Stream.ProcessValuesFunc`,
		plain:    "a:x a: :x : | a=x a=null null=x null=null | ",
		nullable: "a:x a:null null:x null:null | a=x a=null null=x null=null | ",
	},
	{
		ops:      "Stream.Print Cases.Default Stream.To",
		plain:    " | a=x a=null null=x null=null | ",
		nullable: " | a=x a=null null=x null=null | ",
	},
	{
		ops:      "Stream.Merge",
		plain:    " | a=r a=x a=null null=x null=null | ",
		nullable: " | a=r a=x a=null null=x null=null | ",
	},
	{
		ops:      "Stream.Map Stream.TryMap Stream.FlatMap Stream.TryFlatMap",
		plain:    "a:x a: :x : | a!=x+ a!=null !=x+ !=null | ",
		nullable: "a:x a:null null:x null:null | a!=x+ a!=null+ null!=x+ null!=null+ | ",
	},
	{
		ops:      "Stream.SelectKey",
		plain:    "a:x a: :x : | a!=x a!=null !=x !=null | ",
		nullable: "a:x a:null null:x null:null | a!=x a!=null null!=x null!=null | ",
	},
	{
		ops:      "Stream.MapValues Stream.FlatMapValues",
		plain:    "x x | a=x+ a=null null=x+ null=null | ",
		nullable: "x null x null | a=x+ a=null+ null=x+ null=null+ | ",
	},
	{
		ops: `Stream.MapValuesWithKey Stream.TryMapValues Stream.TryMapValuesAsync Stream.FlatMapValuesWithKey
			Stream.TryFlatMapValues`,
		plain:    "a:x :x | a=x+ a=null null=x+ null=null | ",
		nullable: "a:x a:null null:x null:null | a=x+ a=null+ null=x+ null=null+ | ",
	},
	{
		ops:      "Stream.Repartition",
		plain:    " | a=x a=null | ",
		nullable: " | a=x a=null | ",
	},
	{
		ops:      "Stream.GroupBy",
		plain:    "a:x a: :x : | a!=x !=x | null value 2",
		nullable: "a:x a:null null:x null:null | a!=x null!=x | null value 2",
	},
	{
		ops:      "Stream.ToTable Table.Suppress",
		plain:    " | a=x a=null | null key 2",
		nullable: " | a=x a=null | null key 2",
	},
	{
		ops:      "Stream.GroupByKey Grouped.Reduce Grouped.TryReduce SlidingWindowed.Reduce SlidingWindowed.TryReduce",
		plain:    " | a=x | null key 2, null value 1",
		nullable: " | a=x | null key 2, null value 1",
	},
	{
		ops:      "Grouped.Count SlidingWindowed.Count",
		plain:    " | a=| | null key 2, null value 1",
		nullable: " | a=| | null key 2, null value 1",
	},
	{
		ops: `Grouped.Aggregate Grouped.TryAggregate Grouped.Cogroup Grouped.TryCogroup Cogrouped.Aggregate
			Cogrouped.And Cogrouped.TryAnd Grouped.SlidingBy SlidingWindowed.Aggregate SlidingWindowed.TryAggregate
			SlidingWindowed.IdleAfter SlidingWindowed.OnLate Cogrouped.SlidingBy SlidingCogrouped.Aggregate`,
		plain:    "a:x | a=0x | null key 2, null value 1",
		nullable: "a:x | a=0x | null key 2, null value 1",
	},
	{
		ops:      "Grouped.AggregateBy SlidingWindowed.AggregateBy",
		plain:    "x | a=0x | null key 2, null value 1",
		nullable: "x | a=0x | null key 2, null value 1",
	},
	{
		ops: `Grouped.WindowedBy TimeWindowed.Aggregate TimeWindowed.TryAggregate TimeWindowed.IdleAfter
			TimeWindowed.OnLate Cogrouped.WindowedBy TimeCogrouped.Aggregate`,
		plain:    "a:x | a=0x | null key 2, null value 1",
		nullable: "a:x a:null | a=0x a=0xnull | null key 2",
	},
	{
		ops:      "TimeWindowed.Count SessionWindowed.Count",
		plain:    " | a=| a=|| | null key 2",
		nullable: " | a=| a=|| | null key 2",
	},
	{
		ops:      "TimeWindowed.Reduce SessionWindowed.Reduce",
		plain:    " | a=x | null key 2, null value 1",
		nullable: "null | a=x a=xnull | null key 2",
	},
	{
		ops:      "TimeWindowed.TryReduce SessionWindowed.TryReduce",
		plain:    " | a=x | null key 2, null value 1",
		nullable: "a:null | a=x a=xnull | null key 2",
	},
	{
		ops:      "TimeWindowed.AggregateBy",
		plain:    "x | a=0x | null key 2, null value 1",
		nullable: "x null | a=0x a=0xnull | null key 2",
	},
	{
		ops:      "TimeWindowed.EmitOnClose SessionWindowed.EmitOnClose",
		plain:    "a:x |  | null key 2, null value 1",
		nullable: "a:x a:null |  | null key 2",
	},
	{
		ops:      "SlidingWindowed.EmitOnClose",
		plain:    "a:x |  | null key 2, null value 1",
		nullable: "a:x |  | null key 2, null value 1",
	},
	{
		ops: `Grouped.SessionBy SessionWindowed.Aggregate SessionWindowed.TryAggregate SessionWindowed.IdleAfter
			SessionWindowed.OnLate Cogrouped.SessionBy SessionCogrouped.Aggregate`,
		plain:    "a:x | a=0x | null key 2, null value 1",
		nullable: "a:x a:null | a=0x a=0null | null key 2",
	},
	{
		ops:      "SessionWindowed.AggregateBy",
		plain:    "x | a=0x | null key 2, null value 1",
		nullable: "x null | a=0x a=0null | null key 2",
	},
	{
		ops: `Stream.Join Stream.JoinWithKey Stream.TryJoin Stream.JoinTable Stream.JoinTableWithKey
			Stream.TryJoinTable`,
		plain:    "x:r | a=xr | null key 2, null value 1",
		nullable: "x:r | a=xr | null key 2, null value 1",
	},
	{
		ops: `Stream.LeftJoin Stream.LeftJoinWithKey Stream.TryLeftJoin Stream.OuterJoin Stream.OuterJoinWithKey
			Stream.TryOuterJoin`,
		plain:    "x:r x: | a=xr null=x | null key 1, null value 1",
		nullable: "x:r x:null | a=xr null=xnull | null key 1, null value 1",
	},
	{
		ops:      "Stream.LeftJoinTable Stream.LeftJoinTableWithKey Stream.TryLeftJoinTable",
		plain:    "x:r x: | a=xr null=x | null value 2",
		nullable: "x:r x:null | a=xr null=xnull | null value 2",
	},
	{
		ops: `Stream.JoinGlobal Stream.JoinGlobalWithKey Stream.JoinGlobalWithKeys Stream.TryJoinGlobal
			Stream.TryJoinGlobalWithKeys`,
		plain:    "a:x x:r :x | a=xr | null value 2",
		nullable: "a:x x:r null:x | a=xr | null key 1, null value 2",
	},
	{
		ops: `Stream.LeftJoinGlobal Stream.LeftJoinGlobalWithKey Stream.LeftJoinGlobalWithKeys Stream.TryLeftJoinGlobal
			Stream.TryLeftJoinGlobalWithKeys`,
		plain:    "a:x x:r :x x: | a=xr null=x | null value 2",
		nullable: "a:x x:r null:x x:null | a=xr null=xnull | null value 2",
	},
	{
		ops:      "Table.Filter Table.FilterNot",
		plain:    "a:x a:x | a=x a=null | null key 2",
		nullable: "a:x a:x | a=x a=null | null key 2",
	},
	{
		ops:      "Table.MapValues",
		plain:    "x | a=x+ a=null | null key 2",
		nullable: "x | a=x+ a=null | null key 2",
	},
	{
		ops:      "Table.MapValuesWithKey Table.TryMapValues",
		plain:    "a:x | a=x+ a=null | null key 2",
		nullable: "a:x | a=x+ a=null | null key 2",
	},
	{
		ops:      "Table.TransformValues",
		plain:    "a:x a: | a=x+ a=null | null key 2",
		nullable: "a:x a:null | a=x+ a=null | null key 2",
	},
	{
		ops: `Table.Join Table.JoinWithKey Table.TryJoin Table.LeftJoin Table.LeftJoinWithKey Table.TryLeftJoin
			Table.JoinOn Table.TryJoinOn Table.LeftJoinOn Table.TryLeftJoinOn`,
		plain:    "x:r | a=xr a=null | null key 2",
		nullable: "x:r | a=xr a=null | null key 2",
	},
	{
		ops:      "Table.OuterJoin Table.OuterJoinWithKey Table.TryOuterJoin",
		plain:    "x:r :r | a=r a=xr a=r | null key 2",
		nullable: "x:r null:r | a=nullr a=xr a=nullr | null key 2",
	},
	{
		ops:      "Table.GroupBy GroupedTable.Aggregate GroupedTable.TryAggregate",
		plain:    "a:x a:x a:x | a=0x a=0 | null key 2",
		nullable: "a:x a:x a:x | a=0x a=0 | null key 2",
	},
	{
		ops:      "GroupedTable.AggregateBy",
		plain:    "a:x x a:x | a=0x a=0 | null key 2",
		nullable: "a:x x a:x | a=0x a=0 | null key 2",
	},
	{
		ops:      "GroupedTable.Reduce GroupedTable.TryReduce",
		plain:    "a:x a:x | a=x a= | null key 2",
		nullable: "a:x a:x | a=x a= | null key 2",
	},
	{
		ops:      "GroupedTable.Count",
		plain:    "a:x a:x | a=| a= | null key 2",
		nullable: "a:x a:x | a=| a= | null key 2",
	},
}

func wantOf(t *testing.T, op string) nullWant {
	for _, w := range nullWants {
		for o := range strings.FieldsSeq(w.ops) {
			if o == op {
				return w
			}
		}
	}
	require.Fail(t, "nothing is wanted of "+op)
	return nullWant{}
}
