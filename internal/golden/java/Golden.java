import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.streams.Topology;

/**
 * Runs the suite's topologies in Kafka Streams.
 *
 * <pre>
 * Golden verify DIR                   runs recorded cases again and says what differs from the recordings
 * Golden vary DIR OUT FIRST LAST [ID]   draws input like that of the recorded cases for each topology (with ID, for those
 *                                     that match this pattern) and for the seeds from FIRST to LAST, and records it
 * Golden record IN OUT                records the cases of a folder into another
 * </pre>
 */
final class Golden {
    private static final Topologies ALL = new Topologies();

    private Golden() {}

    public static void main(String[] args) throws IOException {
        if (args.length >= 5 && args[0].equals("vary")) {
            vary(Path.of(args[1]), Path.of(args[2]), Long.parseLong(args[3]), Long.parseLong(args[4]), args.length > 5 ? args[5] : "");
        } else if (args.length == 3 && args[0].equals("record")) {
            for (Path file : files(Path.of(args[1]))) {
                ObjectNode kase = (ObjectNode) Recorder.JSON.readTree(file.toFile());
                Files.writeString(Path.of(args[2]).resolve(file.getFileName()), Recorder.text(record(kase)));
            }
        } else if (args.length == 2 && args[0].equals("verify")) {
            int differ = 0;
            List<Path> files = files(Path.of(args[1]));
            for (Path file : files) {
                ObjectNode kase = (ObjectNode) Recorder.JSON.readTree(file.toFile());
                List<String> diffs = Differences.between(kase, record(kase));
                differ += diffs.isEmpty() ? 0 : 1;
                diffs.forEach(d -> System.out.println(file.getFileName() + ": " + d));
            }
            System.out.println(files.size() + " cases, " + differ + " differ");
            System.exit(differ == 0 ? 0 : 1);
        } else {
            System.err.println("usage: Golden verify DIR | vary DIR OUT FIRST LAST [ID] | record IN OUT");
            System.exit(2);
        }
    }

    private static void vary(Path dir, Path out, long first, long last, String id) throws IOException {
        Map<String, List<ObjectNode>> recordings = new TreeMap<>();
        for (Path file : files(dir)) {
            ObjectNode kase = (ObjectNode) Recorder.JSON.readTree(file.toFile());
            recordings.computeIfAbsent(kase.get("id").asText(), k -> new ArrayList<>()).add(kase);
        }
        if (!id.isEmpty()) {
            recordings.keySet().removeIf(k -> !k.matches(id));
        }
        for (Map.Entry<String, List<ObjectNode>> e : recordings.entrySet()) {
            for (long seed = first; seed <= last; seed++) {
                ObjectNode kase = record(Variation.of(e.getValue(), seed).put("wire", true));
                Files.writeString(out.resolve(e.getKey() + "." + seed + ".json"), Recorder.text(kase));
            }
        }
    }

    private static List<Path> files(Path dir) throws IOException {
        try (var list = Files.list(dir)) {
            return list.filter(p -> p.toString().endsWith(".json")).sorted().toList();
        }
    }

    private static ObjectNode record(ObjectNode kase) throws IOException {
        String id = kase.get("id").asText();
        Map<String, Object> settings = ALL.settings(id);
        Properties props = Recorder.properties(kase, settings);
        Topology topology = ALL.build(id, props);
        if (topology == null) {
            throw new IllegalArgumentException("no topology is called " + id);
        }
        return Recorder.record(kase, topology, settings);
    }
}
