import { inInvoiceOrder, labelOf, unitOf } from '../../../../src/billing/pricing/units';
import { BILLING_UNITS, METERS } from '../../../../src/rating/meter-table';

test('every meter that rating knows has a unit made of its base unit', () => {
  const units = Object.entries(METERS).map(([meter, row]) => {
    const { name, size } = unitOf(meter);
    return `${size.toFixed()} ${BILLING_UNITS[row.unit].base}s are a ${name}`;
  });
  expect([...new Set(units)].sort()).toEqual([
    '1 characters are a character',
    '1 events are a event',
    '1 seconds are a second',
    '1 tokens are a token',
    '1000000000 bytes are a GB',
    '60 seconds are a minute',
  ]);
});

test('a meter of a later version is counted as it comes, and named as it is', () => {
  expect(unitOf('session.hologram')).toMatchObject({ name: 'unit' });
  expect(labelOf('session.hologram', 'x')).toBe('session.hologram, x');
  expect(unitOf('constructor').name).toBe('unit');
});

test('usage lines have one order: by meter, then by model', () => {
  const keys = [
    'zzz',
    'inference.stt/b',
    'session.webrtc',
    'inference.stt/B',
    'inference.stt/a/x',
    'agent.session',
  ];
  expect(inInvoiceOrder(keys)).toEqual([
    'agent.session',
    'session.webrtc',
    'inference.stt/B',
    'inference.stt/a/x',
    'inference.stt/b',
    'zzz',
  ]);
});
