import { Decimal } from '../../../../src/billing/pricing/decimal';
import { lateMonthsIn, quantityIn, usageOfMonth } from '../../../../src/billing/pricing/month-usage';
import { isLateField } from '../../../../src/rating/month';
import { thrownBy } from '../../../kit/thrown-by';

const map = (entries: Record<string, bigint>): Map<string, bigint> => new Map(Object.entries(entries));

test('only a month before an @ makes a field late: models may hold anything', () => {
  expect(isLateField('2026-05@session.webrtc')).toBe(true);
  expect(isLateField('2026-05@inference.stt/a@b/2026-04@c')).toBe(true);
  expect(isLateField('inference.stt/2026-05@model')).toBe(false);
  const totals = map({ '2026-05@x': 1n, '2026-03@x': 1n, '2026-05@y': 1n, 'inference.stt/2026-01@m': 1n });
  expect(lateMonthsIn('2026-06', { totals })).toEqual(['2026-03', '2026-05']);
});

test('late usage that adds up to nothing over its days is late usage', () => {
  const daily = map({
    '2026-05-20/x': -1n,
    '2026-05-05/x': 1n,
    '2026-06-01/x': 2n,
    '2026-04-30/inference.stt/m': 1n,
    '2026-04-29/inference.stt/m': -1n,
  });
  expect(lateMonthsIn('2026-06', { totals: map({ x: 2n }), daily })).toEqual(['2026-04', '2026-05']);
});

test("a month's usage is its own and what later months took in late", () => {
  const stored = new Map([
    ['2026-04', { totals: map({ 'agent.events': 1n }), daily: map({ '2026-04-30/agent.events': 1n }) }],
    [
      '2026-05',
      {
        totals: map({ 'agent.events': 10n, '2026-04@agent.events': 2n }),
        daily: map({ '2026-05-01/agent.events': 10n, '2026-04-02/agent.events': 2n }),
      },
    ],
    ['2026-06', { totals: map({ '2026-04@agent.events': 4n, '2026-04@inference.tts/a@b': 7n }) }],
  ]);
  expect(usageOfMonth('2026-04', stored)).toEqual({
    month: '2026-04',
    totals: map({ 'agent.events': 7n, 'inference.tts/a@b': 7n }),
    daily: map({ '2026-04-30/agent.events': 1n, '2026-04-02/agent.events': 2n }),
  });
  expect(usageOfMonth('2026-05', stored).totals).toEqual(map({ 'agent.events': 10n }));
});

describe('a part of a month', () => {
  const usage = {
    month: '2026-05',
    totals: map({ 'agent.events': 7n }),
    daily: map({
      '2026-05-01/agent.events': 1n,
      '2026-05-14/agent.events': 2n,
      '2026-05-15/agent.events': 4n,
    }),
  };

  test('has the quantity of its days', () => {
    expect(quantityIn(usage, 'agent.events', { from: '2026-05-01', to: '2026-05-14' })).toEqual(
      new Decimal(3),
    );
    expect(quantityIn(usage, 'agent.events', { from: '2026-05-15', to: '2026-05-31' })).toEqual(
      new Decimal(4),
    );
  });

  test('is refused when the days do not add up: usage would appear or vanish', () => {
    const wrong = { ...usage, totals: map({ 'agent.events': 8n }) };
    const part = { from: '2026-05-01', to: '2026-05-14' };
    expect(thrownBy(() => quantityIn(wrong, 'agent.events', part))).toMatchObject({
      code: 'DAILY_MISMATCH',
      fields: { total: '8', daily: '7' },
    });
    expect(quantityIn(wrong, 'agent.events', { from: '2026-05-01', to: '2026-05-31' })).toEqual(
      new Decimal(8),
    );
  });
});
