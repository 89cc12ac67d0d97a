import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What two recordings of one case do not have in common. */
final class Differences {
    private static final Set<String> MASKED =
        Set.of("__streams.errors.exception", "__streams.errors.message", "__streams.errors.stacktrace");
    private static final Pattern LIST = Pattern.compile("\\[([^]]*)]");

    private final List<String> found = new ArrayList<>();

    private Differences() {}

    static List<String> between(ObjectNode want, ObjectNode got) {
        Differences d = new Differences();
        d.lists("outputs", want.get("outputs"), got.get("outputs"));
        d.equal("error.step", want.path("error").path("step").asInt(-1), got.path("error").path("step").asInt(-1));
        d.equal("internal", want.get("internal").toString(), got.get("internal").toString());
        if (!want.has("error")) {
            d.equal("dropped", want.get("dropped").asLong(), got.get("dropped").asLong());
            d.equal("stores", names(want.get("stores")), names(got.get("stores")));
            for (String store : names(want.get("stores"))) {
                d.store(store, want.get("stores").get(store), got.path("stores").path(store));
            }
        }
        d.lines("describe", shape(want), shape(got));
        return d.found;
    }

    private void store(String name, JsonNode want, JsonNode got) {
        if (want.get("type").asText().equals("versioned")) {
            equal(name, versions(want, got), versions(got, want)); // which times are read is the recorder's choice
        } else if (want.has("size")) {
            equal(name + ".size", want.get("size").asInt(), got.path("size").asInt(got.path("entries").size()));
        } else {
            equal(name + ".type", want.get("type"), got.get("type"));
            lists(name, want.get("entries"), got.get("entries"));
        }
    }

    /** The entries of a versioned store at those keys and times that another recording has too. */
    private static List<String> versions(JsonNode store, JsonNode other) {
        Set<String> read = new TreeSet<>();
        other.get("entries").forEach(e -> read.add(e.get("key") + "@" + e.get("asOf")));
        List<String> versions = new ArrayList<>();
        for (JsonNode e : store.get("entries")) {
            if (read.contains(e.get("key") + "@" + e.get("asOf"))) {
                versions.add(e.toString());
            }
        }
        return versions;
    }

    private void lists(String what, JsonNode want, JsonNode got) {
        for (int i = 0; i < Math.max(want.size(), got.size()); i++) {
            if (!text(want.path(i)).equals(text(got.path(i)))) {
                found.add(what + "[" + i + "]: want " + text(want.path(i)) + ", got " + text(got.path(i)));
                return;
            }
        }
    }

    private void lines(String what, String[] want, String[] got) {
        int same = Arrays.mismatch(want, got);
        if (same >= 0) {
            equal(what + ":" + same, same < want.length ? want[same] : "", same < got.length ? got[same] : "");
        }
    }

    private void equal(String what, Object want, Object got) {
        if (!want.equals(got)) {
            found.add(what + ": want " + want + ", got " + got);
        }
    }

    private static TreeSet<String> names(JsonNode n) {
        TreeSet<String> names = new TreeSet<>();
        n.fieldNames().forEachRemaining(names::add);
        return names;
    }

    /** A line of a list, with the texts hidden that depend on the program's source. */
    private static String text(JsonNode n) {
        if (!n.has("headers")) {
            return n.toString();
        }
        ObjectNode o = n.deepCopy();
        for (JsonNode h : o.get("headers")) {
            if (MASKED.contains(h.get(0).asText())) {
                ((ArrayNode) h).remove(1);
            }
        }
        return o.toString();
    }

    /** The description with its lists in order and without the names of classes. */
    private static String[] shape(ObjectNode kase) {
        String text = kase.get("describe").asText().replaceAll("\\(extractor class: [^)]*\\)", "(extractor)");
        return LIST.matcher(text).replaceAll(m -> {
            String[] names = m.group(1).split(", ");
            Arrays.sort(names);
            return Matcher.quoteReplacement(Arrays.toString(names));
        }).split("\n");
    }
}
