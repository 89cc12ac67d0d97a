import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedTable;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.ValueTransformerWithKey;
import org.apache.kafka.streams.processor.ProcessorContext;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** Tables and their aggregations. */
final class TableTopologies {
    private TableTopologies() { }

    static void addTo(Topologies all) {
        all.dsl("table-source-filter", TableTopologies::sourceFilter);
        all.dsl("table-filter-unmaterialized", TableTopologies::filterUnmaterialized);
        all.dsl("table-filter-downstream-agg", TableTopologies::filterDownstreamAggregate);
        all.dsl("table-mapvalues-chain", TableTopologies::mapValuesChain);
        all.dsl("table-transformvalues", TableTopologies::transformValues);
        all.dsl("table-groupby-aggregate", b -> byFirst(Vocabulary.table(b, "tab", "tab"))
            .aggregate(Vocabulary.EMPTY, Vocabulary.APPEND, Vocabulary.SUBTRACT,
                Vocabulary.texts("agg").withCachingDisabled())
            .toStream().to("out", Vocabulary.texts()));
        all.dsl("table-groupby-null-selector", TableTopologies::groupByNullSelector);
        all.dsl("table-groupby-count-sum-cached-manual", TableTopologies::groupByCountSum);
        all.dsl("table-from-stream", TableTopologies::fromStream);
        all.dsl("table-source-optimized", b -> Vocabulary.uncachedTable(b, "tab", "tab")
            .mapValues(v -> v + "!").toStream().to("out", Vocabulary.texts()));
        all.dsl("table-versioned-source", TableTopologies::versionedSource);
        all.dsl("table-versioned-groupby", TableTopologies::versionedGroupBy);
    }

    private static KGroupedTable<String, String> byFirst(KTable<String, String> table) {
        return table.groupBy((k, v) -> KeyValue.pair(Vocabulary.first(k, v), v));
    }

    private static void sourceFilter(StreamsBuilder b) {
        KTable<String, String> tab = Vocabulary.uncachedTable(b, "tab", "tab");
        tab.toStream().to("raw", Vocabulary.texts());
        tab.filter(Vocabulary::endsEven).toStream().to("even", Vocabulary.texts());
        tab.filterNot(Vocabulary::startsX, Vocabulary.texts("notx").withCachingDisabled())
            .toStream().to("notx", Vocabulary.texts());
    }

    private static void filterUnmaterialized(StreamsBuilder b) {
        KTable<String, String> tab = b.table("tab", Consumed.with(Vocabulary.S, Vocabulary.S));
        tab.filter(Vocabulary::endsEven).toStream().to("even", Vocabulary.texts());
        tab.mapValues(v -> v + "!").filterNot(Vocabulary::startsX).toStream().to("notx", Vocabulary.texts());
    }

    private static void filterDownstreamAggregate(StreamsBuilder b) {
        KTable<String, Long> tab = b.table("tab", Consumed.with(Vocabulary.S, Vocabulary.L),
            Vocabulary.longs("tab").withCachingDisabled());
        tab.filter((k, v) -> v >= 50)
            .groupBy((k, v) -> KeyValue.pair("all", v), Grouped.with(Vocabulary.S, Vocabulary.L))
            .count(Vocabulary.longs("n").withCachingDisabled())
            .toStream().to("n", Vocabulary.longs());
    }

    private static void mapValuesChain(StreamsBuilder b) {
        KTable<String, String> tab = b.table("tab", Consumed.with(Vocabulary.S, Vocabulary.S));
        KTable<String, String> mapped = tab.mapValues((k, v) -> v + "@" + k);
        mapped.mapValues(v -> v.toUpperCase(), Vocabulary.texts("upper").withCachingDisabled())
            .filter((k, v) -> !(v.length() > 1 && v.charAt(1) == '7'), Vocabulary.texts("f"))
            .toStream().to("out", Vocabulary.texts());
        mapped.toStream((k, v) -> v == null ? "nil" : v).to("bykey", Vocabulary.texts());
    }

    private static void transformValues(StreamsBuilder b) {
        b.addStateStore(Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore("seen"), Vocabulary.S, Vocabulary.L));
        Vocabulary.uncachedTable(b, "tab", "tab")
            .transformValues(Numbered::new, Vocabulary.texts("tv").withCachingDisabled(), "seen")
            .toStream().to("out", Vocabulary.texts());
    }

    /** Appends to a value how many it is of its key. */
    private static final class Numbered implements ValueTransformerWithKey<String, String, String> {
        private KeyValueStore<String, Long> seen;

        @Override
        public void init(ProcessorContext context) {
            seen = context.getStateStore("seen");
        }

        @Override
        public String transform(String key, String value) {
            Long before = seen.get(key);
            long count = before == null ? 1 : before + 1;
            seen.put(key, count);
            return value == null ? null : value + "#" + count;
        }

        @Override
        public void close() { }
    }

    private static void groupByNullSelector(StreamsBuilder b) {
        Vocabulary.uncachedTable(b, "tab", "tab")
            .groupBy((k, v) -> v.startsWith("n") ? KeyValue.<String, String>pair(null, v)
                : KeyValue.pair(Vocabulary.first(k, v), v.startsWith("m") ? null : v))
            .reduce(Vocabulary.REDUCE, Vocabulary.UNREDUCE, Vocabulary.texts("red").withCachingDisabled())
            .toStream().to("out", Vocabulary.texts());
    }

    private static void groupByCountSum(StreamsBuilder b) {
        KTable<String, Long> tab = b.table("tab", Consumed.with(Vocabulary.S, Vocabulary.L), Vocabulary.longs("tab"));
        KGroupedTable<String, Long> byParity = tab.groupBy((k, v) -> KeyValue.pair(v % 2 == 0 ? "even" : "odd", v),
            Grouped.with(Vocabulary.S, Vocabulary.L));
        byParity.count(Vocabulary.longs("cnt")).toStream().to("cnt", Vocabulary.longs());
        byParity.aggregate(Vocabulary.ZERO, Vocabulary.ADD, Vocabulary.MINUS, Vocabulary.longs("sum"))
            .toStream().to("sum", Vocabulary.longs());
    }

    private static void fromStream(StreamsBuilder b) {
        KStream<String, String> in = Vocabulary.texts(b, "in");
        in.toTable(Vocabulary.texts("t1").withCachingDisabled()).toStream().to("t1", Vocabulary.texts());
        in.selectKey((k, v) -> v == null ? "z" : Vocabulary.first(k, v))
            .toTable(Vocabulary.texts("t2").withCachingDisabled()).toStream().to("t2", Vocabulary.texts());
    }

    private static void versionedSource(StreamsBuilder b) {
        KTable<String, String> tab = Vocabulary.versionedTable(b, "tab", "v", 50);
        tab.toStream().to("raw", Vocabulary.texts());
        tab.filter(Vocabulary::endsEven).toStream().to("even", Vocabulary.texts());
        tab.mapValues(v -> v + "!", Vocabulary.texts("m").withCachingDisabled())
            .toStream().to("mapped", Vocabulary.texts());
    }

    private static void versionedGroupBy(StreamsBuilder b) {
        KGroupedTable<String, String> grouped = byFirst(Vocabulary.versionedTable(b, "tab", "v", 1000));
        grouped.aggregate(Vocabulary.EMPTY, Vocabulary.APPEND, Vocabulary.SUBTRACT,
                Vocabulary.texts("agg").withCachingDisabled())
            .toStream().to("out", Vocabulary.texts());
        grouped.count(Vocabulary.longs("cnt").withCachingDisabled()).toStream().to("cnt", Vocabulary.longs());
    }
}
