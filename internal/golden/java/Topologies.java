import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyConfig;

import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.function.Consumer;

/** The topologies of the suite by their id. */
final class Topologies {
    private final Map<String, Consumer<StreamsBuilder>> dsl = new TreeMap<>();
    private final Map<String, Consumer<Topology>> nodes = new TreeMap<>();
    private final Map<String, Map<String, Object>> settings = new TreeMap<>();

    Topologies() {
        StatelessTopologies.addTo(this);
        AggregateTopologies.addTo(this);
        TableTopologies.addTo(this);
        WindowTopologies.addTo(this);
        JoinTopologies.addTo(this);
        ProcessorTopologies.addTo(this);
        StoreTopologies.addTo(this);
        FailureTopologies.addTo(this);
        NameTopologies.addTo(this);
    }

    void dsl(String id, Consumer<StreamsBuilder> write) {
        dsl.put(id, write);
    }

    void dsl(String id, Consumer<StreamsBuilder> write, Map<String, Object> needed) {
        dsl.put(id, write);
        settings.put(id, needed);
    }

    void nodes(String id, Consumer<Topology> write) {
        nodes.put(id, write);
    }

    /** Settings that a topology needs and that its recordings do not list. */
    Map<String, Object> settings(String id) {
        return settings.getOrDefault(id, Map.of());
    }

    /** Builds a topology, null for an unknown id. */
    Topology build(String id, Properties config) {
        if (nodes.containsKey(id)) {
            Topology t = new Topology();
            nodes.get(id).accept(t);
            return t;
        }
        if (!dsl.containsKey(id)) {
            return null;
        }
        StreamsBuilder b = new StreamsBuilder(new TopologyConfig(new StreamsConfig(config)));
        dsl.get(id).accept(b);
        return b.build(config);
    }
}
