import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

import java.util.Map;

/** Names, given and generated, and topologies that are optimised. */
final class NameTopologies {
    private NameTopologies() { }

    static void addTo(Topologies all) {
        all.dsl("names-default", NameTopologies::byDefault);
        all.dsl("names-explicit", NameTopologies::explicit);
        all.dsl("optimize-merge-repartition-off", NameTopologies::mergeRepartition);
        all.dsl("optimize-merge-repartition-on", NameTopologies::mergeRepartition);
        all.dsl("optimize-reuse-ktable", NameTopologies::reuseTable);
    }

    private static void byDefault(StreamsBuilder b) {
        KStream<String, String> in1 = Vocabulary.texts(b, "in1");
        KStream<String, String> in2 = Vocabulary.texts(b, "in2");
        KStream<String, String> s1 = in1.filter((k, v) -> v != null).selectKey(Vocabulary::first);
        KStream<String, String> s2 = in2.map((k, v) -> KeyValue.pair(k, v + "m"));
        s1.groupByKey().count().toStream().mapValues(n -> "n" + n).to("c", Vocabulary.texts());
        s2.join(s1, Vocabulary::join, JoinWindows.ofTimeDifferenceWithNoGrace(Vocabulary.ms(10)))
            .to("j", Vocabulary.texts());
        KTable<String, String> t = s1.toTable();
        s2.leftJoin(t, Vocabulary::join).to("lj", Vocabulary.texts());
        s1.groupBy((k, v) -> k + "x").windowedBy(TimeWindows.ofSizeWithNoGrace(Vocabulary.ms(10)))
            .reduce(Vocabulary.REDUCE).toStream(Vocabulary::winKey).to("w", Vocabulary.texts());
    }

    private static Produced<String, String> sink(String name) {
        return Vocabulary.texts().withName(name);
    }

    private static Consumed<String, String> source(String name) {
        return Consumed.with(Vocabulary.S, Vocabulary.S).withName(name);
    }

    private static void explicit(StreamsBuilder b) {
        KStream<String, String> in1 = b.stream("in1", source("src1"));
        KStream<String, String> in2 = b.stream("in2", source("src2"));
        KStream<String, String> keyed = in1.filter((k, v) -> v != null, Named.as("f"))
            .selectKey(Vocabulary::first, Named.as("sk"));
        keyed.groupByKey(Grouped.with("grp", Vocabulary.S, Vocabulary.S))
            .count(Named.as("cnt"), Vocabulary.longs("cnt-store"))
            .toStream(Named.as("ts")).mapValues(n -> "n" + n, Named.as("mv")).to("c", sink("snk"));
        KStream<String, String> mapped = in2.map((k, v) -> KeyValue.pair(k, v + "m"), Named.as("mp"));
        mapped.join(keyed, Vocabulary::join, JoinWindows.ofTimeDifferenceWithNoGrace(Vocabulary.ms(10)),
                Vocabulary.joined().withName("sj").withStoreName("sjstore"))
            .to("j", sink("snk2"));
        KTable<String, String> tab = b.table("tab", source("tsrc"), Vocabulary.texts("tabstore"));
        KTable<String, String> filtered = tab.filter((k, v) -> !v.contains("9"), Named.as("tf"), Vocabulary.texts("tfstore"));
        mapped.leftJoin(filtered, Vocabulary::join, Joined.with(Vocabulary.S, Vocabulary.S, Vocabulary.S, "stj"))
            .to("lj", sink("snk3"));
        Map<String, KStream<String, String>> split = in2.split(Named.as("spl"))
            .branch((k, v) -> v != null && v.contains("1"), Branched.as("-one"))
            .defaultBranch(Branched.as("-rest"));
        split.get("spl-one").merge(split.get("spl-rest"), Named.as("mrg"))
            .peek((k, v) -> { }, Named.as("pk")).to("m", sink("snk4"));
    }

    private static void mergeRepartition(StreamsBuilder b) {
        KStream<String, String> s = Vocabulary.texts(b, "in").selectKey(Vocabulary::first);
        s.mapValues(v -> v == null ? "null" : v.toUpperCase()).groupByKey()
            .count(Vocabulary.longs("cnt")).toStream().to("c", Vocabulary.longs());
        s.groupByKey().reduce(Vocabulary.REDUCE, Vocabulary.texts("red")).toStream().to("r", Vocabulary.texts());
        s.filter(Vocabulary::endsEven).groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(Vocabulary.ms(10)))
            .count(Vocabulary.longWindows("win")).toStream(Vocabulary::winKey).to("w", Vocabulary.longs());
        KTable<String, String> tab = Vocabulary.table(b, "tab", "tabs");
        s.leftJoin(tab, Vocabulary::join).to("j", Vocabulary.texts());
    }

    private static void reuseTable(StreamsBuilder b) {
        KTable<String, String> t = b.table("tab", Consumed.with(Vocabulary.S, Vocabulary.S));
        t.leftJoin(t.filter(Vocabulary::endsEven), Vocabulary::join).toStream().to("out", Vocabulary.texts());
        Vocabulary.texts(b, "tab2").join(t, Vocabulary::join).to("j", Vocabulary.texts());
    }
}
