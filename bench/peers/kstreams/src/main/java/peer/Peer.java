package peer;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Counts each event once, over the month of its record and the one before, and keeps monthly totals
 * by project and meter. Bad events go to the dead letters. Totals are in a state store, and in its
 * changelog topic.
 */
public final class Peer {
  private static final List<String> TOPICS =
      List.of("usage.session", "usage.transfer", "usage.agent", "usage.inference");
  private static final Duration WINDOW = Duration.ofDays(62);

  public static void main(String[] words) {
    var streams = new KafkaStreams(topology(System.getenv("TALLYMAN_PREFIX") + "."), settings());
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(30))));
    streams.start();
  }

  private static Properties settings() {
    var settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getenv("APPLICATION_ID"));
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("KAFKA_BROKERS"));
    settings.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv("STATE_DIR"));
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, option("threads", "2"));
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, option("commit", "1000"));
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 134_217_728);
    settings.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, -1);
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MIN_BYTES_CONFIG), 65_536);
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG), 100);
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 524_288);
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 67_108_864);
    return settings;
  }

  /** `-Dthreads=1` and the like: to see which setting is fastest. */
  private static String option(String name, String fallback) {
    return System.getProperty(name, fallback);
  }

  private static Topology topology(String prefix) {
    var topology = new Topology();
    var bytes = new ByteArrayDeserializer();
    topology.addSource("events", bytes, bytes, TOPICS.stream().map(prefix::concat).toArray(String[]::new));
    topology.addProcessor("count", counter(prefix), "events");
    var toBytes = new ByteArraySerializer();
    topology.addSink("dead-letters", prefix + "usage.dead-letters", toBytes, toBytes, "count");
    return topology;
  }

  private static ProcessorSupplier<byte[], byte[], byte[], byte[]> counter(String prefix) {
    return new ProcessorSupplier<>() {
      @Override
      public Processor<byte[], byte[], byte[], byte[]> get() {
        return new Counter(prefix);
      }

      @Override
      public Set<StoreBuilder<?>> stores() {
        boolean inMemory = option("stores", "memory").equals("memory");
        // The start of a window is the start of a month, so that a look-up reads one key.
        var ids =
            inMemory
                ? Stores.inMemoryWindowStore("ids", WINDOW, Duration.ofDays(31), false)
                : Stores.persistentWindowStore("ids", WINDOW, Duration.ofDays(31), false);
        var totals = inMemory ? Stores.inMemoryKeyValueStore("totals") : Stores.persistentKeyValueStore("totals");
        var config = Map.of(TopicConfig.SEGMENT_BYTES_CONFIG, "67108864");
        return Set.of(
            Stores.windowStoreBuilder(ids, Serdes.Bytes(), Serdes.ByteArray()).withLoggingEnabled(config),
            Stores.keyValueStoreBuilder(totals, Serdes.String(), Serdes.Long())
                .withLoggingEnabled(config)
                .withCachingEnabled());
      }
    };
  }

  private static final class Counter implements Processor<byte[], byte[], byte[], byte[]> {
    private static final byte[] SEEN = {1};
    private static final int ID_BYTES = 16;

    private final int topicFrom;
    private final MessageDigest digest;
    private ProcessorContext<byte[], byte[]> context;
    private WindowStore<Bytes, byte[]> ids;
    private KeyValueStore<String, Long> totals;
    private long previousMonth;
    private long thisMonth;
    private long nextMonth;

    Counter(String prefix) {
      topicFrom = prefix.length();
      try {
        digest = MessageDigest.getInstance("SHA-256");
      } catch (NoSuchAlgorithmException error) {
        throw new IllegalStateException(error);
      }
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      ids = context.getStateStore("ids");
      totals = context.getStateStore("totals");
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      String topic = context.recordMetadata().orElseThrow().topic().substring(topicFrom);
      try {
        count(UsageReader.read(topic, record.value(), record.headers(), record.timestamp()), record.timestamp());
      } catch (UsageReader.BadRecord error) {
        var letter = record.value() == null ? new byte[0] : record.value();
        context.forward(record.withValue(letter.length > 65_536 ? Arrays.copyOf(letter, 65_536) : letter));
      }
    }

    private void count(UsageReader.Usage usage, long recordMs) {
      var id = Bytes.wrap(Arrays.copyOf(digest.digest(usage.identity().getBytes(StandardCharsets.UTF_8)), ID_BYTES));
      if (recordMs < thisMonth || recordMs >= nextMonth) findMonth(recordMs);
      if (ids.fetch(id, thisMonth) != null || ids.fetch(id, previousMonth) != null) return;
      ids.put(id, SEEN, thisMonth);
      for (var quantity : usage.quantities()) {
        if (quantity.amount() == 0) continue;
        String key = usage.month() + ':' + usage.project() + ':' + quantity.meter();
        Long sum = totals.get(key);
        totals.put(key, sum == null ? quantity.amount() : Math.addExact(sum, quantity.amount()));
      }
    }

    private void findMonth(long recordMs) {
      var month = YearMonth.from(Instant.ofEpochMilli(recordMs).atOffset(ZoneOffset.UTC));
      previousMonth = startOf(month.minusMonths(1));
      thisMonth = startOf(month);
      nextMonth = startOf(month.plusMonths(1));
    }

    private static long startOf(YearMonth month) {
      return month.atDay(1).atStartOfDay(ZoneOffset.UTC).toInstant().toEpochMilli();
    }
  }
}
