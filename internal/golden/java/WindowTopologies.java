import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.Suppressed.BufferConfig;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** Aggregations in windows and sessions, and suppression. */
final class WindowTopologies {
    private WindowTopologies() { }

    static void addTo(Topologies all) {
        all.dsl("window-tumbling-count-nograce", b -> tumbling(b, 10, 0)
            .count(Vocabulary.longWindows("cnt").withRetention(Vocabulary.DAY).withCachingDisabled())
            .toStream().to("out", Vocabulary.timed(10, Vocabulary.L)));
        all.dsl("window-tumbling-aggregate-grace", b -> tumbling(b, 10, 15)
            .aggregate(Vocabulary.EMPTY, Vocabulary.APPEND, Vocabulary.textWindows("agg"))
            .toStream().to("out", Vocabulary.timed(10, Vocabulary.S)));
        all.dsl("window-hopping-count", b -> hopping(b, 10, 4, 6)
            .count(Vocabulary.longWindows("cnt").withRetention(Vocabulary.DAY).withCachingDisabled())
            .toStream().to("out", Vocabulary.timed(10, Vocabulary.L)));
        all.dsl("window-hopping-reduce-cached-manual", b -> hopping(b, 12, 5, 10)
            .reduce(Vocabulary.REDUCE, Vocabulary.textWindows("red"))
            .toStream().to("out", Vocabulary.timed(12, Vocabulary.S)));
        all.dsl("window-tumbling-inmemory", WindowTopologies::tumblingInMemory);
        all.dsl("window-tumbling-null-agg", b -> Vocabulary.longs(b, "in").groupByKey()
            .windowedBy(TimeWindows.ofSizeAndGrace(Vocabulary.ms(10), Vocabulary.ms(20)))
            .aggregate(Vocabulary.ZERO, Vocabulary.SUM_UNLESS_ZERO,
                Vocabulary.longWindows("agg").withRetention(Vocabulary.DAY).withCachingDisabled())
            .toStream().to("out", Vocabulary.timed(10, Vocabulary.L)));
        all.dsl("window-sliding-count", b -> sliding(b, 10, 0)
            .count(Vocabulary.longWindows("cnt").withRetention(Vocabulary.DAY).withCachingDisabled())
            .toStream().to("out", Vocabulary.timed(10, Vocabulary.L)));
        all.dsl("window-sliding-aggregate", b -> sliding(b, 8, 20)
            .aggregate(Vocabulary.EMPTY, Vocabulary.APPEND,
                Vocabulary.textWindows("agg").withRetention(Vocabulary.DAY).withCachingDisabled())
            .toStream().to("out", Vocabulary.timed(8, Vocabulary.S)));
        all.dsl("window-sliding-cached-manual", b -> sliding(b, 8, 20)
            .reduce(Vocabulary.REDUCE, Vocabulary.textWindows("red"))
            .toStream().to("out", Vocabulary.timed(8, Vocabulary.S)));
        all.dsl("window-tumbling-emit-final", b -> tumbling(b, 10, 5).emitStrategy(EmitStrategy.onWindowClose())
            .aggregate(Vocabulary.EMPTY, Vocabulary.APPEND,
                Vocabulary.textWindows("agg").withRetention(Vocabulary.DAY).withCachingDisabled())
            .toStream().to("out", Vocabulary.timed(10, Vocabulary.S)));
        all.dsl("window-hopping-emit-final", b -> hopping(b, 12, 5, 0).emitStrategy(EmitStrategy.onWindowClose())
            .count(Vocabulary.longWindows("cnt").withRetention(Vocabulary.DAY))
            .toStream().to("out", Vocabulary.timed(12, Vocabulary.L)));
        all.dsl("window-table-join", WindowTopologies::tableJoin);
        all.dsl("window-headers-store-format", WindowTopologies::headersFormat);
        addSessionsTo(all);
        addSuppressionsTo(all);
    }

    private static void addSessionsTo(Topologies all) {
        all.dsl("session-count", b -> Vocabulary.grouped(b, "in").windowedBy(sessions(10, 10))
            .count(Vocabulary.longSessions("cnt").withRetention(Vocabulary.DAY).withCachingDisabled())
            .toStream().to("out", Vocabulary.sessions(Vocabulary.L)));
        all.dsl("session-aggregate", b -> Vocabulary.grouped(b, "in").windowedBy(sessions(6, 40))
            .aggregate(Vocabulary.EMPTY, Vocabulary.APPEND, Vocabulary.MERGE,
                Vocabulary.textSessions("agg").withRetention(Vocabulary.DAY).withCachingDisabled())
            .toStream().to("out", Vocabulary.sessions(Vocabulary.S)));
        all.dsl("session-reduce-cached-manual", b -> Vocabulary.grouped(b, "in").windowedBy(sessions(10, 30))
            .reduce(Vocabulary.REDUCE, Vocabulary.textSessions("red"))
            .toStream().to("out", Vocabulary.sessions(Vocabulary.S)));
        all.dsl("session-inmemory-nograce", b -> Vocabulary.longs(b, "in").groupByKey().windowedBy(sessions(10, 0))
            .aggregate(Vocabulary.ZERO, Vocabulary.ADD, (k, x, y) -> x + y,
                Materialized.<String, Long>as(Stores.inMemorySessionStore("mem", Vocabulary.ms(200)))
                    .withKeySerde(Vocabulary.S).withValueSerde(Vocabulary.L).withCachingDisabled())
            .toStream().to("out", Vocabulary.sessions(Vocabulary.L)));
        all.dsl("session-emit-final", b -> Vocabulary.grouped(b, "in").windowedBy(sessions(8, 4))
            .emitStrategy(EmitStrategy.onWindowClose())
            .aggregate(Vocabulary.EMPTY, Vocabulary.APPEND, Vocabulary.MERGE,
                Vocabulary.textSessions("agg").withRetention(Vocabulary.DAY).withCachingDisabled())
            .toStream().to("out", Vocabulary.sessions(Vocabulary.S)));
    }

    private static void addSuppressionsTo(Topologies all) {
        all.dsl("suppress-window-close", b -> tumbling(b, 10, 5)
            .count(Vocabulary.longWindows("cnt").withCachingDisabled())
            .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()).withName("sup"))
            .toStream().to("out", Vocabulary.timed(10, Vocabulary.L)));
        all.dsl("suppress-window-close-cached-manual", b -> tumbling(b, 10, 5)
            .count(Vocabulary.longWindows("cnt"))
            .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()).withName("sup"))
            .toStream().to("out", Vocabulary.timed(10, Vocabulary.L)));
        all.dsl("suppress-time-limit", b -> Vocabulary.uncachedTable(b, "tab", "tab")
            .suppress(Suppressed.<String>untilTimeLimit(Vocabulary.ms(10), BufferConfig.maxRecords(1000)).withName("sup"))
            .toStream().to("out", Vocabulary.texts()));
        all.dsl("suppress-max-records", b -> Vocabulary.uncachedTable(b, "tab", "tab")
            .suppress(Suppressed.untilTimeLimit(Vocabulary.ms(1000), BufferConfig.maxRecords(3)))
            .mapValues(v -> v + "!").toStream().to("out", Vocabulary.texts()));
        all.dsl("suppress-time-limit-zero-agg", b -> Vocabulary.grouped(b, "in")
            .aggregate(Vocabulary.EMPTY, Vocabulary.APPEND, Vocabulary.texts("agg").withCachingDisabled())
            .suppress(Suppressed.<String>untilTimeLimit(Vocabulary.ms(0), BufferConfig.maxRecords(100)).withName("s0"))
            .toStream().to("out", Vocabulary.texts()));
        all.dsl("suppress-windowed-time-limit", b -> hopping(b, 10, 5, 20)
            .count(Vocabulary.longWindows("cnt").withCachingDisabled())
            .suppress(Suppressed.<Windowed<String>>untilTimeLimit(Vocabulary.ms(8), BufferConfig.maxRecords(6)).withName("sup"))
            .toStream().to("out", Vocabulary.timed(10, Vocabulary.L)));
        all.dsl("suppress-session-close", b -> Vocabulary.grouped(b, "in").windowedBy(sessions(8, 6))
            .aggregate(Vocabulary.EMPTY, Vocabulary.APPEND, Vocabulary.MERGE,
                Vocabulary.textSessions("ses").withCachingDisabled())
            .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()).withName("ssup"))
            .toStream().to("out", Vocabulary.sessions(Vocabulary.S)));
    }

    private static TimeWindowedKStream<String, String> tumbling(StreamsBuilder b, long size, long grace) {
        return Vocabulary.grouped(b, "in")
            .windowedBy(TimeWindows.ofSizeAndGrace(Vocabulary.ms(size), Vocabulary.ms(grace)));
    }

    private static TimeWindowedKStream<String, String> hopping(StreamsBuilder b, long size, long advance, long grace) {
        return Vocabulary.grouped(b, "in").windowedBy(
            TimeWindows.ofSizeAndGrace(Vocabulary.ms(size), Vocabulary.ms(grace)).advanceBy(Vocabulary.ms(advance)));
    }

    private static TimeWindowedKStream<String, String> sliding(StreamsBuilder b, long difference, long grace) {
        return Vocabulary.grouped(b, "in")
            .windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(Vocabulary.ms(difference), Vocabulary.ms(grace)));
    }

    private static SessionWindows sessions(long gap, long grace) {
        return SessionWindows.ofInactivityGapAndGrace(Vocabulary.ms(gap), Vocabulary.ms(grace));
    }

    private static void tumblingInMemory(StreamsBuilder b) {
        KTable<Windowed<String>, Long> sums = Vocabulary.longs(b, "in").groupByKey()
            .windowedBy(TimeWindows.ofSizeAndGrace(Vocabulary.ms(20), Vocabulary.ms(20)))
            .aggregate(Vocabulary.ZERO, Vocabulary.ADD,
                Materialized.<String, Long>as(Stores.inMemoryWindowStore("mem", Vocabulary.ms(100), Vocabulary.ms(20), false))
                    .withKeySerde(Vocabulary.S).withValueSerde(Vocabulary.L).withCachingDisabled());
        sums.toStream().to("out", Vocabulary.timed(20, Vocabulary.L));
        sums.filter((k, v) -> v >= 30).mapValues(v -> v * -1)
            .toStream(Vocabulary::winKey).to("big", Vocabulary.longs());
    }

    private static KTable<Windowed<String>, Long> windowCount(KStream<String, String> s, String store) {
        return s.groupByKey().windowedBy(TimeWindows.ofSizeAndGrace(Vocabulary.ms(10), Vocabulary.ms(20)))
            .count(Vocabulary.longWindows(store).withRetention(Vocabulary.DAY).withCachingDisabled());
    }

    private static void tableJoin(StreamsBuilder b) {
        KStream<String, String> x = Vocabulary.texts(b, "x");
        KStream<String, String> y = Vocabulary.texts(b, "y");
        KTable<Windowed<String>, Long> xc = windowCount(x, "xc");
        KTable<Windowed<String>, Long> yc = windowCount(y, "yc");
        xc.outerJoin(yc, Vocabulary::join).toStream(Vocabulary::winKey).to("out", Vocabulary.texts());
    }

    private static void headersFormat(StreamsBuilder b) {
        KStream<String, String> in = Vocabulary.texts(b, "in");
        in.groupByKey().count(Vocabulary.longs("cnt")).toStream().to("c", Vocabulary.longs());
        Materialized<String, String, WindowStore<Bytes, byte[]>> w = Vocabulary.textWindows("w");
        in.groupByKey().windowedBy(TimeWindows.ofSizeAndGrace(Vocabulary.ms(10), Vocabulary.ms(10)))
            .reduce(Vocabulary.REDUCE, w.withRetention(Vocabulary.DAY))
            .toStream(Vocabulary::winKey).to("w", Vocabulary.texts());
        KTable<String, String> tab = Vocabulary.uncachedTable(b, "tab", "tab");
        KTable<String, String> tab2 = Vocabulary.uncachedTable(b, "tab2", "tab2");
        tab.leftJoin(tab2, Vocabulary::join, Vocabulary.texts("j")).toStream().to("j", Vocabulary.texts());
    }
}
