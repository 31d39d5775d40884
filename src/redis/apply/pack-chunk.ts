import { meterKey, type Meter } from '../../rating/meters';
import type { RatedUsage } from '../../rating/usage';
import type { Chunk } from './chunk';
import { FINGERPRINT_BYTES, type Fingerprinter } from './fingerprint';
import { FingerprintSet } from '../../dedup/fingerprint-set';
import { FIRST_WINDOW, isDuplicate, type DedupWindows } from './dedup-index';
import { isMonth, lateField } from '../../rating/month';

/** A chunk without its duplicates, in the form that apply.lua reads, with its counts. */
export interface PackedChunk {
  /**
   * Fingerprints of the events that are counted, in order: lower half, upper half, lower half ...
   */
  readonly halves: Uint32Array;
  /** JSON: see readUsages in apply.lua. */
  readonly usages: string;
  readonly counted: number;
  readonly duplicates: number;
  readonly late: number;
}

/** One meter on one day. */
interface Field {
  /** The name of the total, as JSON. For late usage it begins with the month. */
  readonly totalsField: string;
  /** `<day>/<meter>` as JSON. */
  readonly dailyField: string;
  /** The month in whose totals it is counted. */
  readonly bill: string;
  /** Project -> the line to which the project's next quantity is added. */
  readonly lines: Map<string, Line>;
}

/** The usage of one project, meter and day. */
interface Line {
  readonly project: string;
  readonly field: Field;
  /** At most 2^53 - 1. */
  sum: number;
}

interface Day {
  readonly month: string;
  readonly isLate: boolean;
  readonly bill: string;
  /**
   * By the name of the meter, without its model. Such a name is the same string for all events, so
   * its hash is computed only once.
   */
  readonly fields: Map<Meter, Field>;
  readonly models: Map<Meter, Map<string, Field>>;
}

const MAX_TOTAL = 2n ** 63n - 1n;
/**
 * The ids of the chunk that is being packed. All chunks share one set, because packing never waits.
 */
const seenInChunk = new FingerprintSet();

/**
 * Leaves out the duplicates of a chunk, adds up the rest and packs it for apply.lua. Everything
 * that can be done here is done here, because a script blocks its Redis while it runs.
 *
 * @param known the ids that the events are compared with; the current window is named after the
 *   open month
 * @returns a string that describes the problem if the chunk is malformed
 */
export function packChunk(
  fingerprinter: Fingerprinter,
  chunk: Chunk,
  known: DedupWindows,
): PackedChunk | string {
  const { events, from, next } = chunk;
  const open = known.own.period === FIRST_WINDOW ? undefined : known.own.period;
  const halves = new Uint32Array(events.length * 2);
  const days = new Map<string, Day>();
  const lines: Line[] = [];
  let counted = 0;
  let late = 0;

  seenInChunk.clear();
  fingerprinter.begin(chunk.topic);
  let lastOffset = from - 1;
  for (const event of events) {
    const { offset, project, source, id } = event;
    if (!(offset > lastOffset && offset < next && Number.isInteger(offset))) {
      return `offset ${offset} is not between ${lastOffset} and ${next}`;
    }
    lastOffset = offset;
    const day = dayOf(days, open, event.day, event.month);
    if (!day) return `offset ${offset}: "${event.day}" is not a day of "${event.month}"`;

    const at = counted * 2;
    fingerprinter.write(halves, at, project, source, id);
    if (isDuplicate(halves[at]!, halves[at + 1]!, known, seenInChunk)) continue;
    counted += 1;
    if (day.isLate) late += 1;

    for (const usage of event.usages) {
      const field = fieldOf(event.day, day, usage);
      const quantity = smallQuantity(usage.quantity);
      if (quantity !== undefined) {
        add(lines, project, field, quantity);
        continue;
      }
      const exact = exactPartsOf(usage.quantity);
      if (!exact) return `offset ${offset}: "${usage.quantity}" is not a quantity from 1 to 2^63-1`;
      for (const one of exact) add(lines, project, field, one);
    }
  }
  return {
    halves: halves.subarray(0, counted * 2),
    usages: usagesOf(lines),
    counted,
    duplicates: events.length - counted,
    late,
  };
}

/** The fingerprints as Redis stores them. */
export function fingerprintBytes(halves: Uint32Array): Buffer {
  return Buffer.from(halves.buffer, halves.byteOffset, (halves.length / 2) * FINGERPRINT_BYTES);
}

/** @returns undefined for what is not a day of the month */
function dayOf(
  days: Map<string, Day>,
  open: string | undefined,
  day: string,
  month: string,
): Day | undefined {
  const there = days.get(day);
  if (there) return there.month === month ? there : undefined;
  if (!isDayOf(day, month)) return undefined;
  const isLate = open !== undefined && month < open;
  const made = {
    ...{ month, isLate, bill: isLate ? open : month },
    fields: new Map<Meter, Field>(),
    models: new Map<Meter, Map<string, Field>>(),
  };
  days.set(day, made);
  return made;
}

/**
 * Adds to the line of a project and a field, or to a new one if the sum would exceed Lua's exact
 * numbers.
 */
function add(lines: Line[], project: string, field: Field, quantity: number): void {
  let line = field.lines.get(project);
  if (line === undefined || line.sum + quantity > Number.MAX_SAFE_INTEGER) {
    line = { project, field, sum: 0 };
    lines.push(line);
    field.lines.set(project, line);
  }
  line.sum += quantity;
}

function fieldOf(name: string, day: Day, { meter, model }: RatedUsage): Field {
  if (model === undefined) {
    let field = day.fields.get(meter);
    if (!field) day.fields.set(meter, (field = makeField(name, day, meter)));
    return field;
  }
  let models = day.models.get(meter);
  if (!models) day.models.set(meter, (models = new Map<string, Field>()));
  let field = models.get(model);
  if (!field) models.set(model, (field = makeField(name, day, meterKey(meter, model))));
  return field;
}

function makeField(name: string, { month, isLate, bill }: Day, key: string): Field {
  // Half a surrogate pair in the name of a model cannot be written in UTF-8, and cjson refuses its
  // escape in JSON.
  const meter = wellFormed(key);
  return {
    totalsField: JSON.stringify(isLate ? lateField(month, meter) : meter),
    dailyField: JSON.stringify(`${name}/${meter}`),
    bill,
    lines: new Map<string, Line>(),
  };
}

/** One project's usage in one month. */
interface ProjectUsages {
  /** By field. A field may have several sums, so that none exceeds Lua's exact numbers. */
  readonly totals: Map<string, number>;
  totalsJson: string;
  dailyJson: string;
}

/** The lines in the form of apply.lua: by month and project, as sums of days and of all days. */
function usagesOf(lines: readonly Line[]): string {
  const months = new Map<string, Map<string, ProjectUsages>>();
  for (const { project, field, sum } of lines) {
    let projects = months.get(field.bill);
    if (!projects) months.set(field.bill, (projects = new Map<string, ProjectUsages>()));
    let usages = projects.get(project);
    if (!usages) {
      usages = { totals: new Map<string, number>(), totalsJson: '', dailyJson: '' };
      projects.set(project, usages);
    }
    usages.dailyJson += `,${field.dailyField},"${sum}"`;
    const before = usages.totals.get(field.totalsField) ?? 0;
    if (before + sum > Number.MAX_SAFE_INTEGER) {
      usages.totalsJson += `,${field.totalsField},"${before}"`;
      usages.totals.set(field.totalsField, sum);
    } else usages.totals.set(field.totalsField, before + sum);
  }
  let totals = '';
  let daily = '';
  for (const [month, projects] of months) {
    for (const [project, usages] of projects) {
      const head = `${totals === '' ? '' : ','}[${JSON.stringify(`${month}:${project}`)}`;
      totals += head + usages.totalsJson;
      for (const [field, sum] of usages.totals) totals += `,${field},"${sum}"`;
      totals += ']';
      daily += `${head}${usages.dailyJson}]`;
    }
  }
  return `[[${totals}],[${daily}]]`;
}

export function isDayOf(day: string, month: string): boolean {
  return isMonth(month) && /^\d\d$/.test(day.slice(8)) && day.startsWith(`${month}-`);
}
/** A canonical decimal integer of 1 to 15 digits as a number; undefined for anything else. */
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

/**
 * A canonical decimal integer of 1 to 2^63-1 as parts that are exact numbers; undefined for
 * anything else.
 */
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

/** Replaces half a surrogate pair by U+FFFD, as UTF-8 does. */
export function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
