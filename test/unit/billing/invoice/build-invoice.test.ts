import {
  buildInvoice,
  type InvoiceInput,
  type InvoiceOutcome,
} from '../../../../src/billing/invoice/build-invoice';
import { carriedCreditOf } from '../../../../src/billing/invoice/credits';
import type { StoredMonth } from '../../../../src/billing/pricing/month-usage';
import { builtInCatalog } from '../../../kit/built-in-catalog';

const minute = 60n;

function stored(totals: Record<string, bigint>, daily?: Record<string, bigint>): StoredMonth {
  const own = { totals: new Map(Object.entries(totals)) };
  return daily === undefined ? own : { ...own, daily: new Map(Object.entries(daily)) };
}

function build(input: Partial<InvoiceInput>): InvoiceOutcome {
  const month = input.month ?? '2026-07';
  return buildInvoice({
    project: 'p',
    plans: [{ plan: 'ship', from: '2025-01-01' }],
    month,
    periodStart: `${month}-01T00:00:00.000Z`,
    periodEnd: '2026-08-01T00:00:00.000Z',
    totals: new Map(),
    catalog: builtInCatalog,
    number: 'p-0007',
    issuedAt: '2026-08-01T01:00:00.000Z',
    ...input,
  });
}

const shown = ({ invoice }: InvoiceOutcome): string[] =>
  invoice.lines.map(
    (line) =>
      `${line.kind}${line.period === undefined ? '' : ` ${line.period}`} ${line.description}: ${line.quantity} - ` +
      `${line.included} -> ${line.billable} ${line.unit} at ${line.unitPrice} per ${line.per} = ${line.amount}`,
  );

test('an invoice has the shape of its contract', () => {
  const { invoice, status } = build({ ...stored({ 'session.webrtc': 150_001n * minute }) });
  expect(status).toBe('issued');
  expect(JSON.parse(JSON.stringify(invoice))).toEqual({
    id: 'p-2026-07',
    number: 'p-0007',
    project: 'p',
    plan: 'ship',
    month: '2026-07',
    currency: 'USD',
    issuedAt: '2026-08-01T01:00:00.000Z',
    periodStart: '2026-07-01T00:00:00.000Z',
    periodEnd: '2026-08-01T00:00:00.000Z',
    lines: [
      {
        kind: 'plan',
        description: 'Ship plan',
        unit: 'month',
        quantity: '1',
        included: '0',
        billable: '1',
        unitPrice: '50',
        per: '1',
        amount: '50.00',
      },
      {
        kind: 'usage',
        meter: 'session.webrtc',
        description: 'WebRTC participants',
        unit: 'minute',
        quantity: '150001',
        included: '150000',
        billable: '1',
        unitPrice: '0.0005',
        per: '1',
        amount: '0.00',
      },
    ],
    subtotal: '50.00',
    credits: '0.00',
    tax: '0.00',
    total: '50.00',
  });
});

test('seconds that make no whole minutes are written as seconds, not as nearly right minutes', () => {
  expect(shown(build({ ...stored({ 'agent.session': 5_000n * minute + 61n }) }))).toContain(
    'usage Agent sessions: 300061 - 300000 -> 61 second at 0.01 per 60 = 0.01',
  );
  expect(shown(build({ ...stored({ 'transfer.downstream': 250_010_000_000n }) }))).toContain(
    'usage Downstream data transfer: 250.01 - 250 -> 0.01 GB at 0.12 per 1 = 0.00',
  );
});

test('a project without a plan is on the default plan, and owes nothing', () => {
  const outcome = build({ plans: [], ...stored({ 'agent.session': 1_001n * minute }) });
  expect(outcome).toMatchObject({
    status: 'nothing_due',
    invoice: { plan: 'build', number: null, total: '0.00' },
    overQuota: [{ month: '2026-07', name: 'Agent session minutes', unit: 'minute', over: '1' }],
  });
  expect(shown(outcome)).toEqual([
    'plan Build plan: 1 - 0 -> 1 month at 0 per 1 = 0.00',
    'usage Agent sessions (over the quota, not charged): 1001 - 1000 -> 0 minute at 0 per 1 = 0.00',
  ]);
});

describe('what cannot be priced is a draft that says why and what to do', () => {
  const codes = (outcome: InvoiceOutcome): string[] => {
    expect(outcome).toMatchObject({ status: 'draft', invoice: { number: null } });
    for (const { project, detail, remedy } of outcome.problems) {
      expect(project).toBe('p');
      expect(`${detail} ${remedy}`).toMatch(/^.+\. .*`tallyman .+\.$/);
    }
    return outcome.problems.map(({ code }) => code);
  };

  test('a plan that the catalog does not have', () => {
    const outcome = build({ plans: [{ plan: 'gold', from: '2026-01-01' }] });
    expect(codes(outcome)).toEqual(['UNKNOWN_PLAN']);
    expect(outcome.invoice).toMatchObject({ plan: 'gold', lines: [] });
    expect(outcome.problems[0]!.detail).toBe('The catalog has no plan "gold" on 2026-07-01.');
  });

  test('usage before the first row of the catalog, its own or late: the rest of the month shows all the same', () => {
    expect(codes(build({ month: '2023-12', ...stored({ 'session.webrtc': minute }) }))).toEqual([
      'UNKNOWN_PLAN',
    ]);
    const late = build(stored({ '2023-12@session.webrtc': minute }));
    expect(codes(late)).toEqual(['UNKNOWN_PLAN']);
    expect(late.invoice.subtotal).toBe('50.00');
  });

  test('days that do not add up', () => {
    const plans = ['2026-01-01', '2026-07-15'].map((from, i) => ({ plan: i === 0 ? 'ship' : 'scale', from }));
    expect(codes(build({ plans, ...stored({ 'agent.session': 60n }) }))).toEqual(['DAILY_MISMATCH']);
  });

  test('late usage of a month that is not earlier', () => {
    expect(codes(build(stored({ '2026-07@agent.events': 1n })))).toEqual(['LATE_FIELD']);
    expect(codes(build(stored({}, { '2026-08-01/agent.events': 1n })))).toEqual(['LATE_FIELD']);
  });

  test('a currency or an amount that is not the catalog’s', () => {
    const credits = [{ month: '2026-07', description: 'Goodwill', amount: '0.005' }];
    expect(codes(build({ profile: { currency: 'EUR' }, credits }))).toEqual([
      'CURRENCY_MISMATCH',
      'BAD_AMOUNT',
    ]);
  });

  test('a currency that is not that of the last invoice', () => {
    const inEuro = { month: '2026-05', currency: 'EUR', lines: [] };
    const inDollars = { month: '2026-06', currency: 'USD', lines: [] };
    expect(codes(build({ issued: [inDollars, inEuro] }))).toEqual(['CURRENCY_MISMATCH']);
    expect(build({ issued: [inEuro, inDollars] })).toMatchObject({ status: 'issued', problems: [] });
  });

  test('a document that was damaged', () => {
    const overrides = { fee: 'a lot' };
    expect(codes(build({ plans: [{ plan: 'ship', from: '2026-01-01', overrides }] }))).toEqual([
      'PRICING_FAILED',
    ]);
    const credits = [{ month: '2026-07', description: 'Goodwill', amount: 'some' }];
    expect(codes(build({ credits }))).toContain('PRICING_FAILED');
  });
});

describe('a plan change', () => {
  const plans = [
    { plan: 'ship', from: '2025-01-01' },
    { plan: 'scale', from: '2026-07-15' },
  ];

  test('takes effect at the start of its day: fee, quotas and credits go by days, usage by its own day', () => {
    const outcome = build({
      plans,
      ...stored(
        { 'agent.session': 6_000n * minute, 'inference.tts/rime/coda': 200_000n },
        {
          '2026-07-14/agent.session': 2_300n * minute,
          '2026-07-15/agent.session': 3_700n * minute,
          '2026-07-31/inference.tts/rime/coda': 200_000n,
        },
      ),
    });
    expect(outcome.invoice.plan).toBe('scale');
    expect(shown(outcome)).toEqual([
      'plan 2026-07-01/2026-07-14 Ship plan: 14 - 0 -> 14 day at 50 per 31 = 22.58',
      'plan 2026-07-15/2026-07-31 Scale plan: 17 - 0 -> 17 day at 500 per 31 = 274.19',
      'usage 2026-07-01/2026-07-14 Agent sessions: 2300 - 2259 -> 41 minute at 0.01 per 1 = 0.41',
      'usage 2026-07-15/2026-07-31 Agent sessions: 3700 - 3700 -> 0 minute at 0.01 per 1 = 0.00',
      'usage 2026-07-15/2026-07-31 Text-to-speech, rime/coda: 200000 - 0 -> 200000 character at 50 per 1000000 = 10.00',
      'credit 2026-07-15/2026-07-31 Inference credits of the plan: 10.00 - 0.00 -> 10.00 USD at -1 per 1 = -10.00',
    ]);
  });

  test('on the first of a month splits nothing, and neither does the same plan said again', () => {
    const same = [
      { plan: 'scale', from: '2026-07-01' },
      { plan: 'scale', from: '2026-07-20' },
    ];
    expect(shown(build({ plans: same, ...stored({ 'agent.session': 60n }) }))).toHaveLength(2);
  });
});

describe('what is agreed for one project', () => {
  const overrides = {
    fee: '2000',
    minimumSpend: '2500',
    inferenceCredits: '100',
    allowances: [
      { name: 'Agent session minutes', included: '10' },
      { name: 'Toll-free minutes', meters: ['session.sip.us_toll_free'], included: '5' },
    ],
    rates: [
      {
        meter: 'agent.session',
        per: '1',
        price: { graduated: [{ upTo: '100', amount: '1' }, { amount: '0.5' }] },
      },
      { meter: 'inference.stt', per: '60', price: '0.001' },
      { meter: 'inference.stt', model: 'deepgram/nova-3', per: '60', price: '0.002' },
      { meter: 'transfer.downstream', per: '1', price: { package: '1000', amount: '50' } },
    ],
  };
  const plans = [{ plan: 'scale', from: '2025-01-01', overrides }];

  test('stands in the place of the plan: fee, quotas, rates, packages, minimum', () => {
    const outcome = build({
      plans,
      ...stored({
        'agent.session': 310n * minute,
        'session.sip.us_toll_free': 7n * minute,
        'transfer.downstream': 3_000_000_000_001n,
        'inference.stt/nova-3': 6_000n,
        'inference.stt/xai/stt': 6_000n,
      }),
    });
    expect(shown(outcome)).toEqual([
      'plan Scale plan: 1 - 0 -> 1 month at 2000 per 1 = 2000.00',
      'plan Up to the minimum spend of 2500.00: 249.96 - 0.00 -> 249.96 USD at 1 per 1 = 249.96',
      'usage Agent sessions, tier 1: 110 - 10 -> 100 minute at 1 per 1 = 100.00',
      'usage Agent sessions, tier 2: 200 - 0 -> 200 minute at 0.5 per 1 = 100.00',
      'usage SIP, US toll-free number: 7 - 5 -> 2 minute at 0.02 per 1 = 0.04',
      'usage Downstream data transfer: 3000.000000001 - 3000 -> 1000 GB at 50 per 1000 = 50.00',
      'usage Speech-to-text, nova-3: 6000 - 0 -> 6000 second at 0.002 per 60 = 0.20',
      'usage Speech-to-text, xai/stt: 6000 - 0 -> 6000 second at 0.001 per 60 = 0.10',
      'credit Inference credits of the plan: 0.30 - 0.00 -> 0.30 USD at -1 per 1 = -0.30',
    ]);
    expect(outcome.invoice.total).toBe('2500.00');
  });
});

describe('late usage', () => {
  const plans = [
    { plan: 'ship', from: '2025-01-01' },
    { plan: 'scale', from: '2026-07-01' },
  ];
  const history = new Map([
    ['2026-05', stored({ 'agent.session': 4_000n * minute })],
    ['2026-06', stored({ '2026-05@agent.session': 900n * minute })],
  ]);

  test('costs what it would have cost in its month, after what was billed of that month', () => {
    const outcome = build({ plans, history, ...stored({ '2026-05@agent.session': 250n * minute }) });
    expect(shown(outcome)).toEqual([
      'plan Scale plan: 1 - 0 -> 1 month at 500 per 1 = 500.00',
      'late 2026-05 Late usage of 2026-05: Agent sessions: 250 - 100 -> 150 minute at 0.01 per 1 = 1.50',
    ]);
    expect(outcome.invoice.lines[1]).toMatchObject({
      kind: 'late',
      meter: 'agent.session',
      period: '2026-05',
    });
  });

  test('that takes from a shared quota moves what its fellow meters had of it', () => {
    const outcome = build({
      plans,
      history: new Map([['2026-05', stored({ 'session.egress.audio_only': 600n * minute })]]),
      ...stored({ '2026-05@session.egress.video': 100n * minute }),
    });
    expect(shown(outcome).slice(1)).toEqual([
      'late 2026-05 Late usage of 2026-05: Recording and export, video: 100 - 100 -> 0 minute at 0.02 per 1 = 0.00',
      'late 2026-05 Late usage of 2026-05: Recording and export, audio only: 0 - -100 -> 100 minute at 0.005 per 1 = 0.50',
    ]);
  });

  test('uses up what was left of inference credits, and fills a minimum spend', () => {
    const agreed = [{ plan: 'ship', from: '2025-01-01', overrides: { minimumSpend: '60' } }];
    const outcome = build({
      plans: agreed,
      history: new Map([['2026-05', stored({ 'inference.tts/rime/coda': 40_000n })]]),
      ...stored({ '2026-05@inference.tts/rime/coda': 100_000n }),
    });
    expect(shown(outcome).filter((line) => line.includes('2026-05'))).toEqual([
      'late 2026-05 Late usage of 2026-05: Text-to-speech, rime/coda: 100000 - 0 -> 100000 character at 50 per 1000000 = 5.00',
      'late 2026-05 Late usage of 2026-05: Up to the minimum spend of 60.00: -2.00 - 0.00 -> -2.00 USD at 1 per 1 = -2.00',
      'credit 2026-05 Late usage of 2026-05: Inference credits of the plan: 3.00 - 0.00 -> 3.00 USD at -1 per 1 = -3.00',
    ]);
  });

  test('of a part of a month names its days', () => {
    const changed = [...plans, { plan: 'build', from: '2026-05-11' }];
    const { invoice } = build({
      plans: changed,
      ...stored(
        { '2026-05@session.sip.us_toll_free': 2n * minute },
        { '2026-05-10/session.sip.us_toll_free': minute, '2026-05-11/session.sip.us_toll_free': minute },
      ),
    });
    expect(
      invoice.lines.filter(({ kind }) => kind === 'late').map(({ period, amount }) => [period, amount]),
    ).toEqual([
      ['2026-05-01/2026-05-10', '0.02'],
      ['2026-05-11/2026-05-31', '0.00'],
    ]);
  });

  test('keeps the invoice a draft as long as its month has usage without a price', () => {
    const outcome = build({
      history: new Map([['2026-05', stored({ 'inference.tts/new': 5n })]]),
      ...stored({ '2026-05@agent.events': 1n }),
    });
    expect(outcome).toMatchObject({ status: 'draft', unpricedModels: ['inference.tts/new'] });
  });
});

describe('a price that changes within a month', () => {
  const rates = new Map(builtInCatalog.rates);
  rates.set('agent.session', [
    ...rates.get('agent.session')!,
    { ...rates.get('transfer.downstream')![0]!, from: '2026-07-11' }, // 0.12 from here on
  ]);

  test('splits that meter by day and leaves the included quantity one', () => {
    const outcome = build({
      catalog: { ...builtInCatalog, rates },
      ...stored(
        { 'agent.session': 6_000n * minute, 'agent.recording': 6_000n * minute },
        { '2026-07-10/agent.session': 4_500n * minute, '2026-07-11/agent.session': 1_500n * minute },
      ),
    });
    expect(shown(outcome)).toEqual([
      'plan Ship plan: 1 - 0 -> 1 month at 50 per 1 = 50.00',
      'usage 2026-07-01/2026-07-10 Agent sessions: 4500 - 4500 -> 0 minute at 0.01 per 1 = 0.00',
      'usage 2026-07-11/2026-07-31 Agent sessions: 1500 - 500 -> 1000 minute at 0.12 per 1 = 120.00',
      'usage Agent session recordings: 6000 - 5000 -> 1000 minute at 0.005 per 1 = 5.00',
    ]);
  });
});

describe('tax and correction credits', () => {
  const profile = { taxes: [{ from: '2026-06-01', name: 'VAT', rate: '0.21' }] };

  test('tax is on what the month costs, credits of the plan off', () => {
    const outcome = build({ profile, ...stored({ 'inference.tts/rime/coda': 123_456n }) });
    expect(shown(outcome).at(-1)).toBe('tax VAT 21 %: 51.17 - 0.00 -> 51.17 USD at 0.21 per 1 = 10.75');
    expect(outcome.invoice).toMatchObject({
      subtotal: '56.17',
      credits: '-5.00',
      tax: '10.75',
      total: '61.92',
    });
  });

  test('late usage is taxed by the rate of its own month', () => {
    const late = (month: string): string =>
      build({ profile, ...stored({ [`${month}@session.sip.us_toll_free`]: 100n * minute }) }).invoice.tax;
    expect(late('2026-05')).toBe('10.50');
    expect(late('2026-06')).toBe('10.92');
  });

  test('a correction credit comes off after tax, and what is left is carried until it is used up', () => {
    const credits = [
      { month: '2026-07', description: 'For the outage', amount: '70.00' },
      { month: '2026-06', description: 'For an invoiced month', amount: '5.00' },
      { month: '2026-08', description: 'For a later month', amount: '5.00' },
    ];
    const june = { month: '2026-06', currency: 'USD', lines: [] };
    const july = build({ profile, credits, issued: [june] });
    expect(july).toMatchObject({
      status: 'issued',
      invoice: { credits: '-60.50', tax: '10.50', total: '0.00' },
    });
    expect(shown(july).filter((line) => line.startsWith('credit'))).toEqual([
      'credit For the outage: 70.00 - 0.00 -> 70.00 USD at -1 per 1 = -70.00',
      'credit Credit carried to the next invoice: 9.50 - 0.00 -> 9.50 USD at 1 per 1 = 9.50',
    ]);
    expect(carriedCreditOf(july.invoice)).toBe('9.50');

    const august = build({ month: '2026-08', profile, credits, issued: [june, july.invoice] });
    expect(august).toMatchObject({ status: 'issued', invoice: { credits: '-14.50', total: '46.00' } });
    expect(carriedCreditOf(august.invoice)).toBe('0');
  });

  test('an invoice that only uses a credit up is issued, or the credit would be used again', () => {
    const credits = [{ month: '2026-07', description: 'Goodwill', amount: '50.00' }];
    expect(build({ credits })).toMatchObject({ status: 'issued', invoice: { total: '0.00' } });
  });

  test('a month in which nothing is due moves no credit; the next invoice takes it in', () => {
    const credits = [{ month: '2026-07', description: 'Goodwill', amount: '60.00' }];
    const idle = build({ plans: [{ plan: 'build', from: '2026-01-01' }], credits });
    expect(idle).toMatchObject({ status: 'nothing_due', invoice: { number: null, credits: '0.00' } });
    expect(shown(idle).filter((line) => line.startsWith('credit'))).toEqual([]);
    const later = build({ month: '2026-09', credits });
    expect(later).toMatchObject({ status: 'issued', invoice: { credits: '-50.00', total: '0.00' } });
    expect(carriedCreditOf(later.invoice)).toBe('10.00');
  });

  test('late usage that makes a volume tier cheaper gives back by a credit note', () => {
    const overrides = {
      fee: '0',
      rates: [
        {
          meter: 'agent.events',
          per: '1',
          price: { volume: [{ upTo: '500010', amount: '1' }, { amount: '0.1' }] },
        },
      ],
    };
    const outcome = build({
      plans: [{ plan: 'ship', from: '2025-01-01', overrides }],
      history: new Map([['2026-06', stored({ 'agent.events': 1_000_010n })]]),
      ...stored({ '2026-06@agent.events': 1n }),
    });
    // 500,010 events at 1 were billed; 500,011 cost 0.1 each.
    expect(outcome.creditNote).toMatchObject({ subtotal: '-450008.90', total: '-450008.90' });
    expect(outcome).toMatchObject({ status: 'nothing_due', invoice: { lines: [expect.anything()] } });
  });

  test('credit lines of late usage are not taken for a carried credit', () => {
    const overrides = {
      rates: [
        {
          meter: 'inference.stt',
          per: '1',
          price: { volume: [{ upTo: '10', amount: '1' }, { amount: '0.1' }] },
        },
      ],
    };
    const outcome = build({
      plans: [{ plan: 'ship', from: '2025-01-01', overrides }],
      history: new Map([['2026-06', stored({ 'inference.stt/m': 10n })]]),
      ...stored({ '2026-06@inference.stt/m': 1n }),
    });
    expect(shown(outcome).at(-1)).toBe(
      'credit 2026-06 Late usage of 2026-06: Inference credits of the plan: -3.90 - 0.00 -> -3.90 USD at -1 per 1 = 3.90',
    );
    expect(carriedCreditOf(outcome.invoice)).toBe('0');
  });
});

describe('credit notes', () => {
  const profile = { taxes: [{ from: '2026-06-01', name: 'VAT', rate: '0.21' }] };
  const history = new Map([['2026-06', stored({ 'agent.session': 20_000n * minute })]]);
  const free = [{ plan: 'ship', from: '2025-01-01', overrides: { fee: '0' } }];
  /** Takes back this many minutes of June, at a cent each. */
  const takenBack = (minutes: bigint): StoredMonth => stored({ '2026-06@agent.session': -minutes * minute });

  test('what is taken back where nothing is due, tax and all', () => {
    const outcome = build({
      profile,
      history,
      plans: free,
      creditNoteNumber: 'p-CN0002',
      ...takenBack(100n),
    });
    expect(outcome).toMatchObject({ status: 'nothing_due', invoice: { number: null, total: '0.00' } });
    expect(outcome.creditNote).toMatchObject({
      ...{ id: 'p-2026-07-CN', kind: 'credit_note', number: 'p-CN0002', month: '2026-07' },
      corrects: [{ month: '2026-06' }],
      ...{ subtotal: '-1.00', credits: '0.00', tax: '-0.21', total: '-1.21' },
    });
  });

  test('what is less than the charges is a line on the invoice', () => {
    const outcome = build({ history, ...takenBack(4_999n) });
    expect(outcome.creditNote).toBeUndefined();
    expect(outcome).toMatchObject({ status: 'issued', invoice: { subtotal: '0.01', total: '0.01' } });
  });

  test.each([5_000n, 5_001n])(
    '%i cents against a fee of 50.00 leave the fee, and are a credit note',
    (minutes) => {
      const outcome = build({ history, ...takenBack(minutes) });
      expect(outcome).toMatchObject({ status: 'issued', invoice: { total: '50.00' } });
      expect(outcome.creditNote?.total).toBe(`-50.0${minutes - 5_000n}`);
    },
  );

  test('late usage that is more than what is taken back is not a credit', () => {
    const totals = { '2026-05@agent.events': 100_000n, '2026-06@agent.session': -100n * minute };
    const overrides = { fee: '0', allowances: [{ name: 'Agent observability events', included: '0' }] };
    const outcome = build({
      history,
      plans: [{ plan: 'ship', from: '2025-01-01', overrides }],
      ...stored(totals),
    });
    expect(outcome.creditNote).toBeUndefined();
    expect(outcome.invoice.total).toBe('2.00');
  });

  test('goodwill is set against the invoice alone, and carried on as if there were no credit note', () => {
    const credits = [{ month: '2026-07', description: 'For the outage', amount: '70.00' }];
    const outcome = build({ history, credits, ...takenBack(6_000n) });
    expect(outcome.invoice).toMatchObject({ subtotal: '50.00', credits: '-50.00', total: '0.00' });
    expect(carriedCreditOf(outcome.invoice)).toBe('20.00');
    expect(outcome.creditNote).toMatchObject({ total: '-60.00', lines: [{ kind: 'late' }] });
  });

  test('waits with the invoice for a missing price', () => {
    const { totals } = takenBack(6_000n);
    const outcome = build({ history, totals: new Map([...totals, ['inference.stt/unheard-of', 1n]]) });
    expect(outcome).toMatchObject({ status: 'draft', creditNote: { number: null } });
  });

  test('a month that has its credit note puts no late usage on its invoice', () => {
    const outcome = build({ history, hasCreditNote: true, ...takenBack(100n) });
    expect(outcome.invoice).toMatchObject({ total: '50.00', lines: [{ kind: 'plan' }] });
  });
});

test('an invoice keeps who issued it and who it was made out to', () => {
  const seller = { name: 'Example Media Ltd', address: ['1 Quay Street'], note: 'Due in 30 days.' };
  const buyer = { name: 'Acme GmbH', address: ['Hauptstrasse 1', '10115 Berlin'], taxId: 'DE123456789' };
  const taxes = [{ from: '2026-06-01', name: 'VAT', rate: '0.21' }];
  expect(build({ seller, profile: { ...buyer, taxes } }).invoice).toMatchObject({ seller, buyer });
  expect(build({ profile: { taxes } }).invoice).not.toHaveProperty('buyer');
});
