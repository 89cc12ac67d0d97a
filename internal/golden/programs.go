package golden

import (
	"github.com/thalweg/thalweg/dsl"
	"github.com/thalweg/thalweg/internal/quirk"
	"github.com/thalweg/thalweg/topology"
	"github.com/thalweg/thalweg/windowing"
)

// plan is one topology of the suite while it is written.
type plan struct {
	b *dsl.Builder
}

// programs are the topologies of the suite by their id.
func programs() map[string]func(*plan) {
	return map[string]func(*plan){
		"stateless-filter-map":           statelessFilterMap,
		"stateless-flatmap":              statelessFlatMap,
		"stateless-selectkey-peek-merge": statelessSelectKeyPeekMerge,
		"stateless-branch":               statelessBranch,
		"stateless-repartition":          statelessRepartition,
		"stateless-to-dynamic":           statelessToDynamic,
		"stateless-process-headers":      statelessProcessHeaders,
		"stateless-multi-topic-source":   statelessMultiTopicSource,

		"papi-children-headers":      childrenHeaders,
		"papi-punctuate-stream-time": punctuateStreamTime,
		"papi-punctuate-wall-clock":  punctuateWallClock,
		"papi-kv-store-ops":          keyValueOps,

		"time-fail-on-invalid":           timeFailOnInvalid,
		"time-use-partition-time":        timePartitionTime,
		"choice-by-timestamp":            choiceByTimestamp,
		"error-deserialization-dlq":      decodeDeadLetter,
		"error-deserialization-fail":     decodeFail,
		"error-processing-fail":          processFail,
		"error-deserialization-continue": decodeContinue,
		"error-production-continue":      produceContinue,
		"time-log-and-skip":              timeSkip,

		"agg-count-uncached":                      countUncached,
		"agg-count-cached-manual":                 countCached,
		"agg-reduce-groupby":                      reduceGroupBy,
		"agg-aggregate-null-result":               aggregateNullResult(dsl.Uncached()),
		"agg-aggregate-null-result-cached-manual": aggregateNullResult(),
		"agg-reduce-inmemory-chain":               reduceInMemoryChain,

		"table-source-filter":                          tableSourceFilter,
		"table-filter-unmaterialized":                  tableFilterUnmaterialized,
		"table-mapvalues-chain":                        tableMapValuesChain,
		"table-from-stream":                            tableFromStream,
		"table-source-optimized":                       tableSourceOptimized,
		"headers-through-stateful":                     headersThroughStateful,
		"stream-table-inner":                           streamTableInner,
		"stream-table-left-repartitioned":              streamTableLeftRepartitioned,
		"table-table-inner":                            tableInner,
		"table-table-left":                             tableLeft,
		"table-table-outer":                            tableOuter,
		"table-table-outer-materialized-cached-manual": tableOuterMaterialized,
		"table-three-way":                              tableThreeWay,
		"task-idle":                                    taskIdle,
		"papi-window-store":                            windowOps,
		"papi-session-store":                           sessionOps,
		"papi-global-store":                            globalStore,
		"papi-dsl-mixed-store-shared":                  mixedStoreShared,
		"papi-supplier-stores":                         supplierStores,
		"table-filter-downstream-agg":                  tableFilterDownstreamAggregate,
		"table-groupby-aggregate":                      tableGroupByAggregate,
		"table-groupby-null-selector":                  tableGroupByNullSelector,
		"table-groupby-count-sum-cached-manual":        tableGroupByCountSum,
		"table-table-left-downstream-agg":              tableLeftDownstreamAggregate,
		"stream-globaltable":                           streamGlobalTable,
		"window-tumbling-count-nograce":                tumblingCountNoGrace,
		"window-tumbling-aggregate-grace":              tumblingAggregateGrace,
		"window-hopping-count":                         hoppingCount,
		"window-hopping-reduce-cached-manual":          hoppingReduceCached,
		"window-tumbling-inmemory":                     tumblingInMemory,
		"window-tumbling-null-agg":                     tumblingNullAggregate,
		"window-tumbling-emit-final":                   tumblingEmitFinal,
		"window-hopping-emit-final":                    hoppingEmitFinal,
		"window-table-join":                            windowTableJoin,
		"time-custom-extractor":                        timeCustomExtractor,
		"window-sliding-count":                         slidingCount,
		"window-sliding-aggregate":                     slidingAggregate,
		"window-sliding-cached-manual":                 slidingReduceCached,
		"cogroup-tumbling":                             cogroupTumbling,
		"cogroup-session":                              cogroupSession,
		"cogroup-sliding":                              cogroupSliding,
		"cogroup-plain":                                cogroupPlain,
		"session-count":                                sessionCount,
		"session-aggregate":                            sessionAggregate,
		"session-reduce-cached-manual":                 sessionReduceCached,
		"session-inmemory-nograce":                     sessionInMemory,
		"session-emit-final":                           sessionEmitFinal,
		"error-processing-continue-dlq":                processContinueDeadLetter,
		"stream-stream-inner":                          streamInner(windowing.Within(ms(10))),
		"stream-stream-left-join-grace":                streamLeft(windowing.Within(ms(10)).WithGrace(ms(5))),
		"stream-stream-outer-join-grace":               streamOuter("oj-store", windowing.Within(ms(8)).WithGrace(ms(12))),
		"stream-stream-inner-asymmetric":               streamInner(windowing.Within(0).WithBefore(ms(12)).WithAfter(ms(3))),
		"stream-stream-outer-asymmetric":               streamOuter("join", windowing.Within(ms(2)).WithGrace(ms(4)).WithBefore(ms(10))),
		"stream-stream-left-negative-window":           streamLeft(windowing.Within(0).WithBefore(ms(15)).WithAfter(ms(-5))),
		"stream-stream-left-repartitioned":             streamLeftRepartitioned,
		"stream-self-join":                             streamSelf,
		"stream-self-join-optimized":                   streamSelf,
		"stream-table-versioned":                       streamTableVersioned,
		"stream-table-versioned-grace":                 streamTableVersionedGrace,
		"table-table-versioned":                        tableJoinVersioned,
		"table-versioned-source":                       tableVersionedSource,
		"table-versioned-groupby":                      tableVersionedGroupBy,
		"papi-versioned-store":                         versionOps,
		"suppress-window-close":                        suppressWindowClose(dsl.Uncached()),
		"suppress-window-close-cached-manual":          suppressWindowClose(),
		"suppress-time-limit":                          suppressTimeLimit,
		"suppress-max-records":                         suppressMaxRecords,
		"suppress-time-limit-zero-agg":                 suppressTimeLimitZero,
		"suppress-windowed-time-limit":                 suppressWindowedTimeLimit,
		"suppress-session-close":                       suppressSessionClose,
		"fk-join-inner":                                fkInner,
		"fk-join-left":                                 fkLeft,
		"fk-join-keyvalue-extractor-cached":            fkKeyValueExtractor,
		"fk-join-unmaterialized-manual":                fkUnmaterialized,
		"names-default":                                namesDefault,
		"names-explicit":                               namesExplicit,
		"optimize-merge-repartition-off":               mergeRepartition,
		"optimize-merge-repartition-on":                mergeRepartition,
		"optimize-reuse-ktable":                        reuseTable,
		"table-transformvalues":                        tableTransformValues,
		"window-headers-store-format":                  headersStoreFormat,
	}
}

// Build makes the topology with the given id for a configuration of the
// recordings. It returns nil for an unknown id.
func Build(id string, config map[string]any) (*topology.Topology, error) {
	write := programs()[id]
	if write == nil {
		write = morePrograms()[id]
	}
	if write == nil {
		return nil, nil
	}
	p := &plan{b: dsl.NewBuilder().Reproduce(quirk.All).Use(textSerde).Use(longSerde)}
	if config["topology.optimization"] == "all" {
		p.b.Optimise(dsl.OptimiseAll)
	}
	write(p)
	return p.b.Build()
}
