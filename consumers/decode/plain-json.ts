/**
 * Reads the JSON of events in the form that almost all producers write, from the bytes of a batch:
 * the fields of our schemas, texts of printable ASCII without escapes, whole numbers, booleans and
 * null. It takes less time than Node's parser. A text that comes again and again is the same
 * string, and times are instants already. JSON of any other form is left to Node's parser.
 */
import { readPlainInstant } from './plain-instant';
import { readPlainText } from './plain-text';

type Fields = Readonly<Record<string, unknown>>;

/** The name of a field, with its quotes. */
interface Name {
  readonly bytes: Uint8Array;
  readonly slot: number;
  readonly isData: boolean;
  readonly isTime: boolean;
  readonly repeats: boolean;
  /** The name that followed it last. A producer writes its fields in one order. */
  next: Name | undefined;
}

interface Shape {
  readonly names: readonly Name[];
  /** The name that came first in the last object. */
  next: Name | undefined;
  /** The values of the object at hand, in the order of the names. */
  readonly values: unknown[];
}

const TIMES = ['time', 'startedAt', 'endedAt'];

function shapeOf(...fields: readonly string[]): Shape {
  const names = fields.map((field, slot) => {
    const isData = field === 'data';
    const isTime = TIMES.includes(field);
    const repeats = !isTime && field !== 'id';
    return { bytes: bytesOf(`"${field}"`), slot, isData, isTime, repeats, next: undefined };
  });
  return { names, next: undefined, values: fields.map(() => undefined) };
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text));
}

const EVENT = shapeOf('specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'data');
const DATA = shapeOf(
  ...['service', 'variant', 'startedAt', 'endedAt', 'durationMs', 'direction', 'bytes'],
  ...['kind', 'model', 'inputTokens', 'cachedInputTokens', 'outputTokens', 'characters'],
  ...['recorded', 'voiceIsolation', 'observabilityEvents'],
);

const BLANK = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BRACE = 0x7b;
const BRACE_END = 0x7d;
const TRUE = bytesOf('true');
const FALSE = bytesOf('false');
const NULL = bytesOf('null');
/** Every number of this many digits is exact. */
const DIGITS_MAX = 15;
class PlainJsonReader {
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;

  readEvent(bytes: Buffer, start: number, end: number): Fields | undefined {
    this.bytes = bytes;
    this.at = start;
    if (!this.readFields(EVENT) || this.at !== end) return undefined;
    const [specversion, id, source, type, subject, time, , data] = EVENT.values;
    return { specversion, id, source, type, subject, time, data };
  }

  readData(bytes: Buffer, start: number, end: number): Fields | undefined {
    this.bytes = bytes;
    this.at = start;
    const data = this.readDataObject();
    return this.at === end ? data : undefined;
  }

  private readDataObject(): Fields | undefined {
    if (!this.readFields(DATA)) return undefined;
    const { values } = DATA;
    // By index, because taking a list apart is slow.
    return {
      service: values[0],
      variant: values[1],
      startedAt: values[2],
      endedAt: values[3],
      durationMs: values[4],
      direction: values[5],
      bytes: values[6],
      kind: values[7],
      model: values[8],
      inputTokens: values[9],
      cachedInputTokens: values[10],
      outputTokens: values[11],
      characters: values[12],
      recorded: values[13],
      voiceIsolation: values[14],
      observabilityEvents: values[15],
    };
  }

  private readFields(shape: Shape): boolean {
    const { bytes } = this;
    const { values } = shape;
    values.fill(undefined);
    let before: Shape | Name = shape;
    for (let separator = BRACE; bytes[this.at] === separator; separator = COMMA) {
      this.skip();
      const name = this.readName(shape, before.next);
      if (name === undefined || bytes[this.at] !== COLON) return false;
      this.skip();
      const value = this.readValue(name);
      if (value === undefined) return false;
      values[name.slot] = value;
      before.next = name;
      before = name;
    }
    if (before === shape || bytes[this.at] !== BRACE_END) return false;
    this.at += 1;
    return true;
  }

  /** Skips a separator, and the blank that some producers write after it. */
  private skip(): void {
    this.at += this.bytes[this.at + 1] === BLANK ? 2 : 1;
  }

  private readName({ names }: Shape, expected: Name | undefined): Name | undefined {
    if (expected !== undefined && this.reads(expected.bytes)) return expected;
    for (const name of names) if (this.reads(name.bytes)) return name;
    return undefined;
  }

  /** Whether these bytes come next. If they do, they are skipped. */
  private reads(expected: Uint8Array): boolean {
    const { bytes, at } = this;
    for (let i = 0; i < expected.length; i += 1) if (bytes[at + i] !== expected[i]) return false;
    this.at = at + expected.length;
    return true;
  }

  /** Undefined for a value of another form. */
  private readValue({ isData, isTime, repeats }: Name): unknown {
    const first = this.bytes[this.at]!;
    if (first === QUOTE) return (isTime ? this.readTime() : undefined) ?? this.readText(repeats);
    if (first >= ZERO && first <= NINE) return this.readNumber();
    if (first === BRACE) return isData ? this.readDataObject() : undefined;
    if (this.reads(TRUE)) return true;
    if (this.reads(FALSE)) return false;
    return this.reads(NULL) ? null : undefined;
  }

  private readTime(): unknown {
    const instant = readPlainInstant(this.bytes, this.at + 1);
    if (instant === undefined || this.bytes[instant.end] !== QUOTE) return undefined;
    this.at = instant.end + 1;
    return instant;
  }

  private readText(repeats: boolean): string | undefined {
    const { bytes } = this;
    const start = this.at + 1;
    const text = readPlainText(bytes, start, bytes.length, repeats);
    const end = start + text.length;
    if (bytes[end] !== QUOTE) return undefined;
    this.at = end + 1;
    return text;
  }

  /** Stops before a fraction or an exponent, which is then not the separator that must follow. */
  private readNumber(): number | undefined {
    const { bytes, at: start } = this;
    let at = start;
    let number = 0;
    for (let digit = bytes[at]! - ZERO; digit >= 0 && digit <= 9; digit = bytes[at]! - ZERO) {
      number = number * 10 + digit;
      at += 1;
    }
    this.at = at;
    const digits = at - start;
    return digits > DIGITS_MAX || (digits > 1 && bytes[start] === ZERO) ? undefined : number;
  }
}

const reader = new PlainJsonReader();

/** The event that is the whole of [start, end), or only its data; undefined for any other form. */
export function readPlainJson(
  bytes: Buffer,
  start: number,
  end: number,
  isData: boolean,
): Fields | undefined {
  return isData ? reader.readData(bytes, start, end) : reader.readEvent(bytes, start, end);
}
