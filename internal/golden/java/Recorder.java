import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyConfig;

/**
 * Records what a topology does: takes a case of testdata/cases without its results, runs the steps through Kafka
 * Streams, and adds outputs, error, dropped, stores, internal and describe.
 *
 * <p>A case is a JSON object with id, seed, config, commit, wallClockStart, inputTopics, outputTopics and steps; the
 * last three must be there. With "wire": true the bytes of internal topics are added as "records".
 */
final class Recorder {
    static final String APPLICATION = "golden";
    static final long WALL_CLOCK_START = 1_000_000_000_000L;
    private static final int LONGEST = 20_000; // records of a run
    static final ObjectMapper JSON = new ObjectMapper();

    private Recorder() {}

    /** Writes a topology: the body between the making of a builder and its build. */
    interface Program {
        void write(StreamsBuilder builder);
    }

    /** Records a topology of the DSL. The settings are added to the case's own config. */
    static ObjectNode record(ObjectNode kase, Program program, Map<String, Object> settings) throws IOException {
        Properties props = properties(kase, settings);
        StreamsBuilder builder = new StreamsBuilder(new TopologyConfig(new StreamsConfig(props)));
        program.write(builder);
        return run(kase, builder.build(props), props);
    }

    /** Records a topology that was built node by node. */
    static ObjectNode record(ObjectNode kase, Topology topology, Map<String, Object> settings) throws IOException {
        return run(kase, topology, properties(kase, settings));
    }

    /** The settings of a run: those that are the same for all, then the case's config, then the given ones. */
    static Properties properties(ObjectNode kase, Map<String, Object> settings) {
        Properties props = new Properties();
        props.put(StreamsConfig.APPLICATION_ID_CONFIG, APPLICATION);
        props.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:0");
        props.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        props.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        props.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 10L << 20);
        for (Map.Entry<String, JsonNode> e : kase.path("config").properties()) {
            props.put(e.getKey(), e.getValue().asText());
        }
        props.putAll(settings);
        return props;
    }

    private static ObjectNode run(ObjectNode kase, Topology topology, Properties props) throws IOException {
        ObjectNode out = JSON.createObjectNode();
        out.set("id", kase.path("id"));
        out.set("seed", kase.path("seed"));
        out.set("config", kase.has("config") ? kase.get("config") : JSON.createObjectNode());
        boolean manual = kase.path("commit").asText("each").equals("manual");
        out.put("commit", manual ? "manual" : "each");
        long start = kase.path("wallClockStart").asLong(WALL_CLOCK_START);
        out.put("wallClockStart", start);
        for (String field : List.of("inputTopics", "outputTopics", "steps")) {
            out.set(field, kase.get(field));
        }
        String describe = topology.describe().toString();
        Path dir = Files.createTempDirectory("golden");
        props.put(StreamsConfig.STATE_DIR_CONFIG, dir.toString());
        Sent sent = new Sent(kase);
        try (Driver driver = new Driver(topology, props, Instant.ofEpochMilli(start), !manual)) {
            JsonNode steps = kase.get("steps");
            Exception failure = null;
            int step = 0;
            for (; step < steps.size() && failure == null; step++) {
                sent.step = step;
                try {
                    driver.step(steps.get(step), sent::add);
                } catch (RuntimeException e) {
                    failure = e;
                    out.set("error", error(step, e));
                }
            }
            out.set("outputs", sent.outputs);
            out.put("dropped", dropped(driver));
            if (failure == null) {
                out.set("stores", Stores.read(driver.stores(), steps));
            }
        } finally {
            delete(dir);
        }
        out.set("internal", JSON.valueToTree(sent.internal));
        if (kase.path("wire").asBoolean()) {
            out.set("records", sent.records);
        }
        out.put("describe", describe);
        return out;
    }

    /** The text of a case file: one step, output or entry a line. */
    static String text(ObjectNode kase) throws IOException {
        StringBuilder b = new StringBuilder("{\n");
        String next = "";
        for (Map.Entry<String, JsonNode> e : kase.properties()) {
            b.append(next).append(JSON.writeValueAsString(e.getKey())).append(": ");
            if (e.getKey().equals("stores")) {
                stores(b, e.getValue());
            } else if (e.getValue().isArray()) {
                list(b, e.getValue(), "");
            } else {
                b.append(e.getValue());
            }
            next = ",\n";
        }
        return b.append("\n}\n").toString();
    }

    private static void stores(StringBuilder b, JsonNode stores) throws IOException {
        b.append('{');
        String next = "\n ";
        for (Map.Entry<String, JsonNode> e : stores.properties()) {
            b.append(next).append(JSON.writeValueAsString(e.getKey())).append(": {\"type\": ").append(e.getValue().get("type"));
            if (e.getValue().has("size")) {
                b.append(", \"size\": ").append(e.getValue().get("size"));
            } else {
                b.append(", \"entries\": ");
                list(b, e.getValue().get("entries"), " ");
            }
            b.append('}');
            next = ",\n ";
        }
        b.append('}');
    }

    private static void list(StringBuilder b, JsonNode list, String indent) {
        b.append('[');
        String next = "\n";
        for (JsonNode n : list) {
            b.append(next).append(indent).append(' ').append(n);
            next = ",\n";
        }
        b.append('\n').append(indent).append(']');
    }

    private static ObjectNode error(int step, Throwable e) {
        Throwable root = e;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        return JSON.createObjectNode()
            .put("step", step)
            .put("class", e.getClass().getSimpleName())
            .put("rootClass", root.getClass().getSimpleName())
            .put("rootMessage", root.getMessage());
    }

    private static long dropped(Driver driver) {
        double sum = 0;
        for (Map.Entry<MetricName, ? extends Metric> e : driver.metrics().entrySet()) {
            if (e.getKey().name().equals("dropped-records-total")) {
                sum += (double) e.getValue().metricValue();
            }
        }
        return (long) sum;
    }

    private static void delete(Path dir) throws IOException {
        try (var paths = Files.walk(dir)) {
            for (Path p : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(p);
            }
        }
    }

    /** A run in which a topology sends more records than are worth recording: it is given up. */
    static final class TooLong extends Error {
        private static final long serialVersionUID = 1;
    }

    /** The records that the topology has sent. */
    private static final class Sent {
        final ArrayNode outputs = JSON.createArrayNode();
        final ArrayNode records = JSON.createArrayNode();
        final Map<String, Integer> internal = new TreeMap<>();
        final Map<String, String[]> types = new HashMap<>();
        int step;
        int sent;

        Sent(ObjectNode kase) {
            for (Map.Entry<String, JsonNode> e : kase.get("outputTopics").properties()) {
                types.put(e.getKey(), new String[] {e.getValue().get(0).asText(), e.getValue().get(1).asText()});
            }
        }

        void add(ProducerRecord<byte[], byte[]> record) {
            if (++sent > LONGEST) {
                throw new TooLong();
            }
            ObjectNode o = JSON.createObjectNode().put("step", step).put("topic", record.topic());
            if (record.topic().startsWith(APPLICATION + "-")) {
                internal.merge(record.topic(), 1, Integer::sum);
                o.put("key", Text.hex(record.key())).put("value", Text.hex(record.value())).put("ts", record.timestamp());
                headers(o, record, true);
                records.add(o);
                return;
            }
            String[] type = types.getOrDefault(record.topic(), new String[] {"string", "string"});
            o.set("key", Text.decode(type[0], record.key()));
            o.set("value", Text.decode(type[1], record.value()));
            o.put("ts", record.timestamp());
            headers(o, record, false);
            outputs.add(o);
        }

        private static void headers(ObjectNode o, ProducerRecord<byte[], byte[]> record, boolean hex) {
            ArrayNode list = JSON.createArrayNode();
            for (Header h : record.headers()) {
                list.addArray().add(h.key()).add(hex ? Text.hex(h.value()) : Text.utf8(h.value()));
            }
            if (!list.isEmpty()) {
                o.set("headers", list);
            }
        }
    }
}
