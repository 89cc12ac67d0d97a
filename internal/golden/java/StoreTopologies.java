import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.internals.SessionWindow;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.VersionedKeyValueStore;
import org.apache.kafka.streams.state.VersionedRecord;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.WindowStoreIterator;

/** Processors that run the commands in their records' values on a store. */
final class StoreTopologies {
    private StoreTopologies() { }

    static void addTo(Topologies all) {
        all.nodes("papi-kv-store-ops", t -> ProcessorTopologies.single(t, KeyValues::new,
            Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("kv"), Vocabulary.S, Vocabulary.S)));
        all.nodes("papi-window-store", t -> ProcessorTopologies.single(t, Windows::new, Stores.windowStoreBuilder(
            Stores.persistentWindowStore("win", Vocabulary.ms(100), Vocabulary.ms(10), false), Vocabulary.S, Vocabulary.S)));
        all.nodes("papi-session-store", t -> ProcessorTopologies.single(t, Sessions::new, Stores.sessionStoreBuilder(
            Stores.inMemorySessionStore("ses", Vocabulary.ms(100)), Vocabulary.S, Vocabulary.S)));
        all.nodes("papi-versioned-store", t -> ProcessorTopologies.single(t, Versions::new, Stores.versionedKeyValueStoreBuilder(
            Stores.persistentVersionedKeyValueStore("ver", Vocabulary.ms(60), Vocabulary.ms(20)), Vocabulary.S, Vocabulary.S)));
    }

    /** Forwards what a command gives; commands that write give nothing. */
    private abstract static class Commander extends ContextualProcessor<String, String, String, String> {
        static final Object NOTHING = new Object();

        abstract Object run(String key, String[] command, long ts);

        @Override
        public void process(Record<String, String> r) {
            Object result = run(r.key(), r.value().split(" ", -1), r.timestamp());
            if (result != NOTHING) {
                context().forward(r.withValue(String.valueOf(result)));
            }
        }
    }

    private static final class KeyValues extends Commander {
        private KeyValueStore<String, String> kv() {
            return context().getStateStore("kv");
        }

        @Override
        Object run(String key, String[] c, long ts) {
            switch (c[0]) {
                case "put":
                    kv().put(key, c[1]);
                    return NOTHING;
                case "pia":
                    return kv().putIfAbsent(key, c[1]);
                case "del":
                    return kv().delete(key);
                case "get":
                    return kv().get(key);
                case "all":
                    return dump(kv().all());
                case "rall":
                    return dump(kv().reverseAll());
                case "range":
                    return dump(kv().range(bound(c[1]), bound(c[2])));
                case "prefix":
                    return dump(kv().prefixScan(c[1], Vocabulary.S.serializer()));
                default:
                    return kv().approximateNumEntries() == 0 ? "zero" : "some";
            }
        }

        private static String bound(String key) {
            return key.equals("-") ? null : key;
        }

        private static String dump(KeyValueIterator<String, String> entries) {
            StringBuilder text = new StringBuilder();
            try (entries) {
                entries.forEachRemaining(e -> text.append(e.key).append('=').append(e.value).append(','));
            }
            return text.toString();
        }
    }

    private static final class Windows extends Commander {
        private WindowStore<String, String> win() {
            return context().getStateStore("win");
        }

        @Override
        Object run(String key, String[] c, long ts) {
            switch (c[0]) {
                case "put":
                    win().put(key, c[1], ts);
                    return NOTHING;
                case "rm":
                    win().put(key, null, ts);
                    return NOTHING;
                case "get":
                    return win().fetch(key, ts);
                case "near":
                    return dumpKey(win().fetch(key, Math.max(0, ts - 20), ts + 20));
                case "bnear":
                    return dumpKey(win().backwardFetch(key, Math.max(0, ts - 20), ts + 20));
                case "all":
                    return dump(win().all());
                case "fall":
                    return dump(win().fetchAll(Math.max(0, ts - 30), ts));
                default:
                    return dump(win().fetch("a", "b", Math.max(0, ts - 30), ts + 30));
            }
        }

        private static String dumpKey(WindowStoreIterator<String> entries) {
            StringBuilder text = new StringBuilder();
            try (entries) {
                entries.forEachRemaining(e -> text.append(e.key).append(':').append(e.value).append(','));
            }
            return text.toString();
        }

        private static String dump(KeyValueIterator<Windowed<String>, String> entries) {
            StringBuilder text = new StringBuilder();
            try (entries) {
                entries.forEachRemaining(e -> text.append(e.key.key()).append('@').append(e.key.window().start())
                    .append(':').append(e.value).append(','));
            }
            return text.toString();
        }
    }

    private static final class Sessions extends Commander {
        private SessionStore<String, String> ses() {
            return context().getStateStore("ses");
        }

        private static Windowed<String> session(String key, long start, String length) {
            return new Windowed<>(key, new SessionWindow(start, start + Long.parseLong(length)));
        }

        @Override
        Object run(String key, String[] c, long ts) {
            switch (c[0]) {
                case "put":
                    ses().put(session(key, ts, c[2]), c[1]);
                    return NOTHING;
                case "rm":
                    ses().remove(session(key, ts, c[1]));
                    return NOTHING;
                case "find":
                    return dump(ses().findSessions(key, Math.max(0, ts - 15), ts + 15));
                case "bfind":
                    return dump(ses().backwardFindSessions(key, Math.max(0, ts - 15), ts + 15));
                case "fetch":
                    return dump(ses().fetch(key));
                default:
                    return ses().fetchSession(key, ts, ts + Long.parseLong(c[1]));
            }
        }

        private static String dump(KeyValueIterator<Windowed<String>, String> entries) {
            StringBuilder text = new StringBuilder();
            try (entries) {
                entries.forEachRemaining(e -> text.append(e.key.window().start()).append('-').append(e.key.window().end())
                    .append(':').append(e.value).append(','));
            }
            return text.toString();
        }
    }

    private static final class Versions extends Commander {
        private VersionedKeyValueStore<String, String> ver() {
            return context().getStateStore("ver");
        }

        @Override
        Object run(String key, String[] c, long ts) {
            switch (c[0]) {
                case "put":
                    return end(ver().put(key, c[1], ts));
                case "rm":
                    return end(ver().put(key, null, ts));
                case "del":
                    return "d:" + version(ver().delete(key, ts));
                case "get":
                    return version(ver().get(key));
                default:
                    return version(ver().get(key, ts));
            }
        }

        private static String end(long validTo) {
            return validTo == VersionedKeyValueStore.PUT_RETURN_CODE_VALID_TO_UNDEFINED ? "max"
                : validTo == VersionedKeyValueStore.PUT_RETURN_CODE_NOT_PUT ? "no" : Long.toString(validTo);
        }

        private static String version(VersionedRecord<String> v) {
            return v == null ? "null" : v.value() + "@" + v.timestamp();
        }
    }
}
