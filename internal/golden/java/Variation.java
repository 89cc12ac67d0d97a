import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.regex.Pattern;

/**
 * Draws new input for a topology from the steps of its recordings: keys, values, headers and kinds of steps as there,
 * in another order, at other times. Half of the seeds keep to the manner of the recordings; the others also have more
 * late records, ties, nulls, long gaps, further keys and extreme numbers.
 */
final class Variation {
    private static final Pattern NUMBER = Pattern.compile("\\d+");
    private static final String[] FURTHER_KEYS = {"", "aa", "ab", "b", "a\u0000", "é", "zz", "p", "f1", "😀"};
    private static final long[] EXTREMES = {0, -1, 1, 2, 13, 49, 50, 51, Long.MAX_VALUE, Long.MIN_VALUE};
    private static final long[] BASES = {0, 3, 59_990, 119_980, 86_399_970, 1_700_000_123_456L};

    /** What the recordings send to one topic. Values that occur more often are drawn more often. */
    private static final class Source {
        final List<JsonNode> keys = new ArrayList<>();
        final List<JsonNode> values = new ArrayList<>();
        final List<JsonNode> headers = new ArrayList<>();
    }

    private final SplittableRandom random;
    private final boolean wide;
    private final ObjectNode like;
    private final Map<String, Source> sources = new LinkedHashMap<>();
    private final List<JsonNode> order = new ArrayList<>(); // the steps of all recordings, but for what ends them
    private final boolean fails;
    private final boolean invalidTimes;
    private final boolean decodable; // else what is queued behind a record matters to it in Kafka Streams

    // The times of one case.
    private final long reach; // of an ordinary step
    private final double tie;
    private final double late;
    private final double gap;
    private long newest;
    private long last;

    private Variation(List<ObjectNode> recordings, long seed) {
        like = recordings.get(0);
        random = new SplittableRandom(seed * 1_000_003 + like.get("id").asText().hashCode());
        wide = seed % 2 == 0;
        fails = like.has("error");
        boolean negative = false;
        boolean undecodable = false;
        for (ObjectNode r : recordings) {
            JsonNode steps = r.get("steps");
            for (int i = 0; i < steps.size() - (fails ? 1 : 0); i++) {
                JsonNode step = steps.get(i);
                order.add(step);
                if (step.has("topic")) {
                    Source s = sources.computeIfAbsent(step.get("topic").asText(), t -> new Source());
                    s.keys.add(step.get("key"));
                    s.values.add(step.get("value"));
                    s.headers.add(step.path("headers"));
                    negative |= step.get("ts").asLong() < 0;
                    undecodable |= step.get("value").isObject();
                }
            }
        }
        invalidTimes = negative;
        decodable = !fails && !undecodable;
        reach = pick(new long[] {3, 10, 10, 25, 80});
        tie = pick(new double[] {0.05, 0.1, 0.1, 0.4});
        late = pick(new double[] {0, 0.2, 0.3, 0.3, 0.5});
        gap = pick(new double[] {0, 0.02, 0.04, 0.1});
        newest = wide || chance(0.3) ? pick(BASES) : random.nextLong(1_000_000);
        last = newest;
    }

    /** Draws a case that has no results yet. */
    static ObjectNode of(List<ObjectNode> recordings, long seed) {
        return new Variation(recordings, seed).draw(seed);
    }

    private ObjectNode draw(long seed) {
        ObjectNode kase = Recorder.JSON.createObjectNode();
        kase.set("id", like.get("id"));
        kase.put("seed", seed);
        for (String field : List.of("config", "commit", "wallClockStart", "inputTopics", "outputTopics")) {
            kase.set(field, like.get(field));
        }
        ArrayNode steps = kase.putArray("steps");
        int size = fails ? random.nextInt(3, 25) : wide && chance(0.1) ? 300 : random.nextInt(30, 120);
        boolean queued = wide && decodable && chance(0.15); // several records before each run
        for (int i = 0; i < size; i++) {
            JsonNode step = order.get(random.nextInt(order.size()));
            if (step.has("topic")) {
                String op = queued && chance(0.7) ? "enqueue" : step.get("op").asText();
                steps.add(record(op, step.get("topic").asText(), i == 0));
            } else if (step.has("ms")) {
                steps.addObject().put("op", "advance").put("ms", wide && chance(0.3) ? random.nextLong(1, 2000) : step.get("ms").asLong());
            } else {
                steps.add(step);
            }
        }
        if (queued) {
            steps.addObject().put("op", "run");
        }
        end(steps);
        return kase;
    }

    /** Ends a case as the recordings end: with the record that fails, with one far ahead, with the wall clock or a run. */
    private void end(ArrayNode steps) {
        JsonNode end = like.get("steps").get(like.get("steps").size() - 1);
        if (!end.has("topic")) {
            steps.add(end);
        } else if (fails || end.get("key").asText().equals("zz")) {
            ObjectNode tick = end.deepCopy();
            if (tick.get("ts").asLong() >= 0) {
                tick.put("ts", newest + random.nextLong(0, 2000));
            }
            steps.add(tick);
        }
    }

    private ObjectNode record(String op, String topic, boolean first) {
        Source s = sources.get(topic);
        ObjectNode step = Recorder.JSON.createObjectNode().put("op", op).put("topic", topic);
        step.set("key", key(s));
        step.set("value", value(s));
        step.put("ts", time(first));
        JsonNode headers = pick(s.headers);
        if (!headers.isEmpty()) {
            step.set("headers", headers);
        }
        return step;
    }

    private JsonNode key(Source s) {
        JsonNode key = pick(s.keys);
        boolean optional = s.keys.stream().anyMatch(JsonNode::isNull);
        if (wide && optional && chance(0.1)) {
            return chance(0.3) ? JsonNodeFactory.instance.nullNode()
                : JsonNodeFactory.instance.textNode(FURTHER_KEYS[random.nextInt(FURTHER_KEYS.length)]);
        }
        return key;
    }

    private JsonNode value(Source s) {
        JsonNode value = pick(s.values);
        boolean optional = s.values.stream().anyMatch(JsonNode::isNull);
        if (wide && optional && chance(0.1)) {
            return JsonNodeFactory.instance.nullNode();
        }
        if (value.isNumber() && chance(0.3)) {
            return JsonNodeFactory.instance.numberNode(wide ? pick(EXTREMES) : random.nextLong(100));
        }
        if (value.isTextual() && chance(0.5)) {
            return JsonNodeFactory.instance.textNode(renumbered(value.asText()));
        }
        return value;
    }

    /** Changes the numbers in a text, but for those of a foreign key. */
    private String renumbered(String text) {
        int bar = text.indexOf('|') + 1;
        return text.substring(0, bar) + NUMBER.matcher(text.substring(bar)).replaceAll(m -> Long.toString(random.nextInt(100)));
    }

    private long time(boolean first) {
        if (!first && invalidTimes && chance(0.2)) {
            return -random.nextLong(1, 3);
        }
        if (chance(tie)) {
            return last;
        }
        if (chance(late)) {
            long back = chance(0.2) ? reach * 10 : reach * 3;
            last = Math.max(0, (chance(0.5) ? last : newest) - random.nextLong(1, back + 1));
        } else if (chance(gap)) {
            last = newest + random.nextLong(1, wide && chance(0.2) ? 200_000 : reach * 10);
        } else {
            last = (chance(0.7) ? newest : last) + random.nextLong(reach + 1);
        }
        newest = Math.max(newest, last);
        return last;
    }

    private boolean chance(double p) {
        return random.nextDouble() < p;
    }

    private <T> T pick(List<T> list) {
        return list.get(random.nextInt(list.size()));
    }

    private long pick(long[] list) {
        return list[random.nextInt(list.length)];
    }

    private double pick(double[] list) {
        return list[random.nextInt(list.length)];
    }
}
