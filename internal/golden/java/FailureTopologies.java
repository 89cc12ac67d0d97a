import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.ErrorHandlerContext;
import org.apache.kafka.streams.errors.ProductionExceptionHandler;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.LogAndSkipOnInvalidTimestamp;
import org.apache.kafka.streams.processor.TimestampExtractor;
import org.apache.kafka.streams.processor.UsePartitionTimeOnInvalidTimestamp;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

import java.nio.charset.StandardCharsets;
import java.util.Map;

/** Times of records, the choice among inputs, and what happens to failures. */
final class FailureTopologies {
    private FailureTopologies() { }

    static void addTo(Topologies all) {
        all.dsl("time-custom-extractor", FailureTopologies::customExtractor);
        all.dsl("time-fail-on-invalid", b -> Vocabulary.texts(b, "in")
            .mapValues(v -> v + ".").to("out", Vocabulary.texts()));
        all.dsl("time-log-and-skip", b -> b.stream("in", timed(new LogAndSkipOnInvalidTimestamp())).groupByKey()
            .reduce(Vocabulary.REDUCE, Vocabulary.texts("red").withCachingDisabled())
            .toStream().to("out", Vocabulary.texts()));
        all.dsl("time-use-partition-time", b -> b.stream("in", timed(new UsePartitionTimeOnInvalidTimestamp()))
            .to("out", Vocabulary.texts()));
        all.dsl("choice-by-timestamp", FailureTopologies::choice);

        all.dsl("error-deserialization-continue", b -> Vocabulary.longs(b, "in").groupByKey()
            .aggregate(Vocabulary.ZERO, Vocabulary.ADD, Vocabulary.longs("sum").withCachingDisabled())
            .toStream().to("out", Vocabulary.longs()));
        all.dsl("error-deserialization-dlq", b -> Vocabulary.longs(b, "in")
            .mapValues(v -> v == null ? null : v * 2).to("out", Vocabulary.longs()));
        all.dsl("error-deserialization-fail", b -> Vocabulary.longs(b, "in").to("out", Vocabulary.longs()));
        all.dsl("error-processing-continue-dlq", FailureTopologies::processingContinues);
        all.dsl("error-processing-fail", b -> Vocabulary.texts(b, "in").mapValues(FailureTopologies::unlessBad)
            .to("out", Vocabulary.texts()));
        all.dsl("error-production-continue", FailureTopologies::productionContinues,
            Map.of(StreamsConfig.PRODUCTION_EXCEPTION_HANDLER_CLASS_CONFIG, Resuming.class));
    }

    private static Consumed<String, String> timed(TimestampExtractor extractor) {
        return Consumed.with(Vocabulary.S, Vocabulary.S).withTimestampExtractor(extractor);
    }

    /** The time in "t<number>/...", else the record's. */
    private static long timeInValue(ConsumerRecord<Object, Object> r, long partitionTime) {
        String v = (String) r.value();
        return v != null && v.matches("t-?\\d+/.*") ? Long.parseLong(v.substring(1, v.indexOf('/'))) : r.timestamp();
    }

    private static void customExtractor(StreamsBuilder b) {
        KStream<String, String> in = b.stream("in", timed(FailureTopologies::timeInValue));
        in.mapValues(v -> v).to("out", Vocabulary.texts());
        in.groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(Vocabulary.ms(10)))
            .count(Vocabulary.longWindows("c").withRetention(Vocabulary.DAY).withCachingDisabled())
            .toStream().to("counts", Vocabulary.timed(10, Vocabulary.L));
    }

    private static void choice(StreamsBuilder b) {
        KStream<String, String> l = Vocabulary.texts(b, "l");
        KStream<String, String> r = Vocabulary.texts(b, "r");
        l.mapValues(v -> "L" + v).merge(r.mapValues(v -> "R" + v)).to("out", Vocabulary.texts());
    }

    private static String unlessBad(String v) {
        if ("bad".equals(v)) {
            throw new RuntimeException("bad value");
        }
        return v + "!";
    }

    /** Fails between two forwards when the value starts with an x. */
    private static final class Boom extends ContextualProcessor<String, String, String, String> {
        @Override
        public void process(Record<String, String> r) {
            context().forward(r.withValue("pre:" + r.value()));
            if (r.value().startsWith("x")) {
                throw new RuntimeException("boom " + r.value());
            }
            context().forward(r.withValue("post:" + r.value()).withTimestamp(r.timestamp() + 1));
        }
    }

    private static void processingContinues(StreamsBuilder b) {
        Vocabulary.texts(b, "in").mapValues(v -> v + ".").process(Boom::new, Named.as("boom")).groupByKey()
            .reduce((sum, v) -> {
                if (v.contains("7")) {
                    throw new RuntimeException("red " + v);
                }
                return sum + "+" + v;
            }, Vocabulary.texts("red").withCachingDisabled())
            .toStream().to("out", Vocabulary.texts());
    }

    /** Leaves out what cannot be sent. */
    public static final class Resuming implements ProductionExceptionHandler {
        @Override
        public Response handleError(ErrorHandlerContext context, ProducerRecord<byte[], byte[]> r, Exception e) {
            return Response.resume();
        }

        @Override
        @SuppressWarnings("rawtypes")
        public Response handleSerializationError(ErrorHandlerContext context, ProducerRecord r, Exception e,
                                                 SerializationExceptionOrigin origin) {
            return Response.resume();
        }

        @Override
        public void configure(Map<String, ?> configs) { }
    }

    private static void productionContinues(StreamsBuilder b) {
        Serde<String> noThrees = Serdes.serdeFrom((topic, v) -> {
            if (v != null && v.contains("3")) {
                throw new RuntimeException("no threes");
            }
            return v == null ? null : v.getBytes(StandardCharsets.UTF_8);
        }, Vocabulary.S.deserializer());
        KStream<String, String> in = Vocabulary.texts(b, "in");
        in.mapValues(v -> v + ".").to("out", Produced.with(Vocabulary.S, noThrees));
        in.groupByKey().count(Vocabulary.longs("cnt").withCachingDisabled()).toStream().to("c", Vocabulary.longs());
    }
}
