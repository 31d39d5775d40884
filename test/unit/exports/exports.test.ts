import { loadCatalog, previewInvoice } from '../../../src/exports/billing';
import { createRater } from '../../../src/exports/rating';

const event = {
  specversion: '1.0',
  id: 'PA_1',
  source: '/sfu',
  type: 'usage.session.v1',
  subject: 'acme',
  time: '2026-10-31T23:30:00Z',
  data: { service: 'webrtc', durationMs: 70_000 },
};
const publishedAt = new Date('2026-10-31T23:30:01Z');
const seconds = (quantity: string): object => [{ meter: 'session.webrtc', quantity }];

test('an event is rated by the defaults of the settings', () => {
  expect(createRater()(event, publishedAt)).toEqual({
    ok: true,
    event: {
      ...{ project: 'acme', source: '/sfu', id: 'PA_1', month: '2026-10', day: '2026-10-31' },
      usages: seconds('120'),
    },
  });
});

test('the zone decides the month, and the rounding the quantity', () => {
  const rate = createRater({ zone: 'Europe/Berlin', rounding: 'per-second' });
  expect(rate(event, publishedAt)).toMatchObject({
    event: { month: '2026-11', day: '2026-11-01', usages: seconds('70') },
  });
});

test('a void says what it takes back', () => {
  const { type, id, source, time, data } = event;
  const voiding = { ...event, id: 'V_1', type: 'usage.void.v1', data: { type, id, source, time, data } };
  expect(createRater()(voiding, publishedAt)).toMatchObject({
    event: { id: 'PA_1', isVoid: true, usages: seconds('120') },
  });
});

test.each([
  ['schema_violation', 'text', undefined],
  ['schema_violation', null, undefined],
  ['schema_violation', { ...event, type: 'usage.other.v1' }, undefined],
  ['schema_violation', { ...event, data: { service: 'webrtc' } }, undefined],
  ['from_the_future', event, new Date('2026-10-31T22:00:00Z')],
  ['too_old', event, new Date('2028-01-01T00:00:00Z')],
])('%s: %j', (reason, document, at = publishedAt) => {
  expect(createRater()(document, at)).toMatchObject({ ok: false, reason });
});

test('a limit that is given replaces its default, and no other', () => {
  const rate = createRater({ limits: { durationMs: 60_000 } });
  expect(rate(event, publishedAt)).toMatchObject({ reason: 'implausible' });
  expect(rate(event, new Date('2028-01-01T00:00:00Z'))).toMatchObject({ reason: 'too_old' });
});

test('a month is priced without a number, and dated at its end in the zone', () => {
  const { invoice } = previewInvoice({
    ...{ project: 'acme', month: '2026-10', zone: 'Europe/Berlin' },
    plans: [{ plan: 'ship', from: '2026-10-01' }],
    totals: new Map([['session.webrtc', 9_600_000n]]),
    catalog: loadCatalog().catalog,
  });
  expect(invoice).toMatchObject({
    number: null,
    periodStart: '2026-09-30T22:00:00.000Z',
    periodEnd: '2026-10-31T23:00:00.000Z',
    issuedAt: '2026-10-31T23:00:00.000Z',
    total: '55.00',
  });
});
