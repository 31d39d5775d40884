import fc from 'fast-check';
import { meterKey, meterNames as names, splitMeterKey } from '../../../src/rating/meters';
import { policyAt, roundingTable } from '../../../src/rating/rounding';

test('the name of a total holds the model after the first slash, whatever is in it', () => {
  expect(meterKey('session.webrtc')).toBe('session.webrtc');
  expect(meterKey('inference.stt', 'deepgram/nova-3')).toBe('inference.stt/deepgram/nova-3');
});

test('a name comes apart as it was put together', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...names),
      fc.option(fc.string({ unit: 'binary' }), { nil: undefined }),
      (meter, model) => {
        expect(splitMeterKey(meterKey(meter, model))).toEqual(
          model === undefined ? { meter } : { meter, model },
        );
      },
    ),
  );
});

test('no two meters of models can have a total of one name', () => {
  expect(names.filter((name) => name.includes('/'))).toEqual([]);
});

test('every meter has a rounding policy at any time, under both settings', () => {
  for (const meter of names) {
    for (const name of ['per-minute', 'per-second'] as const) {
      for (const seconds of [-62_167_305_599, 0, 1_787_529_600, 253_402_386_399]) {
        const { increment, minimum } = policyAt(roundingTable(name), meter, { seconds, nanos: 0 });
        expect(Number.isSafeInteger(increment) && increment > 0).toBe(true);
        expect(Number.isSafeInteger(minimum) && minimum > 0).toBe(true);
      }
    }
  }
});
