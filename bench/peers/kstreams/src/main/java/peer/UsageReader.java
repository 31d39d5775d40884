package peer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/** Turns a record into usage by the rules of docs/events.md. Each usage is rounded up alone. */
final class UsageReader {
  record Quantity(String meter, long amount) {}

  record Usage(String project, String identity, String month, List<Quantity> quantities) {}

  /** A record that goes to the dead letters. */
  static final class BadRecord extends RuntimeException {
    BadRecord(String reason) {
      super(reason, null, false, false);
    }
  }

  private static final long SECOND = 1_000_000_000L;
  private static final long MOST = 31L * 86_400 * SECOND;
  private static final Pattern SOURCE = Pattern.compile("[^\\x00-\\x20\\x7f]{1,256}");
  private static final Pattern PROJECT = Pattern.compile("[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}");
  private static final Pattern MODEL = Pattern.compile("[^\\x00-\\x1f\\x7f]{1,128}");
  private static final Pattern DIGITS = Pattern.compile("0|[1-9][0-9]*");
  private static final Map<String, List<String>> VARIANTS =
      Map.of(
          "sip", List.of("third_party", "us_local", "us_toll_free"),
          "ingress", List.of("transcoded", "passthrough"),
          "egress", List.of("video", "audio_only", "track"),
          "connector", List.of("other", "whatsapp"));
  private static final ObjectReader JSON =
      new ObjectMapper(new JsonFactory())
          .readerFor(JsonNode.class)
          .with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  /** @param topic without the prefix */
  static Usage read(String topic, byte[] value, Headers headers, long recordMs) {
    if (value == null || value.length == 0) throw new BadRecord("malformed_json");
    if (value.length > 1_048_576) throw new BadRecord("too_large");
    JsonNode document = parse(value);
    boolean isBinary = headers.lastHeader("ce_specversion") != null;
    must(document.isObject());
    String specversion = attribute("specversion", isBinary, document, headers);
    String id = attribute("id", isBinary, document, headers);
    String source = attribute("source", isBinary, document, headers);
    String type = attribute("type", isBinary, document, headers);
    String project = attribute("subject", isBinary, document, headers);
    String time = attribute("time", isBinary, document, headers);
    must(specversion.equals("1.0") && !id.isEmpty() && id.codePointCount(0, id.length()) <= 256);
    must(SOURCE.matcher(source).matches() && PROJECT.matcher(project).matches());
    long timeNs = nanoseconds(time);
    if (!type.equals(topic + ".v1")) throw new BadRecord("wrong_type");
    JsonNode data = isBinary ? document : document.path("data");
    must(data.isObject());
    List<Quantity> quantities = quantities(topic, data);

    long recordNs = recordMs * 1_000_000;
    if (timeNs > recordNs + 3_600 * SECOND) throw new BadRecord("from_the_future");
    if (timeNs < recordNs - 400L * 86_400 * SECOND) throw new BadRecord("too_old");
    String identity = topic + '\n' + project + '\n' + source + '\n' + id;
    return new Usage(project, identity, monthOf(timeNs), quantities);
  }

  private static JsonNode parse(byte[] value) {
    // Jackson would skip a byte order mark.
    if (value[0] == (byte) 0xef) throw new BadRecord("malformed_json");
    try {
      return JSON.readTree(value);
    } catch (IOException error) {
      throw new BadRecord("malformed_json");
    }
  }

  private static String attribute(String name, boolean isBinary, JsonNode document, Headers headers) {
    if (isBinary) {
      Header header = headers.lastHeader("ce_" + name);
      must(header != null);
      return new String(header.value(), StandardCharsets.UTF_8);
    }
    JsonNode value = document.path(name);
    must(value.isTextual());
    return value.textValue();
  }

  private static List<Quantity> quantities(String topic, JsonNode data) {
    String service = data.path("service").asText();
    List<Quantity> found = new ArrayList<>(4);
    switch (topic) {
      case "usage.session" -> found.add(new Quantity(session(service, data), minutes(data)));
      case "usage.transfer" -> {
        String direction = data.path("direction").asText();
        must(service.equals("webrtc") || VARIANTS.containsKey(service));
        must(direction.equals("downstream") || direction.equals("upstream"));
        long bytes = integer(data.path("bytes"));
        found.add(new Quantity("transfer." + direction, roundUp(bytes, 10_000_000)));
      }
      case "usage.agent" -> {
        long seconds = minutes(data);
        found.add(new Quantity("agent.session", seconds));
        if (flag(data.path("recorded"))) found.add(new Quantity("agent.recording", seconds));
        if (flag(data.path("voiceIsolation"))) found.add(new Quantity("agent.voice_isolation", seconds));
        found.add(new Quantity("agent.events", integerOrZero(data.path("observabilityEvents"))));
      }
      default -> addInference(data, found);
    }
    return found;
  }

  private static String session(String service, JsonNode data) {
    if (service.equals("webrtc")) return "session.webrtc";
    List<String> variants = VARIANTS.get(service);
    must(variants != null);
    JsonNode given = data.path("variant");
    String variant = isAbsent(given) ? variants.get(0) : given.textValue();
    must(variants.contains(variant));
    return "session." + service + "." + variant;
  }

  private static void addInference(JsonNode data, List<Quantity> found) {
    String model = data.path("model").textValue();
    must(model != null && MODEL.matcher(model).matches());
    switch (data.path("kind").asText()) {
      case "stt" -> found.add(new Quantity("inference.stt/" + model, roundUp(length(data), SECOND) / SECOND));
      case "tts" -> found.add(new Quantity("inference.tts/" + model, integer(data.path("characters"))));
      case "llm" -> {
        long input = integer(data.path("inputTokens"));
        long cached = integerOrZero(data.path("cachedInputTokens"));
        must(cached <= input);
        found.add(new Quantity("inference.llm.input/" + model, input - cached));
        found.add(new Quantity("inference.llm.cached_input/" + model, cached));
        found.add(new Quantity("inference.llm.output/" + model, integer(data.path("outputTokens"))));
      }
      default -> must(false);
    }
  }

  private static long minutes(JsonNode data) {
    return roundUp(length(data), 60 * SECOND) / SECOND;
  }

  private static long roundUp(long amount, long step) {
    return (amount + step - 1) / step * step;
  }

  /** In nanoseconds. */
  private static long length(JsonNode data) {
    JsonNode start = data.path("startedAt");
    JsonNode end = data.path("endedAt");
    JsonNode given = data.path("durationMs");
    long startNs = isAbsent(start) ? 0 : nanoseconds(start.textValue());
    long endNs = isAbsent(end) ? 0 : nanoseconds(end.textValue());
    long givenMs = isAbsent(given) ? 0 : integer(given);
    long length;
    if (isAbsent(start) || isAbsent(end)) {
      must(!isAbsent(given));
      length = givenMs > MOST / 1_000_000 ? MOST + 1 : givenMs * 1_000_000;
    } else {
      length = endNs - startNs;
    }
    if (length < 0) throw new BadRecord("negative_duration");
    if (length > MOST) throw new BadRecord("implausible");
    return length;
  }

  private static boolean isAbsent(JsonNode value) {
    return value.isMissingNode() || value.isNull();
  }

  private static boolean flag(JsonNode value) {
    must(isAbsent(value) || value.isBoolean());
    return value.booleanValue();
  }

  private static long integerOrZero(JsonNode value) {
    return isAbsent(value) ? 0 : integer(value);
  }

  private static long integer(JsonNode value) {
    if (value.isTextual()) {
      String text = value.textValue();
      must(text.length() <= 16 && DIGITS.matcher(text).matches());
      return inRange(Long.parseLong(text));
    }
    must(value.isNumber());
    if (!value.isIntegralNumber()) must(value.doubleValue() == Math.rint(value.doubleValue()));
    must(value.canConvertToLong());
    return inRange(value.longValue());
  }

  private static long inRange(long value) {
    must(value >= 0 && value < 1L << 53);
    return value;
  }

  /** RFC 3339 with up to nine digits of a second, as nanoseconds since 1970. */
  private static long nanoseconds(String text) {
    try {
      must(text != null && text.length() >= 20 && (text.charAt(10) | 32) == 't');
      must(text.charAt(4) == '-' && text.charAt(7) == '-' && text.charAt(13) == ':' && text.charAt(16) == ':');
      long day = LocalDate.of(number(text, 0, 4), number(text, 5, 7), number(text, 8, 10)).toEpochDay();
      int hour = number(text, 11, 13);
      int minute = number(text, 14, 16);
      int second = number(text, 17, 19);
      must(hour < 24 && minute < 60 && second < 60);
      int at = 19;
      long fraction = 0;
      if (text.charAt(at) == '.') {
        int first = ++at;
        while (at < text.length() && Character.isDigit(text.charAt(at))) at++;
        must(at > first && at - first <= 9);
        fraction = number(text, first, at);
        for (int digits = at - first; digits < 9; digits++) fraction *= 10;
      }
      long seconds = day * 86_400 + hour * 3_600 + minute * 60 + second - offsetSeconds(text, at);
      return Math.addExact(Math.multiplyExact(seconds, SECOND), fraction);
    } catch (DateTimeException | ArithmeticException | IndexOutOfBoundsException error) {
      throw new BadRecord("schema_violation");
    }
  }

  private static int offsetSeconds(String text, int at) {
    char sign = text.charAt(at);
    if ((sign | 32) == 'z') {
      must(at + 1 == text.length());
      return 0;
    }
    must((sign == '+' || sign == '-') && at + 6 == text.length() && text.charAt(at + 3) == ':');
    int hours = number(text, at + 1, at + 3);
    int minutes = number(text, at + 4, at + 6);
    must(hours < 24 && minutes < 60);
    return (hours * 3_600 + minutes * 60) * (sign == '-' ? -1 : 1);
  }

  private static int number(String text, int from, int to) {
    int value = 0;
    for (int at = from; at < to; at++) {
      int digit = text.charAt(at) - '0';
      must(digit >= 0 && digit <= 9);
      value = value * 10 + digit;
    }
    return value;
  }

  private static String monthOf(long timeNs) {
    return LocalDate.ofEpochDay(Math.floorDiv(timeNs, 86_400 * SECOND)).toString().substring(0, 7);
  }

  private static void must(boolean holds) {
    if (!holds) throw new BadRecord("schema_violation");
  }
}
