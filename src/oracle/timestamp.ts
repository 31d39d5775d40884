const DAY_MS = 86_400_000;
const pairs = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));
let lastDay = { start: 0, text: '1970-01-01' };

/**
 * The result of `Date.toISOString` at a third of its cost, which is most of the cost of a record,
 * and with nanoseconds if they are given.
 */
export function isoOf(epochMs: number, nanos?: number): string {
  if (epochMs < lastDay.start || epochMs >= lastDay.start + DAY_MS) {
    const start = epochMs - (epochMs % DAY_MS);
    lastDay = { start, text: new Date(start).toISOString().slice(0, 10) };
  }
  const ofDay = epochMs - lastDay.start;
  const hour = pairs[Math.floor(ofDay / 3_600_000)]!;
  const minute = pairs[Math.floor(ofDay / 60_000) % 60]!;
  const second = pairs[Math.floor(ofDay / 1_000) % 60]!;
  const millis = String(1_000 + (ofDay % 1_000)).slice(1);
  const rest = nanos === undefined ? '' : String(1_000_000 + nanos).slice(1);
  return `${lastDay.text}T${hour}:${minute}:${second}.${millis}${rest}Z`;
}
