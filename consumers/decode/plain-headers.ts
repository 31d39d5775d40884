import type { GivenAttributes } from './attributes';
import { STRUCTURED_TYPE } from './content-mode';
import { readPlainInstant } from './plain-instant';
import { readPlainText } from './plain-text';

/**
 * Where the headers of a record are in the bytes of its batch. For each header: the start and end
 * of its name, then of its value. A value of null has -1 for both.
 */
export type HeaderPlaces = readonly number[];

const CONTENT_TYPE = 'content-type';
const [ID, TIME, TYPE] = [1, 5, 6];
const SLOTS = new Map(
  ['ce_specversion', 'ce_id', 'ce_source', 'ce_type', 'ce_subject', 'ce_time', CONTENT_TYPE].map(
    (name, slot) => [name, slot],
  ),
);

/**
 * Reads headers in the form that almost all producers write, which is texts of printable ASCII. If
 * a header is given twice, the last one counts.
 *
 * @returns the attributes in binary mode, or undefined for headers of any other form
 */
export function readPlainHeaders(
  bytes: Buffer,
  places: HeaderPlaces,
): GivenAttributes | 'structured' | undefined {
  const values: unknown[] = [undefined, undefined, undefined, undefined, undefined, undefined, undefined];
  for (let i = 0; i < places.length; i += 4) {
    const nameStart = places[i]!;
    const nameEnd = places[i + 1]!;
    const start = places[i + 2]!;
    const end = places[i + 3]!;
    const name = readPlainText(bytes, nameStart, nameEnd, true);
    // What was read may be the beginning of a longer name.
    if (name.length !== nameEnd - nameStart) return undefined;
    const slot = SLOTS.get(name);
    if (slot === undefined) {
      if (name.length === CONTENT_TYPE.length && name.toLowerCase() === CONTENT_TYPE) return undefined;
      continue;
    }
    if (start < 0) return undefined;
    const instant = slot === TIME ? readPlainInstant(bytes, start) : undefined;
    if (instant?.end === end) {
      values[slot] = instant;
      continue;
    }
    const text = readPlainText(bytes, start, end, slot !== ID && slot !== TIME);
    if (text.length !== end - start) return undefined;
    values[slot] = text;
  }
  const type = values[TYPE];
  if (type !== undefined && type !== 'application/json' && type !== STRUCTURED_TYPE) return undefined;
  if (type === STRUCTURED_TYPE || values[0] === undefined) return 'structured';
  return {
    specversion: values[0],
    id: values[ID],
    source: values[2],
    type: values[3],
    subject: values[4],
    time: values[TIME],
  };
}
