import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Branched;
import org.apache.kafka.streams.kstream.BranchedKStream;
import org.apache.kafka.streams.kstream.CogroupedKStream;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KGroupedTable;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TableJoined;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** Builds a random program (random/program.go) with the DSL. Keys and values are objects: text, numbers, windowed text. */
@SuppressWarnings({"unchecked", "rawtypes"})
final class RandomProgram {
    private static final Serde<Object> TEXT = (Serde) Serdes.String();
    private static final Serde<Object> COUNT = (Serde) Serdes.Long();

    /** What a node is, one of the first four, and the serdes of its keys and values. */
    private record Made(KStream<Object, Object> stream, KTable<Object, Object> table, GlobalKTable<Object, Object> global,
            List<KStream<Object, Object>> cases, Serde<Object> keys, Serde<Object> values) {
        static Made of(KStream s, Serde<Object> keys, Serde<Object> values) {
            return new Made(s, null, null, null, keys, values);
        }

        static Made of(KTable t, Serde<Object> keys, Serde<Object> values) {
            return new Made(null, t, null, null, keys, values);
        }
    }

    private final StreamsBuilder builder;
    private final List<Made> made = new ArrayList<>();

    private final boolean plain;
    private final Function<Object, Object> seen;

    private RandomProgram(StreamsBuilder builder, boolean plain) {
        this.builder = builder;
        this.plain = plain;
        this.seen = o -> plain && o == null ? "" : o;
    }

    static void write(StreamsBuilder builder, JsonNode program) {
        RandomProgram p = new RandomProgram(builder, program.path("plain").asBoolean());
        for (JsonNode n : program.get("nodes")) {
            p.made.add(p.add(n));
        }
    }

    private Made add(JsonNode n) {
        String op = n.get("op").asText();
        String topic = n.path("topic").asText();
        switch (op) {
            case "stream":
                return Made.of(builder.stream(topic, Consumed.with(TEXT, TEXT)), TEXT, TEXT);
            case "table":
                return Made.of(n.has("store") ? builder.table(topic, Consumed.with(TEXT, TEXT), keyValue(n, TEXT, TEXT))
                    : builder.table(topic, Consumed.with(TEXT, TEXT)), TEXT, TEXT);
            case "global":
                return new Made(null, null, builder.globalTable(topic, Consumed.with(TEXT, TEXT), keyValue(n, TEXT, TEXT)), null, TEXT, TEXT);
            case "case":
                return Made.of(in(n, 0).cases.get(n.path("case").asInt()), TEXT, TEXT);
            case "cogroup":
                return cogroup(n);
            default:
        }
        return in(n, 0).stream != null ? stream(n, op, in(n, 0)) : table(n, op, in(n, 0));
    }

    private Made in(JsonNode n, int i) {
        return made.get(n.get("in").get(i).asInt());
    }

    private static Duration ms(JsonNode n) {
        return Duration.ofMillis(n.asLong());
    }

    private Made stream(JsonNode n, String op, Made in) {
        KStream<Object, Object> s = in.stream;
        String f = n.path("f").asText();
        String key = n.path("key").asText();
        switch (op) {
            case "filter":
                return Made.of(s.filter((k, v) -> test(f, k, v)), in.keys, in.values);
            case "filterNot":
                return Made.of(s.filterNot((k, v) -> test(f, k, v)), in.keys, in.values);
            case "mapValues":
                return Made.of(s.mapValues((k, v) -> map(f, k, v)), in.keys, TEXT);
            case "map":
                return Made.of(s.map((k, v) -> KeyValue.pair(select(key, k, v), map(f, k, v))), TEXT, TEXT);
            case "selectKey":
                return Made.of(s.selectKey((k, v) -> select(key, k, v)), TEXT, in.values);
            case "flatMap":
                return Made.of(s.flatMap((k, v) -> spread(f, k, v)), TEXT, TEXT);
            case "flatMapValues":
                return Made.of(s.flatMapValues((k, v) -> spreadValues(f, k, v)), in.keys, TEXT);
            case "merge":
                return Made.of(s.merge(in(n, 1).stream), TEXT, TEXT);
            case "split": {
                BranchedKStream<Object, Object> split = s.split();
                List<KStream<Object, Object>> cases = new ArrayList<>();
                for (JsonNode p : n.get("cases")) {
                    String name = p.asText();
                    split.branch((k, v) -> test(name, k, v), Branched.withConsumer(cases::add));
                }
                split.defaultBranch(Branched.withConsumer(cases::add));
                return new Made(null, null, null, cases, TEXT, TEXT);
            }
            case "repartition":
                return Made.of(s.repartition(Repartitioned.with(TEXT, TEXT).withName(f)), TEXT, TEXT);
            case "toTable":
                return Made.of(s.toTable(keyValue(n, TEXT, TEXT)), TEXT, TEXT);
            case "aggregate":
                return aggregate(n, key.isEmpty() ? present(n, s).groupByKey(Grouped.with(TEXT, TEXT))
                    : present(n, s).groupBy((k, v) -> select(key, k, v), Grouped.with(TEXT, TEXT)));
            case "join":
                return Made.of(joinStreams(n, s, in(n, 1).stream), TEXT, TEXT);
            case "joinTable": {
                Joined joined = Joined.with(TEXT, TEXT, in(n, 1).values, f);
                if (n.has("grace")) {
                    joined = joined.withGracePeriod(ms(n.get("grace")));
                }
                KTable<Object, Object> t = in(n, 1).table;
                return Made.of(n.get("kind").asText().equals("left") ? s.leftJoin(t, this::join, joined)
                    : s.join(t, this::join, joined), TEXT, TEXT);
            }
            case "process":
                return Made.of(s.process(RandomProcessor.supplier(n, seen), Named.as(n.get("store").get("name").asText() + "-node")), TEXT, TEXT);
            case "joinGlobal": {
                GlobalKTable<Object, Object> g = in(n, 1).global;
                return Made.of(n.get("kind").asText().equals("left")
                    ? s.leftJoin(g, (k, v) -> select(key, k, v), this::join)
                    : s.join(g, (k, v) -> select(key, k, v), this::join), TEXT, TEXT);
            }
            case "to":
                s.to(n.get("topic").asText(), Produced.with(in.keys, in.values));
                return null;
            default:
                throw new IllegalArgumentException(op);
        }
    }

    private Made table(JsonNode n, String op, Made in) {
        KTable<Object, Object> t = in.table;
        String f = n.path("f").asText();
        boolean stored = n.has("store");
        switch (op) {
            case "filter":
                return Made.of(stored ? t.filter((k, v) -> test(f, k, v), keyValue(n, in.keys, in.values))
                    : t.filter((k, v) -> test(f, k, v)), in.keys, in.values);
            case "filterNot":
                return Made.of(stored ? t.filterNot((k, v) -> test(f, k, v), keyValue(n, in.keys, in.values))
                    : t.filterNot((k, v) -> test(f, k, v)), in.keys, in.values);
            case "mapValues":
                return Made.of(stored ? t.mapValues((k, v) -> map(f, k, v), keyValue(n, in.keys, TEXT))
                    : t.mapValues((k, v) -> map(f, k, v)), in.keys, TEXT);
            case "toStream":
                return Made.of(t.toStream(), in.keys, in.values);
            case "suppress": {
                JsonNode s = n.path("suppress");
                Suppressed how = n.get("kind").asText().equals("close")
                    ? Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()).withName(f)
                    : Suppressed.untilTimeLimit(ms(s.path("wait")), s.path("max").asInt() > 0
                        ? Suppressed.BufferConfig.maxRecords(s.get("max").asInt()).emitEarlyWhenFull()
                        : Suppressed.BufferConfig.unbounded()).withName(f);
                return Made.of(t.suppress(how), in.keys, in.values);
            }
            case "aggregate": {
                String key = n.get("key").asText();
                return aggregateTable(n, t.groupBy((k, v) -> KeyValue.pair(select(key, k, v), seen(Functions.text(v))), Grouped.with(TEXT, TEXT)));
            }
            case "join": {
                KTable<Object, Object> r = in(n, 1).table;
                Materialized m = stored ? keyValue(n, in.keys, TEXT) : null;
                return Made.of(switch (n.get("kind").asText()) {
                    case "left" -> stored ? t.leftJoin(r, this::join, m) : t.leftJoin(r, this::join);
                    case "outer" -> stored ? t.outerJoin(r, this::join, m) : t.outerJoin(r, this::join);
                    default -> stored ? t.join(r, this::join, m) : t.join(r, this::join);
                }, in.keys, TEXT);
            }
            case "foreign": {
                KTable<Object, Object> r = in(n, 1).table;
                String key = n.get("key").asText();
                Materialized m = stored ? keyValue(n, TEXT, TEXT) : Materialized.with(TEXT, TEXT);
                java.util.function.BiFunction<Object, Object, Object> fk = (k, v) -> Functions.select(key, k, v);
                TableJoined<Object, Object> name = TableJoined.as("fk" + made.size());
                return Made.of(n.get("kind").asText().equals("left") ? t.leftJoin(r, fk, this::join, name, m)
                    : t.join(r, fk, this::join, name, m), TEXT, TEXT);
            }
            case "to":
                t.toStream().to(n.get("topic").asText(), Produced.with(in.keys, in.values));
                return null;
            default:
                throw new IllegalArgumentException(op);
        }
    }

    // Plain programs stand for types without a null: functions see "" in place of one, and give it, and null values stay null.

    private Object seen(Object o) {
        return seen.apply(o);
    }

    private boolean test(String f, Object k, Object v) {
        return Functions.test(f, seen(k), seen(v));
    }

    private Object map(String f, Object k, Object v) {
        return plain && v == null ? null : seen(Functions.map(f, seen(k), v));
    }

    private Object select(String f, Object k, Object v) {
        return seen(Functions.select(f, seen(k), seen(v)));
    }

    private List<KeyValue<Object, Object>> spread(String f, Object k, Object v) {
        List<KeyValue<Object, Object>> out = Functions.spread(f, seen(k), seen(v));
        return !plain ? out : out.stream().map(kv -> KeyValue.pair(seen(kv.key), v == null ? null : seen(kv.value))).toList();
    }

    private List<Object> spreadValues(String f, Object k, Object v) {
        return plain && v == null ? Collections.singletonList(null) : values(spread(f, k, v));
    }

    private static List<Object> values(List<KeyValue<Object, Object>> list) {
        List<Object> out = new ArrayList<>();
        list.forEach(kv -> out.add(kv.value));
        return out;
    }

    private String reduce(String f, Object a, Object v) {
        return (String) seen(Functions.reduce(f, seen(a), seen(v)));
    }

    private Object join(Object l, Object r) {
        return Functions.joined(seen(l), seen(r));
    }

    /** Leaves out null values where windows of plain types are aggregated, which take none. */
    private KStream<Object, Object> present(JsonNode n, KStream<Object, Object> s) {
        return plain && n.has("window") && !n.path("agg").asText().equals("count") ? s.filter((k, v) -> v != null) : s;
    }

    private KStream<Object, Object> joinStreams(JsonNode n, KStream<Object, Object> l, KStream<Object, Object> r) {
        JsonNode j = n.get("join");
        JoinWindows w = JoinWindows.ofTimeDifferenceAndGrace(Duration.ZERO, ms(j.get("grace"))).before(ms(j.get("before"))).after(ms(j.get("after")));
        String name = n.get("store").get("name").asText();
        StreamJoined<Object, Object, Object> joined = StreamJoined.with(TEXT, TEXT, TEXT).withName(name).withStoreName(name);
        if (n.get("store").path("memory").asBoolean()) {
            joined = joined.withDslStoreSuppliers(BuiltInDslStoreSuppliers.IN_MEMORY);
        }
        return switch (n.get("kind").asText()) {
            case "left" -> l.leftJoin(r, this::join, w, joined);
            case "outer" -> l.outerJoin(r, this::join, w, joined);
            default -> l.join(r, this::join, w, joined);
        };
    }

    private Made aggregate(JsonNode n, KGroupedStream<Object, Object> g) {
        String[] agg = n.get("agg").asText().split(":");
        String how = agg[0];
        String f = agg.length > 1 ? agg[1] : "";
        Serde<Object> values = how.equals("count") ? COUNT : TEXT;
        JsonNode w = n.path("window");
        switch (w.path("kind").asText()) {
            case "": {
                Materialized m = keyValue(n, TEXT, values);
                return Made.of(switch (how) {
                    case "count" -> g.count(m);
                    case "reduce" -> g.reduce((a, v) -> reduce(f, a, v), m);
                    default -> g.aggregate(() -> "", (k, v, a) -> reduce(f, a, v), m);
                }, TEXT, values);
            }
            case "session": {
                var s = g.windowedBy(sessions(w));
                if (w.path("final").asBoolean()) {
                    s = s.emitStrategy(EmitStrategy.onWindowClose());
                }
                Materialized m = session(n, values);
                return Made.of(switch (how) {
                    case "count" -> s.count(m);
                    case "reduce" -> s.reduce((a, v) -> reduce(f, a, v), m);
                    default -> s.aggregate(() -> "", (k, v, a) -> reduce(f, a, v), (k, a, b) -> Functions.merged(seen(a), seen(b)), m);
                }, keys(w), values);
            }
            default: {
                var t = w.get("kind").asText().equals("sliding") ? g.windowedBy(sliding(w)) : g.windowedBy(times(w));
                if (w.path("final").asBoolean()) {
                    t = t.emitStrategy(EmitStrategy.onWindowClose());
                }
                Materialized m = window(n, values);
                return Made.of(switch (how) {
                    case "count" -> t.count(m);
                    case "reduce" -> t.reduce((a, v) -> reduce(f, a, v), m);
                    default -> t.aggregate(() -> "", (k, v, a) -> reduce(f, a, v), m);
                }, keys(w), values);
            }
        }
    }

    private Made aggregateTable(JsonNode n, KGroupedTable<Object, Object> g) {
        String[] agg = n.get("agg").asText().split(":");
        Serde<Object> values = agg[0].equals("count") ? COUNT : TEXT;
        Materialized m = keyValue(n, TEXT, values);
        return Made.of(switch (agg[0]) {
            case "count" -> g.count(m);
            case "reduce" -> g.reduce((a, v) -> reduce(agg[1], a, v), (a, v) -> reduce("minus", a, v), m);
            default -> g.aggregate(() -> "", (k, v, a) -> reduce(agg[1], a, v), (k, v, a) -> reduce("minus", a, v), m);
        }, TEXT, values);
    }

    private Made cogroup(JsonNode n) {
        CogroupedKStream<Object, Object> c = null;
        for (int i = 0; i < n.get("in").size(); i++) {
            KStream<Object, Object> s = present(n, in(n, i).stream);
            String key = n.get("keys").get(i).asText();
            String mark = String.valueOf((char) ('A' + i));
            Grouped<Object, Object> grouped = Grouped.with(n.get("store").get("name").asText() + mark, TEXT, TEXT);
            KGroupedStream<Object, Object> g = key.isEmpty() ? s.groupByKey(grouped)
                : s.groupBy((k, v) -> select(key, k, v), grouped);
            org.apache.kafka.streams.kstream.Aggregator<Object, Object, Object> add =
                (k, v, a) -> Functions.made(Functions.show(Functions.text(seen(a))) + mark + Functions.show(Functions.text(seen(v))));
            c = c == null ? g.cogroup(add) : c.cogroup(g, add);
        }
        JsonNode w = n.path("window");
        return switch (w.path("kind").asText()) {
            case "" -> Made.of(c.aggregate(() -> "", (Materialized) keyValue(n, TEXT, TEXT)), TEXT, TEXT);
            case "session" -> Made.of(c.windowedBy(sessions(w)).aggregate(() -> "", (k, a, b) -> Functions.merged(seen(a), seen(b)), (Materialized) session(n, TEXT)), keys(w), TEXT);
            case "sliding" -> Made.of(c.windowedBy(sliding(w)).aggregate(() -> "", (Materialized) window(n, TEXT)), keys(w), TEXT);
            default -> Made.of(c.windowedBy(times(w)).aggregate(() -> "", (Materialized) window(n, TEXT)), keys(w), TEXT);
        };
    }

    private static TimeWindows times(JsonNode w) {
        return TimeWindows.ofSizeAndGrace(ms(w.get("size")), ms(w.get("grace"))).advanceBy(ms(w.get("advance")));
    }

    private static SlidingWindows sliding(JsonNode w) {
        return SlidingWindows.ofTimeDifferenceAndGrace(ms(w.get("size")), ms(w.get("grace")));
    }

    private static SessionWindows sessions(JsonNode w) {
        return SessionWindows.ofInactivityGapAndGrace(ms(w.get("size")), ms(w.get("grace")));
    }

    private static Serde<Object> keys(JsonNode w) {
        return w.get("kind").asText().equals("session") ? (Serde) WindowedSerdes.sessionWindowedSerdeFrom(String.class)
            : (Serde) WindowedSerdes.timeWindowedSerdeFrom(String.class, w.get("size").asLong());
    }

    private static Materialized<Object, Object, KeyValueStore<Bytes, byte[]>> keyValue(JsonNode n, Serde<Object> keys, Serde<Object> values) {
        JsonNode s = n.get("store");
        if (s.has("history")) {
            return Materialized.<Object, Object>as(Stores.persistentVersionedKeyValueStore(s.get("name").asText(), ms(s.get("history"))))
                .withKeySerde(keys).withValueSerde(values);
        }
        return options(Materialized.as(s.get("name").asText()), s, keys, values);
    }

    private static Materialized<Object, Object, WindowStore<Bytes, byte[]>> window(JsonNode n, Serde<Object> values) {
        return options(Materialized.as(n.get("store").get("name").asText()), n.get("store"), TEXT, values);
    }

    private static Materialized<Object, Object, SessionStore<Bytes, byte[]>> session(JsonNode n, Serde<Object> values) {
        return options(Materialized.as(n.get("store").get("name").asText()), n.get("store"), TEXT, values);
    }

    private static <S extends StateStore> Materialized<Object, Object, S> options(Materialized<Object, Object, S> m, JsonNode s, Serde<Object> keys, Serde<Object> values) {
        m = m.withKeySerde(keys).withValueSerde(values);
        if (s.path("uncached").asBoolean()) {
            m = m.withCachingDisabled();
        }
        if (s.path("memory").asBoolean()) {
            m = m.withStoreType(BuiltInDslStoreSuppliers.IN_MEMORY);
        }
        if (s.has("retention")) {
            m = m.withRetention(ms(s.get("retention")));
        }
        return m;
    }
}
