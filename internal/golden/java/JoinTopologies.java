import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.TableJoined;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;

/** Joins of streams, tables and global tables. */
final class JoinTopologies {
    private JoinTopologies() { }

    static void addTo(Topologies all) {
        addStreamJoinsTo(all);
        addStreamTableJoinsTo(all);
        addTableJoinsTo(all);
        addForeignKeyJoinsTo(all);
    }

    private static JoinWindows within(long difference, long grace) {
        return JoinWindows.ofTimeDifferenceAndGrace(Vocabulary.ms(difference), Vocabulary.ms(grace));
    }

    /** Two sources, in the order in which they are written. */
    private interface Streams {
        KStream<String, String> join(KStream<String, String> left, KStream<String, String> right);
    }

    private static void streams(StreamsBuilder b, String left, String right, Streams join) {
        KStream<String, String> l = Vocabulary.texts(b, left);
        join.join(l, Vocabulary.texts(b, right)).to("out", Vocabulary.texts());
    }

    private static void addStreamJoinsTo(Topologies all) {
        all.dsl("stream-stream-inner", b -> streams(b, "left", "right", (l, r) ->
            l.join(r, Vocabulary::join, within(10, 0), Vocabulary.joined())));
        all.dsl("stream-stream-left-join-grace", b -> streams(b, "left", "right", (l, r) ->
            l.leftJoin(r, Vocabulary::join, within(10, 5), Vocabulary.joined())));
        all.dsl("stream-stream-outer-join-grace", b -> streams(b, "left", "right", (l, r) ->
            l.outerJoin(r, Vocabulary::join, within(8, 12), Vocabulary.joined().withName("oj").withStoreName("oj-store"))));
        all.dsl("stream-stream-inner-asymmetric", b -> streams(b, "left", "right", (l, r) ->
            l.join(r, Vocabulary::join, within(0, 0).before(Vocabulary.ms(12)).after(Vocabulary.ms(3)), Vocabulary.joined())));
        all.dsl("stream-stream-outer-asymmetric", b -> streams(b, "left", "right", (l, r) ->
            l.outerJoin(r, Vocabulary::join, within(2, 4).before(Vocabulary.ms(10)), Vocabulary.joined())));
        all.dsl("stream-stream-left-negative-window", b -> streams(b, "left", "right", (l, r) ->
            l.leftJoin(r, Vocabulary::join, within(0, 0).before(Vocabulary.ms(15)).after(Vocabulary.ms(-5)), Vocabulary.joined())));
        all.dsl("stream-stream-left-repartitioned", b -> streams(b, "left", "right", (l, r) ->
            l.selectKey(Vocabulary::first).leftJoin(
                r.map((k, v) -> v == null ? KeyValue.<String, String>pair(null, "nul")
                    : KeyValue.pair(Vocabulary.first(k, v), v + "r")),
                Vocabulary::joinWithKey, within(10, 10),
                StreamJoined.<String, String, String>with(new BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers())
                    .withKeySerde(Vocabulary.S).withValueSerde(Vocabulary.S).withOtherValueSerde(Vocabulary.S)
                    .withName("lj"))));
        all.dsl("stream-self-join", JoinTopologies::selfJoin);
        all.dsl("stream-self-join-optimized", JoinTopologies::selfJoin);
    }

    private static void selfJoin(StreamsBuilder b) {
        KStream<String, String> s = Vocabulary.texts(b, "in");
        s.join(s, Vocabulary::join, within(10, 3), Vocabulary.joined()).to("out", Vocabulary.texts());
    }


    private static void addStreamTableJoinsTo(Topologies all) {
        all.dsl("stream-table-inner", b -> {
            KStream<String, String> s = Vocabulary.texts(b, "s");
            s.join(Vocabulary.table(b, "t", "t"), Vocabulary::join).to("out", Vocabulary.texts());
        });
        all.dsl("task-idle", b -> {
            KStream<String, String> s = Vocabulary.texts(b, "s");
            s.join(Vocabulary.uncachedTable(b, "t", "t"), Vocabulary::join).to("out", Vocabulary.texts());
        });
        all.dsl("stream-table-left-repartitioned", b -> {
            KStream<String, String> s = Vocabulary.texts(b, "s");
            KTable<String, String> t = Vocabulary.table(b, "t", "t");
            s.selectKey((k, v) -> v == null || v.startsWith("n") ? null : Vocabulary.first(k, v))
                .leftJoin(t, Vocabulary::joinWithKey, Joined.with(Vocabulary.S, Vocabulary.S, Vocabulary.S, "slj"))
                .to("out", Vocabulary.texts());
        });
        all.dsl("stream-table-versioned", b -> {
            KStream<String, String> s = Vocabulary.texts(b, "s");
            s.leftJoin(Vocabulary.versionedTable(b, "t", "v", 60), Vocabulary::join).to("out", Vocabulary.texts());
        });
        all.dsl("stream-table-versioned-grace", b -> {
            KStream<String, String> s = Vocabulary.texts(b, "s");
            s.leftJoin(Vocabulary.versionedTable(b, "t", "v", 200), Vocabulary::join,
                    Joined.with(Vocabulary.S, Vocabulary.S, Vocabulary.S, "gj", Vocabulary.ms(20)))
                .to("out", Vocabulary.texts());
        });
        all.dsl("stream-globaltable", b -> {
            GlobalKTable<String, String> g = b.globalTable("g",
                Consumed.with(Vocabulary.S, Vocabulary.S), Vocabulary.texts("g-store"));
            KStream<String, String> s = Vocabulary.texts(b, "s");
            s.join(g, Vocabulary::first, Vocabulary::join).to("inner", Vocabulary.texts());
            s.leftJoin(g, (k, v) -> k, Vocabulary::joinWithKey).to("left", Vocabulary.texts());
        });
    }

    private interface Tables {
        KTable<String, String> join(KTable<String, String> left, KTable<String, String> right);
    }

    private static void uncached(StreamsBuilder b, Tables join) {
        KTable<String, String> l = Vocabulary.uncachedTable(b, "l", "l");
        join.join(l, Vocabulary.uncachedTable(b, "r", "r")).toStream().to("out", Vocabulary.texts());
    }

    private static void cached(StreamsBuilder b, Tables join) {
        KTable<String, String> l = Vocabulary.table(b, "l", "l");
        join.join(l, Vocabulary.table(b, "r", "r")).toStream().to("out", Vocabulary.texts());
    }

    private static void addTableJoinsTo(Topologies all) {
        all.dsl("table-table-inner", b -> uncached(b, (l, r) -> l.join(r, Vocabulary::join)));
        all.dsl("table-table-left", b -> uncached(b, (l, r) -> l.leftJoin(r, Vocabulary::join)));
        all.dsl("table-table-outer", b -> uncached(b, (l, r) -> l.outerJoin(r, Vocabulary::join)));
        all.dsl("table-table-outer-materialized-cached-manual", b -> cached(b, (l, r) ->
            l.outerJoin(r, Vocabulary::join, Vocabulary.texts("j"))));
        all.dsl("table-table-left-downstream-agg", JoinTopologies::leftDownstreamAggregate);
        all.dsl("table-three-way", b -> {
            KTable<String, String> x = Vocabulary.table(b, "x", "x");
            KTable<String, String> y = Vocabulary.table(b, "y", "y");
            KTable<String, String> z = Vocabulary.table(b, "z", "z");
            x.join(y, Vocabulary::join).outerJoin(z, Vocabulary::join, Vocabulary.texts("xyz"))
                .toStream().to("out", Vocabulary.texts());
        });
        all.dsl("table-table-versioned", b -> {
            KTable<String, String> l = Vocabulary.versionedTable(b, "l", "l", 500);
            KTable<String, String> r = Vocabulary.versionedTable(b, "r", "r", 500);
            l.join(r, Vocabulary::join).toStream().to("out", Vocabulary.texts());
        });
    }

    private static void leftDownstreamAggregate(StreamsBuilder b) {
        KTable<String, String> l = Vocabulary.uncachedTable(b, "l", "l");
        KTable<String, String> r = Vocabulary.uncachedTable(b, "r", "r");
        KTable<String, String> j = l.leftJoin(r, Vocabulary::join, Vocabulary.texts("j").withCachingDisabled());
        j.filter((k, v) -> !v.contains("9"))
            .groupBy((k, v) -> KeyValue.pair(v.endsWith(",null]") ? "without" : "with", v))
            .count(Vocabulary.longs("c").withCachingDisabled())
            .toStream().to("c", Vocabulary.longs());
        j.toStream().to("out", Vocabulary.texts());
    }

    private static void addForeignKeyJoinsTo(Topologies all) {
        all.dsl("fk-join-inner", b -> uncached(b, (l, r) ->
            l.join(r, Vocabulary::foreignKey, Vocabulary::join, Vocabulary.texts("j").withCachingDisabled())));
        all.dsl("fk-join-left", b -> uncached(b, (l, r) ->
            l.leftJoin(r, Vocabulary::foreignKey, Vocabulary::join, Vocabulary.texts("j").withCachingDisabled())));
        all.dsl("fk-join-keyvalue-extractor-cached", b -> cached(b, (l, r) ->
            l.leftJoin(r, (k, v) -> "d".equals(k) ? "f3" : Vocabulary.foreignKey(v), Vocabulary::join,
                TableJoined.as("fkj"), Vocabulary.texts("j"))));
        all.dsl("fk-join-unmaterialized-manual", b -> cached(b, (l, r) ->
            l.join(r, Vocabulary::foreignKey, Vocabulary::join)));
    }
}
