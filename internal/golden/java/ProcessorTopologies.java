import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.processor.Cancellable;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Topologies built node by node, punctuations, and processors in the DSL. */
final class ProcessorTopologies {
    private static final long EPOCH = 1_000_000_000_000L;
    private static final Serializer<String> WRITE = Vocabulary.S.serializer();
    private static final Deserializer<String> READ = Vocabulary.S.deserializer();

    private ProcessorTopologies() { }

    static void addTo(Topologies all) {
        all.nodes("papi-children-headers", ProcessorTopologies::children);
        all.nodes("papi-punctuate-stream-time", t -> single(t, Ticker::new,
            Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore("kv"), Vocabulary.S, Vocabulary.S)));
        all.nodes("papi-punctuate-wall-clock", t -> single(t, Flusher::new,
            Stores.timestampedKeyValueStoreBuilder(Stores.persistentTimestampedKeyValueStore("buf"), Vocabulary.S, Vocabulary.S)));
        all.dsl("papi-global-store", ProcessorTopologies::globalStore);
        all.dsl("papi-dsl-mixed-store-shared", ProcessorTopologies::mixedStoreShared);
        all.dsl("papi-supplier-stores", ProcessorTopologies::supplierStores);
    }

    /** A source, one processor with a store, and a sink. */
    static void single(Topology t, ProcessorSupplier<String, String, String, String> processor, StoreBuilder<?> store) {
        t.addSource("SRC", READ, READ, "in")
            .addProcessor("PROC", processor, "SRC")
            .addStateStore(store, "PROC")
            .addSink("OUT", "out", WRITE, WRITE, "PROC");
    }

    private static void children(Topology t) {
        t.addSource("SRC", READ, READ, "in")
            .addProcessor("ROUTE", Route::new, "SRC")
            .addProcessor("UP", Up::new, "ROUTE")
            .addProcessor("PASS", Pass::new, "ROUTE")
            .addSink("S1", "up", WRITE, WRITE, "UP")
            .addSink("S2", "pass", WRITE, WRITE, "PASS", "ROUTE")
            .addSink("S3", "up2", WRITE, WRITE, "UP");
    }

    private static final class Route extends ContextualProcessor<String, String, String, String> {
        @Override
        public void process(Record<String, String> r) {
            if (r.value() == null) {
                context().forward(r.withValue("nil"));
            } else if (r.value().startsWith("u")) {
                context().forward(r, "UP");
            } else if (r.value().startsWith("p")) {
                context().forward(r.withHeaders(new RecordHeaders(r.headers())
                    .add("via", "route".getBytes(StandardCharsets.UTF_8))), "PASS");
            } else {
                context().forward(r.withTimestamp(r.timestamp() + 100), "S2");
            }
        }
    }

    private static final class Up extends ContextualProcessor<String, String, String, String> {
        @Override
        public void process(Record<String, String> r) {
            context().forward(r.withValue(r.value().toUpperCase()));
        }
    }

    private static final class Pass extends ContextualProcessor<String, String, String, String> {
        @Override
        public void process(Record<String, String> r) {
            context().forward(r);
            context().forward(r.withValue(r.value() + r.value()).withHeaders(new RecordHeaders()));
        }
    }

    /** Forwards the content of its store as stream time passes. */
    private static final class Ticker extends ContextualProcessor<String, String, String, String> {
        private KeyValueStore<String, String> kv;

        @Override
        public void init(ProcessorContext<String, String> context) {
            super.init(context);
            kv = context.getStateStore("kv");
            context.schedule(Vocabulary.ms(10), PunctuationType.STREAM_TIME, this::tell);
            context.schedule(Vocabulary.ms(25), PunctuationType.STREAM_TIME,
                now -> context.forward(new Record<>("tick", "t" + now, now)));
        }

        private void tell(long now) {
            List<String> keys = new ArrayList<>();
            try (KeyValueIterator<String, String> all = kv.all()) {
                all.forEachRemaining(e -> {
                    keys.add(e.key);
                    context().forward(new Record<>(e.key, "T" + now + ":" + e.value, now));
                });
            }
            if (keys.size() > 2) {
                kv.delete(keys.get(0));
            }
        }

        @Override
        public void process(Record<String, String> r) {
            if (r.key() == null) {
                return;
            }
            if (r.value() == null) {
                context().forward(r.withValue("del:" + kv.delete(r.key())));
            } else {
                kv.put(r.key(), r.value());
            }
        }
    }

    /** Forwards and empties its store as the wall clock moves. */
    private static final class Flusher extends ContextualProcessor<String, String, String, String> {
        private TimestampedKeyValueStore<String, String> buf;
        private Cancellable flushing;
        private int fired;

        @Override
        public void init(ProcessorContext<String, String> context) {
            super.init(context);
            buf = context.getStateStore("buf");
            flushing = context.schedule(Vocabulary.ms(100), PunctuationType.WALL_CLOCK_TIME, this::flush);
            context.schedule(Instant.ofEpochMilli(EPOCH + 35), Vocabulary.ms(70), PunctuationType.WALL_CLOCK_TIME,
                now -> context.forward(new Record<>("w", "w" + (now - EPOCH), now)));
            context.schedule(Vocabulary.ms(500), PunctuationType.WALL_CLOCK_TIME, now -> context.forward(new Record<>("c",
                "now=" + (context.currentSystemTimeMs() - EPOCH) + ",stream=" + context.currentStreamTimeMs(), now)));
        }

        private void flush(long now) {
            try (KeyValueIterator<String, ValueAndTimestamp<String>> all = buf.all()) {
                all.forEachRemaining(e -> {
                    context().forward(new Record<>(e.key, e.value.value(), e.value.timestamp()));
                    buf.delete(e.key);
                });
            }
            if (++fired == 3) {
                flushing.cancel();
            }
        }

        @Override
        public void process(Record<String, String> r) {
            if (r.key() != null) {
                buf.put(r.key(), ValueAndTimestamp.make(r.value(), r.timestamp()));
            }
        }
    }

    private static final class Marking implements Processor<String, String, Void, Void> {
        private KeyValueStore<String, String> gs;

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            gs = context.getStateStore("gs");
        }

        @Override
        public void process(Record<String, String> r) {
            if (r.key() != null) {
                gs.put(r.key(), r.value() == null ? null : r.value() + "!");
            }
        }
    }

    private static void globalStore(StreamsBuilder b) {
        b.addGlobalStore(Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore("gs"), Vocabulary.S, Vocabulary.S)
            .withLoggingDisabled(), "g", Consumed.with(Vocabulary.S, Vocabulary.S), Marking::new);
        Vocabulary.texts(b, "s").processValues(() -> new ContextualFixedKeyProcessor<String, String, String>() {
                @Override
                public void process(FixedKeyRecord<String, String> r) {
                    KeyValueStore<String, String> gs = context().getStateStore("gs");
                    context().forward(r.withValue(Vocabulary.join(r.value(), r.key() == null ? null : gs.get(r.key()))));
                }
            })
            .to("out", Vocabulary.texts());
    }

    private static void mixedStoreShared(StreamsBuilder b) {
        b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("shared"), Vocabulary.S, Vocabulary.L));
        KStream<String, String> added = Vocabulary.texts(b, "a")
            .process(() -> new ContextualProcessor<String, String, String, String>() {
                @Override
                public void process(Record<String, String> r) {
                    if (r.key() != null) {
                        context().forward(r.withValue(r.value() + "#" + next(context().getStateStore("shared"), r.key())));
                    }
                }
            }, Named.as("adder"), "shared");
        added.groupByKey().count(Vocabulary.longs("cnt").withCachingDisabled())
            .toStream().mapValues(n -> "c" + n).to("out", Vocabulary.texts());
        Vocabulary.texts(b, "b")
            .processValues(() -> new ContextualFixedKeyProcessor<String, String, String>() {
                @Override
                public void process(FixedKeyRecord<String, String> r) {
                    KeyValueStore<String, Long> shared = context().getStateStore("shared");
                    context().forward(r.withValue(r.value() + "=" + (r.key() == null ? null : shared.get(r.key()))));
                }
            }, Named.as("reader"), "shared")
            .to("read", Vocabulary.texts());
    }

    /** Counts one more for the key. */
    private static long next(KeyValueStore<String, Long> counts, String key) {
        Long n = counts.get(key);
        counts.put(key, n == null ? 1 : n + 1);
        return n == null ? 1 : n + 1;
    }

    /** Brings its stores along: the last value of each key and how many it had. */
    private static final class Remembering implements ProcessorSupplier<String, String, String, String> {
        @Override
        public Set<StoreBuilder<?>> stores() {
            return Set.of(
                Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore("last"), Vocabulary.S, Vocabulary.S).withLoggingDisabled(),
                Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("tot"), Vocabulary.S, Vocabulary.L).withCachingEnabled());
        }

        @Override
        public Processor<String, String, String, String> get() {
            return new ContextualProcessor<>() {
                @Override
                public void process(Record<String, String> r) {
                    if (r.key() == null) {
                        return;
                    }
                    KeyValueStore<String, String> last = context().getStateStore("last");
                    String previous = last.get(r.key());
                    last.put(r.key(), r.value());
                    long n = next(context().getStateStore("tot"), r.key());
                    context().forward(r.withValue(Vocabulary.join(previous, r.value()) + n));
                }
            };
        }
    }

    private static void supplierStores(StreamsBuilder b) {
        KStream<String, String> s = Vocabulary.texts(b, "in").process(new Remembering());
        s.to("out", Vocabulary.texts());
        s.selectKey((k, v) -> Vocabulary.last(v)).groupByKey().count(Vocabulary.longs("c").withCachingDisabled())
            .toStream().to("c", Vocabulary.longs());
    }
}
