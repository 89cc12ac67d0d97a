import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.HashMap;
import java.util.Properties;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.WindowStore;

/** The programs of bench/streams in Kafka Streams, with the same flags. */
public final class Streams {
    record Raw(String station, double temp_f, double humidity, double pressure, long ts) {
        boolean valid() {
            return temp_f >= -100 && temp_f <= 200 && humidity >= 0 && humidity <= 100 && pressure >= 800 && pressure <= 1200;
        }

        Reading celsius() {
            long centi = Math.floorDiv((Math.round(temp_f * 100) - 3200) * 10 + 9, 18L);
            return new Reading(station, centi / 100.0, humidity, pressure, ts);
        }
    }

    record Reading(String station, double temp_c, double humidity, double pressure, long ts) {}
    record Average(String station, long window_start, long window_end, long count, long sum_centi_c, double avg_c) {}
    record Sum(long count, long centiC) {}
    record Order(String order, long amount_cents, long ts) {}
    record Payment(String order, long paid_cents, long ts) {}
    record Paid(String order, long amount_cents, long paid_cents, long order_ts, long pay_ts, long delay_ms) {}
    record Customer(String customer, String name, String region) {}
    record TableOrder(String order, String customer, long amount_cents) {}
    record Enriched(String order, String customer, long amount_cents, String name, String region) {}

    static final ObjectMapper JSON = new ObjectMapper();

    /** What is not JSON becomes null, which the programs drop. */
    static <T> Serde<T> json(Class<T> type) {
        var reader = JSON.readerFor(type);
        var writer = JSON.writerFor(type);
        Deserializer<T> decode = (topic, b) -> {
            if (b == null) return null;
            try {
                return reader.readValue(b);
            } catch (Exception e) {
                return null;
            }
        };
        return Serdes.serdeFrom((topic, v) -> {
            if (v == null) return null;
            try {
                return writer.writeValueAsBytes(v);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }, decode);
    }

    static final Serde<Sum> SUM = Serdes.serdeFrom(
        (topic, s) -> s == null ? null : ByteBuffer.allocate(16).putLong(s.count).putLong(s.centiC).array(),
        (topic, b) -> {
            if (b == null) return null;
            ByteBuffer in = ByteBuffer.wrap(b);
            return new Sum(in.getLong(), in.getLong());
        });

    static void program(String name, StreamsBuilder b, String in, String out) {
        Serde<String> text = Serdes.String();
        switch (name) {
            case "stateless" -> converted(b, in, out);
            case "weather" -> converted(b, in, out)
                .groupByKey(Grouped.with(text, json(Reading.class)))
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofMinutes(10)))
                .aggregate(() -> new Sum(0, 0), (k, r, s) -> new Sum(s.count + 1, s.centiC + Math.round(r.temp_c * 100)),
                    Materialized.<String, Sum, WindowStore<Bytes, byte[]>>as("weather-avg").withKeySerde(text).withValueSerde(SUM).withRetention(Duration.ofDays(1)))
                .toStream()
                .map((w, s) -> KeyValue.pair(w.key() + "@" + w.window().start(), new Average(w.key(), w.window().start(), w.window().end(),
                    s.count, s.centiC, Math.round((double) s.centiC / s.count) / 100.0)))
                .to("weather_averages" + out, Produced.with(text, json(Average.class)));
            case "wordcount" -> b.stream("wc_lines" + in, Consumed.with(text, text))
                .flatMapValues(line -> List.of(line.toLowerCase(Locale.ROOT).split(" ")))
                .groupBy((k, word) -> word, Grouped.with(text, text))
                .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts"))
                .toStream()
                .to("wc_counts" + out, Produced.with(text, Serdes.Long()));
            case "join" -> b.stream("orders" + in, Consumed.with(text, json(Order.class)))
                .join(b.stream("payments" + in, Consumed.with(text, json(Payment.class))),
                    (o, p) -> new Paid(o.order, o.amount_cents, p.paid_cents, o.ts, p.ts, p.ts - o.ts),
                    JoinWindows.ofTimeDifferenceAndGrace(Duration.ofMinutes(5), Duration.ofMinutes(5)),
                    StreamJoined.with(text, json(Order.class), json(Payment.class)))
                .to("order_payments" + out, Produced.with(text, json(Paid.class)));
            case "fkjoin" -> b.table("fk_orders" + in, Consumed.with(text, json(TableOrder.class)))
                .join(b.table("fk_customers" + in, Consumed.with(text, json(Customer.class))), TableOrder::customer,
                    (o, c) -> new Enriched(o.order, o.customer, o.amount_cents, c.name, c.region),
                    Materialized.with(text, json(Enriched.class)))
                .toStream()
                .to("fk_enriched" + out, Produced.with(text, json(Enriched.class)));
            default -> throw new IllegalArgumentException("no program " + name);
        }
    }

    static KStream<String, Reading> converted(StreamsBuilder b, String in, String out) {
        KStream<String, Reading> ok = b.stream("raw_weather_topic" + in, Consumed.with(Serdes.String(), json(Raw.class)))
            .filter((k, r) -> r != null && r.valid())
            .mapValues(Raw::celsius);
        ok.to("processed_weather_topic" + out, Produced.with(Serdes.String(), json(Reading.class)));
        return ok;
    }

    public static void main(String[] args) throws InterruptedException {
        Map<String, String> flags = new HashMap<>();
        for (int i = 1; i + 1 < args.length; i += 2) flags.put(args[i].replaceFirst("^-+", ""), args[i + 1]);
        boolean exactly = flags.getOrDefault("guarantee", "").equals("exactly_once_v2");
        Properties p = new Properties();
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, flags.get("app-id"));
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, flags.get("bootstrap"));
        p.put(StreamsConfig.STATE_DIR_CONFIG, flags.get("state-dir"));
        p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, exactly ? "exactly_once_v2" : "at_least_once");
        p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, exactly ? 100 : 1000);
        p.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        StreamsBuilder b = new StreamsBuilder();
        program(args[0], b, flags.getOrDefault("in-suffix", ""), flags.getOrDefault("out-suffix", ""));
        KafkaStreams streams = new KafkaStreams(b.build(), p);
        Runtime.getRuntime().addShutdownHook(new Thread(() ->
            streams.close(CloseOptions.timeout(Duration.ofSeconds(30)).withGroupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP))));
        streams.start();
        Thread.currentThread().join();
    }
}
