import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.Stores;

/** Aggregations without windows, and of several streams together. */
final class AggregateTopologies {
    private AggregateTopologies() { }

    static void addTo(Topologies all) {
        all.dsl("agg-count-uncached", b -> Vocabulary.grouped(b, "in")
            .count(Vocabulary.longs("counts").withCachingDisabled()).toStream().to("out", Vocabulary.longs()));
        all.dsl("agg-count-cached-manual", b -> Vocabulary.grouped(b, "in")
            .count(Vocabulary.longs("counts")).toStream().to("out", Vocabulary.longs()));
        all.dsl("agg-reduce-groupby", b -> Vocabulary.texts(b, "in")
            .groupBy((k, v) -> v == null ? "n" : Vocabulary.first(k, v))
            .reduce(Vocabulary.REDUCE, Vocabulary.texts("red")).toStream().to("out", Vocabulary.texts()));
        all.dsl("agg-aggregate-null-result", b -> Vocabulary.longs(b, "in").groupByKey()
            .aggregate(Vocabulary.ZERO, Vocabulary.SUM_UNLESS_ZERO, Vocabulary.longs("sum").withCachingDisabled())
            .toStream().to("out", Vocabulary.longs()));
        all.dsl("agg-aggregate-null-result-cached-manual", b -> Vocabulary.longs(b, "in").groupByKey()
            .aggregate(Vocabulary.ZERO, Vocabulary.SUM_UNLESS_ZERO, Vocabulary.longs("sum"))
            .toStream().to("out", Vocabulary.longs()));
        all.dsl("agg-reduce-inmemory-chain", AggregateTopologies::inMemoryChain);
        all.dsl("cogroup-plain", AggregateTopologies::cogroupPlain);
        all.dsl("cogroup-tumbling", AggregateTopologies::cogroupTumbling);
        all.dsl("cogroup-session", AggregateTopologies::cogroupSession);
        all.dsl("cogroup-sliding", AggregateTopologies::cogroupSliding);
    }

    private static void inMemoryChain(StreamsBuilder b) {
        KTable<String, String> app = Vocabulary.grouped(b, "in").aggregate(Vocabulary.EMPTY, Vocabulary.APPEND,
            Materialized.<String, String>as(Stores.inMemoryKeyValueStore("app"))
                .withKeySerde(Vocabulary.S).withValueSerde(Vocabulary.S));
        app.filter((k, v) -> v.length() % 2 == 0).mapValues(v -> (long) v.length()).toStream().to("len", Vocabulary.longs());
        app.toStream().groupBy((k, v) -> v.substring(1, 2))
            .count(Materialized.<String, Long>as(Stores.inMemoryKeyValueStore("byfirst"))
                .withKeySerde(Vocabulary.S).withValueSerde(Vocabulary.L))
            .toStream().to("byfirst", Vocabulary.longs());
    }

    private static void cogroupPlain(StreamsBuilder b) {
        KStream<String, String> a = Vocabulary.texts(b, "a");
        KStream<String, String> other = Vocabulary.texts(b, "b");
        KStream<String, String> c = Vocabulary.texts(b, "c");
        a.groupByKey().cogroup(Vocabulary.tag("a(", ")"))
            .cogroup(other.groupByKey(), Vocabulary.tag("b(", ")"))
            .cogroup(c.groupBy(Vocabulary::first), Vocabulary.tag("c(", ")"))
            .aggregate(Vocabulary.EMPTY, Vocabulary.texts("cg").withCachingDisabled())
            .toStream().to("out", Vocabulary.texts());
    }

    private static void cogroupTumbling(StreamsBuilder b) {
        KGroupedStream<String, String> a = Vocabulary.grouped(b, "a");
        KGroupedStream<String, String> other = Vocabulary.grouped(b, "b");
        a.cogroup(Vocabulary.tag("A", "")).cogroup(other, Vocabulary.tag("B", ""))
            .windowedBy(TimeWindows.ofSizeAndGrace(Vocabulary.ms(10), Vocabulary.ms(5)))
            .aggregate(Vocabulary.EMPTY, Vocabulary.textWindows("cgw").withCachingDisabled())
            .toStream().to("out", Vocabulary.timed(10, Vocabulary.S));
    }

    private static void cogroupSession(StreamsBuilder b) {
        KGroupedStream<String, String> a = Vocabulary.grouped(b, "a");
        KGroupedStream<String, String> other = Vocabulary.grouped(b, "b");
        a.cogroup(Vocabulary.tag("A", "")).cogroup(other, Vocabulary.tag("B", ""))
            .windowedBy(SessionWindows.ofInactivityGapAndGrace(Vocabulary.ms(10), Vocabulary.ms(10)))
            .aggregate(Vocabulary.EMPTY, Vocabulary.MERGE, Vocabulary.textSessions("cgs").withCachingDisabled())
            .toStream().to("out", Vocabulary.sessions(Vocabulary.S));
    }

    private static void cogroupSliding(StreamsBuilder b) {
        KGroupedStream<String, Long> a = Vocabulary.longs(b, "a").groupByKey();
        KGroupedStream<String, Long> other = Vocabulary.longs(b, "b").groupByKey();
        a.cogroup(Vocabulary.ADD).cogroup(other, Vocabulary.MINUS)
            .windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(Vocabulary.ms(10), Vocabulary.ms(8)))
            .aggregate(Vocabulary.ZERO, Vocabulary.longWindows("cgl").withCachingDisabled())
            .toStream().to("out", Vocabulary.timed(10, Vocabulary.L));
    }
}
