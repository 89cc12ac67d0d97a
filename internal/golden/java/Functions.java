import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.kstream.Windowed;

/** The functions of random programs, by name: the same as in random/functions.go. */
final class Functions {
    private static final String[] KEYS = {"a", "b", "c", "d", "a-key-that-is-much-longer-than-the-others"};
    private static final int LONGEST = 120;

    private Functions() {}

    static String text(Object o) {
        if (o instanceof Windowed<?> w) {
            return show(text(w.key())) + "@" + w.window().start() + "-" + w.window().end();
        }
        return o == null ? null : o.toString();
    }

    static String show(String s) {
        return s == null ? "null" : s;
    }

    static String made(String s) {
        return s.length() > LONGEST ? s.substring(0, LONGEST / 2) + "~" + s.substring(s.length() - LONGEST / 2 + 1) : s;
    }

    static String joined(Object l, Object r) {
        return made("[" + show(text(l)) + "," + show(text(r)) + "]");
    }

    static String merged(Object a, Object b) {
        return made("(" + show(text(a)) + "&" + show(text(b)) + ")");
    }

    private static String fails(String f, String v, String digit) {
        if (contains(v, digit)) {
            throw new IllegalStateException("boom");
        }
        return f;
    }

    private static boolean contains(String s, String part) {
        return s != null && s.contains(part);
    }

    private static String last(String v) {
        String s = show(v);
        return s.isEmpty() ? "" : s.substring(s.length() - 1);
    }

    static boolean test(String name, Object key, Object value) {
        String k = text(key);
        String v = text(value);
        return switch (name) {
            case "even" -> v != null && !v.isEmpty() && "02468".contains(last(v));
            case "has1" -> contains(v, "1");
            case "has3" -> contains(v, "3");
            case "some" -> v != null;
            case "third" -> show(v).length() % 3 != 0;
            case "notA" -> !show(k).startsWith("a");
            default -> throw new IllegalArgumentException(name);
        };
    }

    static String map(String name, Object key, Object value) {
        String k = text(key);
        String v = text(value);
        return switch (name) {
            case "bang" -> made(show(v) + "!");
            case "keyed" -> made(show(v) + "@" + show(k));
            case "null7" -> contains(v, "7") ? null : v;
            case "boom" -> fails(v, v, "8");
            case "tail" -> show(v).substring(Math.max(0, show(v).length() - 2));
            case "upper" -> v == null ? null : v.toUpperCase();
            default -> throw new IllegalArgumentException(name);
        };
    }

    static String select(String name, Object key, Object value) {
        String k = text(key);
        String v = text(value);
        switch (name) {
            case "last":
                return v == null ? null : last(v);
            case "group":
                return "g" + show(v).length() % 3;
            case "null5":
                return contains(v, "5") ? null : k;
            case "boom":
                return fails(k, v, "6");
            case "all":
                return "all";
            case "both":
                return made(show(k) + last(v));
            case "foreign":
                String d = last(v);
                return d.isEmpty() || d.charAt(0) < '0' || d.charAt(0) > '8' ? null : KEYS[(d.charAt(0) - '0') % KEYS.length];
            default:
                throw new IllegalArgumentException(name);
        }
    }

    static List<KeyValue<Object, Object>> spread(String name, Object key, Object value) {
        List<KeyValue<Object, Object>> out = new ArrayList<>();
        String k = text(key);
        String v = text(value);
        switch (name) {
            case "twice" -> {
                out.add(KeyValue.pair(k, v));
                out.add(KeyValue.pair(made(show(k) + "2"), v));
            }
            case "none7" -> {
                if (!contains(v, "7")) {
                    out.add(KeyValue.pair(k, made(show(v) + ".")));
                }
            }
            default -> throw new IllegalArgumentException(name);
        }
        return out;
    }

    static String reduce(String name, Object aggregate, Object value) {
        String a = text(aggregate);
        String v = text(value);
        return switch (name) {
            case "plus" -> made(show(a) + "+" + show(v));
            case "minus" -> made(show(a) + "-" + show(v));
            case "max" -> show(a).compareTo(show(v)) > 0 ? a : v;
            case "last" -> v;
            case "boom" -> fails(made(show(a) + "*" + show(v)), v, "4");
            case "plus7" -> contains(v, "7") ? null : made(show(a) + "+" + show(v));
            default -> throw new IllegalArgumentException(name);
        };
    }
}
