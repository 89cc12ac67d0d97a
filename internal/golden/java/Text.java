import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.kstream.Windowed;

/** Keys and values as the recordings write them: string, long, hex and windowed strings. */
final class Text {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private Text() {}

    static byte[] encode(JsonNode n) {
        if (n == null || n.isNull()) {
            return null;
        }
        if (n.isObject()) {
            return HexFormat.of().parseHex(n.get("hex").asText());
        }
        if (n.isNumber()) {
            return ByteBuffer.allocate(8).putLong(n.asLong()).array();
        }
        return n.asText().getBytes(StandardCharsets.UTF_8);
    }

    /** Reads bytes of a type; those that do not fit it are written in hex. */
    static JsonNode decode(String type, byte[] b) {
        if (b == null) {
            return NODES.nullNode();
        }
        if (type.equals("string")) {
            return NODES.textNode(utf8(b));
        }
        if (type.equals("long") && b.length == 8) {
            return NODES.numberNode(ByteBuffer.wrap(b).getLong());
        }
        if (type.equals("session-windowed-string") && b.length >= 16) {
            ByteBuffer times = ByteBuffer.wrap(b, b.length - 16, 16);
            long end = times.getLong();
            return windowed(utf8(Arrays.copyOf(b, b.length - 16)), times.getLong(), end);
        }
        if (type.startsWith("time-windowed-string(size=") && b.length >= 8) {
            long size = Long.parseLong(type.substring(type.indexOf('=') + 1, type.length() - 1));
            long start = ByteBuffer.wrap(b, b.length - 8, 8).getLong();
            return windowed(utf8(Arrays.copyOf(b, b.length - 8)), start, start + size);
        }
        return hexNode(b);
    }

    /** Writes a key or value that a store or an operator holds. */
    static JsonNode of(Object o) {
        if (o == null) {
            return NODES.nullNode();
        }
        if (o instanceof String s) {
            return NODES.textNode(s);
        }
        if (o instanceof Long n) {
            return NODES.numberNode(n);
        }
        if (o instanceof byte[] b) {
            return hexNode(b);
        }
        if (o instanceof Bytes b) {
            return hexNode(b.get());
        }
        if (o instanceof Windowed<?> w) {
            return windowed(String.valueOf(w.key()), w.window().start(), w.window().end());
        }
        return NODES.textNode(o.toString());
    }

    private static ObjectNode windowed(String key, long start, long end) {
        return NODES.objectNode().put("key", key).put("start", start).put("end", end);
    }

    private static ObjectNode hexNode(byte[] b) {
        return NODES.objectNode().put("hex", hex(b));
    }

    static String hex(byte[] b) {
        return b == null ? null : HexFormat.of().formatHex(b);
    }

    static String utf8(byte[] b) {
        return b == null ? null : new String(b, StandardCharsets.UTF_8);
    }
}
