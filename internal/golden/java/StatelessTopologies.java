import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Record;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Topologies without state, and what happens to headers. */
final class StatelessTopologies {
    private StatelessTopologies() { }

    static void addTo(Topologies all) {
        all.dsl("stateless-filter-map", StatelessTopologies::filterMap);
        all.dsl("stateless-flatmap", StatelessTopologies::flatMap);
        all.dsl("stateless-selectkey-peek-merge", StatelessTopologies::selectKeyPeekMerge);
        all.dsl("stateless-branch", StatelessTopologies::branch);
        all.dsl("stateless-repartition", StatelessTopologies::repartition);
        all.dsl("stateless-to-dynamic", StatelessTopologies::toDynamic);
        all.dsl("stateless-process-headers", StatelessTopologies::processHeaders);
        all.dsl("stateless-multi-topic-source", StatelessTopologies::multiTopicSource);
        all.dsl("headers-through-stateful", StatelessTopologies::headersThroughStateful);
    }

    private static void filterMap(StreamsBuilder b) {
        Vocabulary.longs(b, "in")
            .filter((k, v) -> v == null || v >= 0)
            .filterNot((k, v) -> v != null && v == 13)
            .map((k, v) -> KeyValue.pair(k == null ? "NULL" : k.toUpperCase(), v == null ? null : v + 1))
            .mapValues(v -> v == null ? null : v * 10)
            .to("out", Vocabulary.longs());
    }

    private static List<String> words(String value) {
        return value == null ? List.of() : List.of(value.split(" ", -1));
    }

    private static void flatMap(StreamsBuilder b) {
        KStream<String, String> in = Vocabulary.texts(b, "in");
        in.flatMap((k, v) -> {
                List<KeyValue<String, String>> out = new ArrayList<>();
                List<String> words = words(v);
                for (int i = 0; i < words.size(); i++) {
                    if (!words.get(i).isEmpty()) {
                        out.add(KeyValue.pair(words.get(i), k + i));
                    }
                }
                return out;
            })
            .flatMapValues((k, v) -> k.startsWith("x") ? List.<String>of() : List.of(v, k + ":" + v))
            .mapValues((k, v) -> v + "|" + k)
            .to("out", Vocabulary.texts());
        in.flatMapValues(v -> words(v)).to("out2", Vocabulary.texts());
    }

    private static void selectKeyPeekMerge(StreamsBuilder b) {
        KStream<String, String> in1 = Vocabulary.texts(b, "in1");
        KStream<String, String> in2 = Vocabulary.texts(b, "in2");
        KStream<String, String> one = in1.selectKey(Vocabulary::first);
        KStream<String, String> two = in2.peek((k, v) -> { }).mapValues(v -> "m:" + v);
        one.merge(two).filterNot((k, v) -> k == null && v == null).to("out", Vocabulary.texts());
    }

    private static void branch(StreamsBuilder b) {
        KStream<String, Long> in = Vocabulary.longs(b, "in");
        Map<String, KStream<String, Long>> split = in.split(Named.as("br-"))
            .branch((k, v) -> v != null && v < 0, Branched.withFunction(s -> s.mapValues(v -> v * -1), "neg"))
            .branch((k, v) -> v != null && v % 2 == 0, Branched.withConsumer(s -> s.to("even", Vocabulary.longs())))
            .branch((k, v) -> v != null && v > 50, Branched.as("big"))
            .defaultBranch(Branched.as("rest"));
        split.get("br-neg").to("neg", Vocabulary.longs());
        split.get("br-big").to("big", Vocabulary.longs());
        split.get("br-rest").to("rest", Vocabulary.longs());
        in.split().branch((k, v) -> v != null && v == 7).noDefaultBranch().values().iterator().next()
            .mapValues(v -> v + 700)
            .to("seven", Vocabulary.longs());
    }

    private static void repartition(StreamsBuilder b) {
        KStream<String, String> in = Vocabulary.texts(b, "in");
        in.selectKey((k, v) -> v == null ? "n" : Vocabulary.last(v))
            .repartition(Repartitioned.<String, String>as("rp")
                .withKeySerde(Vocabulary.S).withValueSerde(Vocabulary.S).withNumberOfPartitions(1))
            .mapValues(v -> v + "!")
            .to("out", Vocabulary.texts());
        in.repartition(Repartitioned.with(Vocabulary.S, Vocabulary.S)).to("out2", Vocabulary.texts());
    }

    private static void toDynamic(StreamsBuilder b) {
        KStream<String, String> in = Vocabulary.texts(b, "in");
        in.to((k, v, context) -> context.headers().lastHeader("route") != null ? "out-hdr"
            : "out-" + Vocabulary.first(k, v), Vocabulary.texts());
        in.to((k, v, context) -> "par-" + (context.offset() % 2 == 0 ? "even" : "odd"), Vocabulary.texts());
    }

    private static void processHeaders(StreamsBuilder b) {
        KStream<String, String> in = Vocabulary.texts(b, "in");
        in.process(() -> new ContextualProcessor<String, String, String, String>() {
                @Override
                public void process(Record<String, String> r) {
                    if (r.value() == null) {
                        return;
                    }
                    Headers seen = new RecordHeaders(r.headers())
                        .add("seen", r.value().getBytes(StandardCharsets.UTF_8));
                    Headers without = new RecordHeaders(r.headers()).remove("h1");
                    context().forward(r.withHeaders(seen));
                    context().forward(r.withKey(r.key() + "2").withValue(r.value().toUpperCase())
                        .withTimestamp(r.timestamp() + 5).withHeaders(without));
                }
            })
            .processValues(() -> new ContextualFixedKeyProcessor<String, String, String>() {
                @Override
                public void process(FixedKeyRecord<String, String> r) {
                    if (r.value() == null || !r.value().endsWith("7")) {
                        context().forward(r.withValue(r.value() + "#" + r.headers().toArray().length));
                    }
                }
            })
            .to("out", Vocabulary.texts());
        in.processValues(() -> new ContextualFixedKeyProcessor<String, String, String>() {
                @Override
                public void process(FixedKeyRecord<String, String> r) {
                    context().forward(r.withValue("t" + r.timestamp()));
                    context().forward(r.withValue("o" + context().recordMetadata().get().offset())
                        .withTimestamp(r.timestamp() + 1));
                }
            })
            .to("out2", Vocabulary.texts());
    }

    private static void multiTopicSource(StreamsBuilder b) {
        KStream<String, String> mapped = b.stream(List.of("in1", "in2"), Consumed.with(Vocabulary.S, Vocabulary.S))
            .mapValues((k, v) -> k + "=" + v);
        mapped.to((k, v, context) -> "from-" + context.topic(), Vocabulary.texts());
        mapped.foreach((k, v) -> { });
    }

    private static void headersThroughStateful(StreamsBuilder b) {
        KStream<String, String> in = Vocabulary.texts(b, "in");
        in.groupByKey().count(Vocabulary.longs("cnt")).toStream().to("counts", Vocabulary.longs());
        in.selectKey(Vocabulary::first).groupByKey().reduce(Vocabulary.REDUCE, Vocabulary.texts("red"))
            .toStream().to("reduced", Vocabulary.texts());
        KTable<String, String> tab = Vocabulary.table(b, "tab", "tab-store");
        in.leftJoin(tab, Vocabulary::join).to("joined", Vocabulary.texts());
        tab.toStream().to("tabout", Vocabulary.texts());
    }
}
