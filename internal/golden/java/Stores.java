import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.AggregationWithHeaders;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.TimestampedKeyValueStore;
import org.apache.kafka.streams.state.TimestampedWindowStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.ValueTimestampHeaders;
import org.apache.kafka.streams.state.VersionedKeyValueStore;
import org.apache.kafka.streams.state.VersionedRecord;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.internals.TimeOrderedKeyValueBuffer;

/** Reads the visible content of stores, through their caches. */
final class Stores {
    private Stores() {}

    static ObjectNode read(Map<String, StateStore> stores, JsonNode steps) {
        ObjectNode out = Recorder.JSON.createObjectNode();
        for (Map.Entry<String, StateStore> e : new TreeMap<>(stores).entrySet()) {
            out.set(e.getKey(), read(e.getValue(), steps));
        }
        return out;
    }

    private static ObjectNode read(StateStore store, JsonNode steps) {
        if (store instanceof VersionedKeyValueStore<?, ?> s) {
            return versioned(s, steps);
        }
        if (store instanceof WindowStore<?, ?> s) {
            return window(s);
        }
        if (store instanceof SessionStore<?, ?> s) {
            return session(s);
        }
        if (store instanceof KeyValueStore<?, ?> s) {
            return keyValue(s);
        }
        if (store instanceof TimeOrderedKeyValueBuffer<?, ?, ?> s) {
            return Recorder.JSON.createObjectNode().put("type", "buffer").put("size", s.numRecords());
        }
        throw new IllegalArgumentException("cannot read a " + store.getClass());
    }

    private static ObjectNode keyValue(KeyValueStore<?, ?> store) {
        List<ObjectNode> entries = new ArrayList<>();
        boolean internal = false;
        try (KeyValueIterator<?, ?> all = store.all()) {
            while (all.hasNext()) {
                KeyValue<?, ?> kv = all.next();
                internal |= ours(plain(kv.value));
                entries.add(entry(kv.key, null, null, kv.value));
            }
        }
        if (internal) {
            return Recorder.JSON.createObjectNode().put("type", "internal").put("size", entries.size());
        }
        return listed(store instanceof TimestampedKeyValueStore ? "timestamped-keyvalue" : "keyvalue", entries);
    }

    /** Values of classes of Kafka Streams' own are not shown. */
    private static boolean ours(Object value) {
        return value != null && value.getClass().getName().startsWith("org.apache.kafka.streams.");
    }

    private static ObjectNode window(WindowStore<?, ?> store) {
        List<ObjectNode> entries = new ArrayList<>();
        try (KeyValueIterator<? extends Windowed<?>, ?> all = store.all()) {
            while (all.hasNext()) {
                KeyValue<? extends Windowed<?>, ?> kv = all.next();
                entries.add(entry(kv.key.key(), kv.key.window().start(), null, kv.value));
            }
        }
        return listed(store instanceof TimestampedWindowStore ? "timestamped-window" : "window", entries);
    }

    private static ObjectNode session(SessionStore<?, ?> store) {
        List<ObjectNode> entries = new ArrayList<>();
        try (KeyValueIterator<? extends Windowed<?>, ?> all = store.fetch(null, null)) {
            while (all.hasNext()) {
                KeyValue<? extends Windowed<?>, ?> kv = all.next();
                entries.add(entry(kv.key.key(), kv.key.window().start(), kv.key.window().end(), kv.value));
            }
        }
        return listed("session", entries);
    }

    private static ObjectNode entry(Object key, Long start, Long end, Object value) {
        ObjectNode e = Recorder.JSON.createObjectNode();
        e.set("key", Text.of(key));
        if (start != null) {
            e.put("start", start);
        }
        if (end != null) {
            e.put("end", end);
        }
        e.set("value", Text.of(plain(value)));
        long ts = timestamp(value);
        if (ts >= 0) {
            e.put("ts", ts);
        }
        return e;
    }

    /** The timestamp shown with a value, -1 for none. Some stores that keep none show the window's start, as ever. */
    private static long timestamp(Object value) {
        if (value instanceof ValueAndTimestamp<?> v) {
            return v.timestamp();
        }
        return value instanceof ValueTimestampHeaders<?> v ? v.timestamp() : -1;
    }

    private static Object plain(Object value) {
        if (value instanceof ValueAndTimestamp<?> v) {
            return v.value();
        }
        if (value instanceof ValueTimestampHeaders<?> v) {
            return v.value();
        }
        if (value instanceof AggregationWithHeaders<?> v) {
            return v.aggregation();
        }
        return value;
    }

    private static ObjectNode listed(String type, List<ObjectNode> entries) {
        entries.sort(Comparator.comparing((ObjectNode e) -> e.get("key").isTextual() ? e.get("key").asText() : e.get("key").toString())
            .thenComparingLong(e -> e.path("start").asLong())
            .thenComparingLong(e -> e.path("end").asLong()));
        ObjectNode out = Recorder.JSON.createObjectNode().put("type", type);
        out.putArray("entries").addAll(entries);
        return out;
    }

    /** Reads each key of the steps as of its records' times, and as of now. */
    @SuppressWarnings("unchecked")
    private static ObjectNode versioned(VersionedKeyValueStore<?, ?> store, JsonNode steps) {
        VersionedKeyValueStore<Object, Object> s = (VersionedKeyValueStore<Object, Object>) store;
        TreeMap<String, TreeSet<Long>> times = new TreeMap<>();
        for (JsonNode step : steps) {
            if (step.has("ts") && step.path("key").isTextual()) {
                times.computeIfAbsent(step.get("key").asText(), k -> new TreeSet<>()).add(step.get("ts").asLong());
            }
        }
        ObjectNode out = Recorder.JSON.createObjectNode().put("type", "versioned");
        ArrayNode entries = out.putArray("entries");
        times.forEach((key, asOf) -> {
            for (long time : asOf) {
                entries.add(version(key, Recorder.JSON.getNodeFactory().numberNode(time), s.get(key, time)));
            }
            entries.add(version(key, Recorder.JSON.getNodeFactory().textNode("latest"), s.get(key)));
        });
        return out;
    }

    private static ObjectNode version(String key, JsonNode asOf, VersionedRecord<Object> r) {
        ObjectNode e = Recorder.JSON.createObjectNode().put("key", key);
        e.set("asOf", asOf);
        e.set("value", r == null ? Recorder.JSON.getNodeFactory().nullNode() : Text.of(r.value()));
        if (r != null) {
            e.put("ts", r.timestamp());
        }
        return e;
    }
}
