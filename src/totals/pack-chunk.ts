import { meterKey } from '../rating/meters';
import type { RatedUsage } from '../rating/usage';
import type { Chunk } from './apply';
import { FINGERPRINT_DIGITS, writeDigits, type Fingerprinter } from './fingerprint';

/** A chunk as apply.lua reads it: its ARGV 4 to 6, described there. */
export interface PackedChunk {
  readonly fingerprints: string;
  readonly usages: string;
  readonly events: string;
}

/** A day of usage of one meter. */
interface Field {
  readonly name: string;
  /** Project -> the line that takes the project's next quantity. */
  readonly lines: Map<string, number>;
}

interface Day {
  readonly month: string;
  readonly monthIndex: number;
  readonly fields: Map<string, Field>;
}

const START_DIGITS = 9;
const MAX_TOTAL = 2n ** 63n - 1n;

/**
 * Adds a chunk up and packs it for apply.lua.
 *
 * The sums are taken here, as if no event were a duplicate: the script, which blocks Redis while it runs, then has to
 * look at single usages only where an event turns out to be one.
 *
 * @returns a string for a malformed chunk: what is wrong with it
 */
export function packChunk(fingerprinter: Fingerprinter, chunk: Chunk): PackedChunk | string {
  const { events, from, next } = chunk;
  if (!(Number.isSafeInteger(from) && Number.isSafeInteger(next) && from >= 0 && next >= from)) {
    return `from ${from} to ${next} is no range of offsets`;
  }
  const fingerprints = Buffer.allocUnsafe(events.length * FINGERPRINT_DIGITS);
  const days = new Map<string, Day>();
  const months = new Map<string, number>();
  const monthCounts: number[] = [];
  const fields: string[] = [];
  // By line: where it is counted, and its sum so far. Lines and months count from 1, as lists do in Lua.
  const lineProjects: string[] = [];
  const lineFields: string[] = [];
  const sums: number[] = [];
  const hashes = new Float64Array(events.length);
  /** By event: its month, and for each of its lines: line, quantity. */
  const parts: string[] = [];
  let part = '';

  function dayOf(day: string, month: string): Day | undefined {
    const known = days.get(day);
    if (known) return known.month === month ? known : undefined;
    if (!isDayOf(day, month)) return undefined;
    let monthIndex = months.get(month);
    if (monthIndex === undefined) {
      monthIndex = monthCounts.push(0);
      months.set(month, monthIndex);
    }
    const made = { month, monthIndex, fields: new Map<string, Field>() };
    days.set(day, made);
    return made;
  }

  function fieldOf(day: string, { month, fields: known }: Day, usage: RatedUsage): Field {
    const key = meterKey(usage.meter, usage.model);
    let field = known.get(key);
    if (!field) {
      field = { name: String(fields.length / 4), lines: new Map() };
      known.set(key, field);
      // Half a surrogate pair in a model's name has no form in UTF-8; cjson refuses the escape that JSON has for it.
      fields.push(field.name, month, day, wellFormed(key));
    }
    return field;
  }

  /** Adds to the line of a project and a field, or to a new one where the sum would leave Lua's exact numbers. */
  function add(project: string, field: Field, quantity: number): void {
    let line = field.lines.get(project);
    if (line === undefined || sums[line - 1]! + quantity > Number.MAX_SAFE_INTEGER) {
      line = sums.push(0);
      lineProjects.push(project);
      lineFields.push(field.name);
      field.lines.set(project, line);
    }
    sums[line - 1]! += quantity;
    part += ` ${line} ${quantity}`;
  }

  fingerprinter.begin(chunk.topic);
  let lastOffset = from - 1;
  for (let i = 0; i < events.length; i += 1) {
    const event = events[i]!;
    if (!(event.offset > lastOffset && event.offset < next && Number.isInteger(event.offset))) {
      return `offset ${event.offset} does not lie between ${lastOffset} and ${next}`;
    }
    lastOffset = event.offset;
    const day = dayOf(event.day, event.month);
    if (!day) return `offset ${event.offset}: "${event.day}" is no day of "${event.month}"`;
    monthCounts[day.monthIndex - 1]! += 1;
    const { project, source, id } = event;
    hashes[i] = fingerprinter.write(fingerprints, i * FINGERPRINT_DIGITS, project, source, id);

    part = String(day.monthIndex);
    for (const usage of event.usages) {
      const field = fieldOf(event.day, day, usage);
      const quantity = smallQuantity(usage.quantity);
      if (quantity !== undefined) {
        add(project, field, quantity);
        continue;
      }
      const exact = exactPartsOf(usage.quantity);
      if (!exact) return `offset ${event.offset}: "${usage.quantity}" is no quantity from 1 to 2^63-1`;
      for (const one of exact) add(project, field, one);
    }
    parts.push(part);
  }

  const lines: string[] = [];
  for (let i = 0; i < sums.length; i += 1) lines.push(lineProjects[i]!, lineFields[i]!, String(sums[i]));
  const order = byBucket(hashes);
  return {
    fingerprints: inOrder(fingerprints, order),
    usages: JSON.stringify({
      fields,
      lines,
      months: [...months.keys()].flatMap((month, i) => [month, monthCounts[i]]),
    }),
    events: packParts(parts, order),
  };
}

const REVERSED_DIGITS = Uint16Array.from({ length: 4 ** 7 }, (_, number) => {
  let reversed = 0;
  for (let rest = number, digit = 0; digit < 7; digit += 1, rest >>>= 2) reversed = reversed * 4 + (rest & 3);
  return reversed;
});
/** More events than a chunk can have: an order's keys hold an event's place below it. */
const PLACES = 2 ** 24;

/**
 * The places of the events in an order in which those of one bucket are neighbours, whatever the number of buckets: a
 * bucket is the hash modulo a power of four, so by the digits of base four, the last one first. Of equal hashes the
 * earlier event comes first.
 */
function byBucket(hashes: Float64Array): Float64Array {
  for (let i = 0; i < hashes.length; i += 1) {
    const hash = hashes[i]!;
    const reversed = REVERSED_DIGITS[hash & 0x3fff]! * 4 ** 7 + REVERSED_DIGITS[hash >>> 14]!;
    hashes[i] = reversed * PLACES + i;
  }
  hashes.sort();
  for (let i = 0; i < hashes.length; i += 1) hashes[i] = hashes[i]! % PLACES;
  return hashes;
}

function inOrder(fingerprints: Buffer, order: Float64Array): string {
  const sorted = Buffer.allocUnsafe(fingerprints.length);
  let to = 0;
  for (const place of order) {
    const from = place * FINGERPRINT_DIGITS;
    for (let digit = 0; digit < FINGERPRINT_DIGITS; digit += 1) sorted[to++] = fingerprints[from + digit]!;
  }
  return sorted.toString('latin1');
}

/** Of each event where its part begins, in nine digits, and then the parts. */
function packParts(parts: readonly string[], order: Float64Array): string {
  const starts = Buffer.allocUnsafe(parts.length * START_DIGITS);
  let start = starts.length + 1; // As Lua counts.
  let sorted = '';
  for (let i = 0; i < order.length; i += 1) {
    const part = parts[order[i]!]!;
    writeDigits(starts, i * START_DIGITS + START_DIGITS - 1, START_DIGITS, start);
    start += part.length + 1;
    sorted += `${part};`;
  }
  return starts.toString('latin1') + sorted;
}

export function isDayOf(day: string, month: string): boolean {
  return /^\d{4}-(0[1-9]|1[0-2])$/.test(month) && /^\d\d$/.test(day.slice(8)) && day.startsWith(`${month}-`);
}

/** A canonical decimal integer of 1 to 15 digits as a number; undefined for all else. */
function smallQuantity(text: string): number | undefined {
  const length = text.length;
  if (length === 0 || length > 15 || text.charCodeAt(0) === 48) return undefined;
  let quantity = 0;
  for (let i = 0; i < length; i += 1) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return undefined;
    quantity = quantity * 10 + digit;
  }
  return quantity;
}

/** A canonical decimal integer of 1 to 2^63-1 as parts that are exact numbers; undefined for all else. */
function exactPartsOf(text: string): number[] | undefined {
  if (!/^[1-9]\d{0,18}$/.test(text)) return undefined;
  let rest = BigInt(text);
  if (rest > MAX_TOTAL) return undefined;
  const parts: number[] = [];
  const most = BigInt(Number.MAX_SAFE_INTEGER);
  for (; rest > most; rest -= most) parts.push(Number.MAX_SAFE_INTEGER);
  parts.push(Number(rest));
  return parts;
}

/** As UTF-8 can write it: half a surrogate pair becomes U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
