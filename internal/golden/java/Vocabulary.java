import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Aggregator;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Initializer;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Merger;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Reducer;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

import java.time.Duration;

/** The words in which the topologies are written. */
final class Vocabulary {
    static final Serde<String> S = Serdes.String();
    static final Serde<Long> L = Serdes.Long();
    static final Duration DAY = Duration.ofDays(1);

    static final Aggregator<String, String, String> APPEND = (k, v, sum) -> sum + "+" + v;
    static final Aggregator<String, String, String> SUBTRACT = (k, v, sum) -> sum + "-" + v;
    static final Aggregator<String, Long, Long> ADD = (k, v, sum) -> sum + (v == null ? 0 : v);
    static final Aggregator<String, Long, Long> MINUS = (k, v, sum) -> sum - (v == null ? 0 : v);
    static final Aggregator<String, Long, Long> SUM_UNLESS_ZERO = (k, v, sum) -> v == null || v == 0 ? null : sum + v;
    static final Reducer<String> REDUCE = (a, b) -> a + "+" + b;
    static final Reducer<String> UNREDUCE = (a, b) -> a + "-" + b;
    static final Merger<String, String> MERGE = (k, a, b) -> "(" + a + "&" + b + ")";
    static final Initializer<String> EMPTY = () -> "";
    static final Initializer<Long> ZERO = () -> 0L;

    private Vocabulary() { }

    static Duration ms(long n) {
        return Duration.ofMillis(n);
    }

    static String join(Object left, Object right) {
        return "[" + left + "," + right + "]";
    }

    static String joinWithKey(String key, Object left, Object right) {
        return key + ":" + join(left, right);
    }

    /** An aggregator that writes a letter before each value, and what closes it after. */
    static Aggregator<String, String, String> tag(String before, String after) {
        return (k, v, sum) -> sum + before + v + after;
    }

    /** The first character of a value as its key, null for null. */
    static String first(String key, String value) {
        return value == null ? null : value.isEmpty() ? "" : value.substring(0, 1);
    }

    static String last(String value) {
        return value.isEmpty() ? "" : value.substring(value.length() - 1);
    }

    static boolean endsEven(Object key, String value) {
        return value != null && !value.isEmpty() && "02468".contains(last(value));
    }

    static boolean startsX(Object key, String value) {
        return value != null && value.startsWith("x");
    }

    /** The foreign key in "fk|rest", null for "-". */
    static String foreignKey(String value) {
        if (value == null) {
            return null;
        }
        String fk = value.split("\\|", -1)[0];
        return fk.equals("-") ? null : fk;
    }

    static String winKey(Windowed<String> w, Object value) {
        return w.key() + "@" + w.window().start() + "-" + w.window().end();
    }

    static KStream<String, String> texts(StreamsBuilder b, String topic) {
        return b.stream(topic, Consumed.with(S, S));
    }

    static KStream<String, Long> longs(StreamsBuilder b, String topic) {
        return b.stream(topic, Consumed.with(S, L));
    }

    static KGroupedStream<String, String> grouped(StreamsBuilder b, String topic) {
        return texts(b, topic).groupByKey();
    }

    static KTable<String, String> table(StreamsBuilder b, String topic, String store) {
        return b.table(topic, Consumed.with(S, S), texts(store));
    }

    static KTable<String, String> uncachedTable(StreamsBuilder b, String topic, String store) {
        return b.table(topic, Consumed.with(S, S), Vocabulary.texts(store).withCachingDisabled());
    }

    static KTable<String, String> versionedTable(StreamsBuilder b, String topic, String store, long retention) {
        return b.table(topic, Consumed.with(S, S), versioned(store, retention));
    }

    static Materialized<String, String, KeyValueStore<Bytes, byte[]>> texts(String store) {
        return Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as(store).withKeySerde(S).withValueSerde(S);
    }

    static Materialized<String, Long, KeyValueStore<Bytes, byte[]>> longs(String store) {
        return Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as(store).withKeySerde(S).withValueSerde(L);
    }

    static Materialized<String, String, KeyValueStore<Bytes, byte[]>> versioned(String store, long retention) {
        return Materialized.<String, String>as(Stores.persistentVersionedKeyValueStore(store, ms(retention)))
            .withKeySerde(S).withValueSerde(S);
    }

    static Materialized<String, String, WindowStore<Bytes, byte[]>> textWindows(String store) {
        return Materialized.<String, String, WindowStore<Bytes, byte[]>>as(store).withKeySerde(S).withValueSerde(S);
    }

    static Materialized<String, Long, WindowStore<Bytes, byte[]>> longWindows(String store) {
        return Materialized.<String, Long, WindowStore<Bytes, byte[]>>as(store).withKeySerde(S).withValueSerde(L);
    }

    static Materialized<String, String, SessionStore<Bytes, byte[]>> textSessions(String store) {
        return Materialized.<String, String, SessionStore<Bytes, byte[]>>as(store).withKeySerde(S).withValueSerde(S);
    }

    static Materialized<String, Long, SessionStore<Bytes, byte[]>> longSessions(String store) {
        return Materialized.<String, Long, SessionStore<Bytes, byte[]>>as(store).withKeySerde(S).withValueSerde(L);
    }

    static StreamJoined<String, String, String> joined() {
        return StreamJoined.with(S, S, S);
    }

    static Produced<String, String> texts() {
        return Produced.with(S, S);
    }

    static Produced<String, Long> longs() {
        return Produced.with(S, L);
    }

    static Grouped<String, Long> groupedLongs() {
        return Grouped.with(S, L);
    }

    /** A sink of a windowed table with windows of the given size. */
    static <V> Produced<Windowed<String>, V> timed(long size, Serde<V> values) {
        return Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, size), values);
    }

    static <V> Produced<Windowed<String>, V> sessions(Serde<V> values) {
        return Produced.with(WindowedSerdes.sessionWindowedSerdeFrom(String.class), values);
    }
}
