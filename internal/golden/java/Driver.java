import com.fasterxml.jackson.databind.JsonNode;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.time.Instant;
import java.util.Map;
import java.util.Properties;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.errors.ProcessorStateException;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.internals.StreamTask;

/**
 * Runs the task of a TopologyTestDriver step by step. The driver's own loop commits after each record and keeps
 * outputs by topic; this one commits when it is told to and hands out all records in the order they were sent. What it
 * needs for that is private there and is reached by reflection.
 */
final class Driver implements AutoCloseable {
    private final TopologyTestDriver driver;
    private final boolean commitEach;
    private final StreamTask task; // null when there are only global tables
    private final Time clock;
    private final MockProducer<byte[], byte[]> producer;
    private final Map<String, TopicPartition> globals;
    private Consumer<ProducerRecord<byte[], byte[]>> sent;

    Driver(Topology topology, Properties props, Instant start, boolean commitEach) {
        this.driver = new TopologyTestDriver(topology, props, start);
        this.commitEach = commitEach;
        this.task = field("task");
        this.clock = field("mockWallClockTime");
        this.producer = field("producer");
        this.globals = field("globalPartitionsByInputTopic");
    }

    /** Runs one step; sent is called for each record that the task sends meanwhile. */
    void step(JsonNode step, Consumer<ProducerRecord<byte[], byte[]>> sent) {
        this.sent = sent;
        switch (step.get("op").asText()) {
            case "pipe" -> {
                enqueue(step);
                run();
            }
            case "enqueue" -> enqueue(step);
            case "run" -> run();
            case "advance" -> {
                clock.sleep(step.get("ms").asLong());
                if (task != null) {
                    try {
                        task.maybePunctuateSystemTime();
                    } catch (RuntimeException e) {
                        take();
                        throw e;
                    }
                    if (commitEach) {
                        commit();
                    }
                }
                run();
            }
            case "commit" -> {
                commit();
                run();
            }
            default -> throw new IllegalArgumentException("unknown step " + step);
        }
    }

    private void enqueue(JsonNode step) {
        String topic = step.get("topic").asText();
        byte[] key = Text.encode(step.get("key"));
        byte[] value = Text.encode(step.get("value"));
        Headers headers = new RecordHeaders();
        for (JsonNode h : step.path("headers")) {
            headers.add(h.get(0).asText(), Text.encode(h.get(1)));
        }
        TopicPartition partition = call("getInputTopicOrPatternPartition", types(String.class), topic);
        TopicPartition global = globals.get(topic);
        if (partition == null && global == null) {
            throw new IllegalArgumentException("unknown topic " + topic);
        }
        long ts = step.get("ts").asLong();
        if (partition != null) {
            call("enqueueTaskRecord", types(String.class, TopicPartition.class, long.class, byte[].class, byte[].class, Headers.class),
                topic, partition, ts, key, value, headers);
        }
        if (global != null) {
            call("processGlobalRecord", types(TopicPartition.class, long.class, byte[].class, byte[].class, Headers.class),
                global, ts, key, value, headers);
        }
    }

    private void run() {
        take();
        if (task == null) {
            return;
        }
        task.resumePollingForPartitionsWithAvailableSpace();
        task.updateLags();
        while (task.hasRecordsQueued() && task.isProcessable(clock.milliseconds())) {
            try {
                task.process(clock.milliseconds());
                task.maybePunctuateStreamTime();
                if (commitEach) {
                    commit();
                }
            } finally {
                take(); // what was sent before a failure counts
            }
        }
    }

    private void commit() {
        Map<TopicPartition, OffsetAndMetadata> offsets = task.prepareCommit(true);
        call("commit", types(Map.class), offsets);
        task.postCommit(true);
    }

    /** Hands out what was sent and lets the driver put back what the topology reads itself. */
    private void take() {
        producer.history().forEach(sent);
        call("captureOutputsAndReEnqueueInternalResults", types());
    }

    Map<String, StateStore> stores() {
        return driver.getAllStateStores();
    }

    Map<MetricName, ? extends Metric> metrics() {
        return driver.metrics();
    }

    /** Closes the driver. What its caches still hold has nowhere to go then, which makes it fail. */
    @Override
    public void close() {
        try {
            driver.close();
        } catch (ProcessorStateException e) {
            // All is recorded by now.
        }
    }

    private static Class<?>[] types(Class<?>... types) {
        return types;
    }

    @SuppressWarnings("unchecked")
    private <T> T field(String name) {
        try {
            Field f = TopologyTestDriver.class.getDeclaredField(name);
            f.setAccessible(true);
            return (T) f.get(driver);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(name, e);
        }
    }

    @SuppressWarnings("unchecked")
    private <T> T call(String name, Class<?>[] types, Object... args) {
        try {
            Method m = TopologyTestDriver.class.getDeclaredMethod(name, types);
            m.setAccessible(true);
            return (T) m.invoke(driver, args);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new LinkageError(name, e);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(name, e);
        }
    }
}
