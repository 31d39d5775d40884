import fc from 'fast-check';
import { parseInstant } from '../../../src/rating/instant';

/** Nanoseconds since the epoch, by a way of its own: the platform's calendar, and BigInt. */
function nanosOf(text: string): bigint {
  const {
    date,
    fraction = '',
    sign,
    hours,
    minutes,
  } = /^(?<date>.{19})(?:\.(?<fraction>\d+))?(?:z|(?<sign>[+-])(?<hours>\d\d):(?<minutes>\d\d))$/i.exec(text)!
    .groups as Record<string, string | undefined>;
  const offset = sign === undefined ? 0n : (BigInt(hours!) * 60n + BigInt(minutes!)) * 60_000_000_000n;
  const local = BigInt(Date.parse(`${date!.toUpperCase()}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
  return sign === '-' ? local + offset : local - offset;
}

function nanosParsed(text: string): bigint | undefined {
  const instant = parseInstant(text);
  return instant && BigInt(instant.seconds) * 1_000_000_000n + BigInt(instant.nanos);
}

const two = (value: number): string => String(value).padStart(2, '0');

describe('a timestamp is read to the nanosecond', () => {
  test.each([
    ['1970-01-01T00:00:00Z', 0, 0],
    ['2026-10-14T09:31:10.2Z', 1_791_970_270, 200_000_000],
    ['2026-10-14t09:31:10z', 1_791_970_270, 0],
    ['2026-10-14T11:31:10.000000001+02:00', 1_791_970_270, 1],
    ['2026-10-14T09:31:10-00:00', 1_791_970_270, 0],
    ['2026-10-14T09:31:10.999999999-23:59', 1_792_056_610, 999_999_999],
    ['1969-12-31T23:59:59.25Z', -1, 250_000_000],
    ['2024-02-29T00:00:00Z', 1_709_164_800, 0],
    ['2000-02-29T23:59:59Z', 951_868_799, 0],
    ['0000-01-01T00:00:00Z', -62_167_219_200, 0],
    ['9999-12-31T23:59:59.999999999Z', 253_402_300_799, 999_999_999],
  ])('%s', (text, seconds, nanos) => {
    expect(parseInstant(text)).toEqual({ seconds, nanos });
  });

  const timestamps = fc
    .record({
      date: fc.date({
        min: new Date('0000-01-01T00:00:00Z'),
        max: new Date('9999-12-31T23:59:59Z'),
        noInvalidDate: true,
      }),
      fraction: fc.stringMatching(/^(\.[0-9]{1,9})?$/),
      t: fc.constantFrom('T', 't'),
      zone: fc.oneof(
        fc.constantFrom('Z', 'z'),
        fc
          .tuple(fc.constantFrom('+', '-'), fc.nat(23), fc.nat(59))
          .map(([sign, hours, minutes]) => `${sign}${two(hours)}:${two(minutes)}`),
      ),
    })
    .map(({ date, fraction, t, zone }) => date.toISOString().slice(0, 19).replace('T', t) + fraction + zone);

  test('as the platform reads it, for any day of the calendar, fraction and offset', () => {
    fc.assert(
      fc.property(timestamps, (text) => {
        expect(nanosParsed(text)).toBe(nanosOf(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test('one character changed, left out or put in: read by the rule or refused, never misread', () => {
    const shape =
      /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/i;
    const isGood = (text: string): boolean => {
      const day = text.slice(0, 10);
      return shape.test(text) && new Date(`${day}T00:00:00Z`).toISOString().slice(0, 10) === day;
    };
    fc.assert(
      fc.property(
        timestamps,
        fc.nat(40),
        fc.nat(1),
        fc.constantFrom(...'0123456789TtZz+-:., \n', '', '٣', '０', '\u0000'),
        (text, at, dropped, put) => {
          const mutant = text.slice(0, at) + put + text.slice(at + dropped);
          expect([mutant, nanosParsed(mutant)]).toEqual([
            mutant,
            isGood(mutant) ? nanosOf(mutant) : undefined,
          ]);
        },
      ),
      { numRuns: 5_000 },
    );
  });
});

test('exactly the days that exist are taken, in years of every kind', () => {
  const wrong: string[] = [];
  for (const year of ['0000', '0004', '0100', '1900', '2000', '2023', '2024', '2100', '2400', '9999']) {
    for (let month = 0; month <= 13; month += 1) {
      for (let day = 0; day <= 32; day += 1) {
        const text = `${year}-${two(month)}-${two(day)}`;
        const date = new Date(`${text}T00:00:00Z`);
        const exists = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
        if ((parseInstant(`${text}T00:00:00Z`) !== undefined) !== exists) wrong.push(text);
      }
    }
  }
  expect(wrong).toEqual([]);
});

test.each([
  '',
  '2026-10-14',
  '2026-10-14T09:31:10',
  '2026-10-14 09:31:10Z',
  '2026-10-14T09:31Z',
  '2026-10-14T24:00:00Z',
  '2026-10-14T09:60:00Z',
  '2026-06-30T23:59:60Z',
  '2026-10-14T09:31:10.Z',
  '2026-10-14T09:31:10,5Z',
  '2026-10-14T09:31:10.1234567890Z',
  '2026-10-14T09:31:10+24:00',
  '2026-10-14T09:31:10+02:60',
  '2026-10-14T09:31:10+0200',
  '2026-10-14T09:31:10+02',
  '2026-10-14T09:31:10ZZ',
  '2026-10-14T09:31:10Z\n',
  ' 2026-10-14T09:31:10Z',
  '+02026-10-14T09:31:10Z',
  '-026-10-14T09:31:10Z',
  '20261014T093110Z',
  '2026-W42-3T09:31:10Z',
  '1791970270',
])('%j is refused', (text) => {
  expect(parseInstant(text)).toBeUndefined();
});
