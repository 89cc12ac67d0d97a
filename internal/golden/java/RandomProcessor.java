import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.Set;
import java.util.function.Function;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** Joins each value with the last one of its key; some also tell what they hold, as time passes. */
final class RandomProcessor extends ContextualProcessor<Object, Object, Object, Object> {
    private final String store;
    private final String kind;
    private final long every;
    private final Function<Object, Object> seen;
    private KeyValueStore<String, String> last;

    private RandomProcessor(JsonNode n, Function<Object, Object> seen) {
        this.seen = seen;
        store = n.get("store").get("name").asText();
        kind = n.get("kind").asText();
        every = n.path("every").asLong();
    }

    static ProcessorSupplier<Object, Object, Object, Object> supplier(JsonNode n, Function<Object, Object> seen) {
        JsonNode s = n.get("store");
        String name = s.get("name").asText();
        Serde<String> text = Serdes.String();
        StoreBuilder<KeyValueStore<String, String>> builder = Stores.keyValueStoreBuilder(
            s.path("memory").asBoolean() ? Stores.inMemoryKeyValueStore(name) : Stores.persistentKeyValueStore(name), text, text);
        StoreBuilder<?> b = s.path("uncached").asBoolean() ? builder : builder.withCachingEnabled();
        return new ProcessorSupplier<>() {
            @Override
            public Processor<Object, Object, Object, Object> get() {
                return new RandomProcessor(n, seen);
            }

            @Override
            public Set<StoreBuilder<?>> stores() {
                return Set.of(b);
            }
        };
    }

    @Override
    public void init(ProcessorContext<Object, Object> context) {
        super.init(context);
        last = context.getStateStore(store);
        if (kind.equals("stream")) {
            context.schedule(Duration.ofMillis(every), PunctuationType.STREAM_TIME, this::tell);
        } else if (kind.equals("wall")) {
            context.schedule(Duration.ofMillis(every), PunctuationType.WALL_CLOCK_TIME, this::tell);
        }
    }

    private void tell(long now) {
        try (KeyValueIterator<String, String> all = last.all()) {
            while (all.hasNext()) {
                KeyValue<String, String> e = all.next();
                context().forward(new Record<>(e.key, Functions.made("at" + now % 1000 + e.value), now));
            }
        }
        context().forward(new Record<>("tick", null, now));
    }

    @Override
    public void process(Record<Object, Object> r) {
        if (r.key() == null) {
            return;
        }
        String k = Functions.text(r.key());
        String was = last.get(k);
        last.put(k, Functions.text(r.value()));
        context().forward(r.withValue(Functions.joined(seen.apply(was), seen.apply(r.value()))));
    }
}
