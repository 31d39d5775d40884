import { buildCatalog } from '../../../src/billing/catalog/build-catalog';
import {
  buildInvoice,
  type InvoiceInput,
  type InvoiceOutcome,
} from '../../../src/billing/invoice/build-invoice';
import type { CatalogDocument } from '../../../src/billing/catalog/catalog';
import type { PlanEntry } from '../../../src/billing/project/project';
import { subjectOf } from '../../../src/audit/explain-line';
import fixture from '../../kit/fixtures/price-row-changes-nothing.json';
import { storedMonths } from '../../kit/usage/usages';

/** Rows that begin within a month and come to the same as before, for the plan that is billed. */

const document = fixture as CatalogDocument;

type Usage = readonly [day: string, key: string, units: number];

function build(
  usages: readonly Usage[],
  catalog: CatalogDocument = document,
  plans: readonly PlanEntry[] = [{ plan: 'ship', from: '2026-01-01' }],
  input: Partial<InvoiceInput> = {},
): InvoiceOutcome {
  const answer = buildCatalog(catalog);
  if (!answer.ok) throw new Error(answer.problems.join('\n'));
  const stored = storedMonths(
    usages.map(([day, key, units]) => {
      const size = key.startsWith('inference.') ? 1n : 60n;
      return { day, key, quantity: BigInt(units) * size, arrival: day.slice(0, 7) };
    }),
  );
  return buildInvoice({
    ...stored.get('2026-08')!,
    ...{ project: 'p', plans, catalog: answer.catalog, month: '2026-08', number: 'p-0001' },
    ...{ periodStart: '', periodEnd: '', issuedAt: '' },
    ...input,
  });
}

/** All but a fee of nothing. */
const lines = ({ invoice }: InvoiceOutcome): string[] =>
  invoice.lines
    .filter(({ kind, amount }) => kind !== 'plan' || amount !== '0.00')
    .map(({ description, quantity, included, period = '', amount }) =>
      [description, quantity, included, period, amount].join(' | '),
    );

const halves = (key: string, units: number): Usage[] => [
  ['2026-08-05', key, units],
  ['2026-08-20', key, units],
];

const withRates = (...rates: CatalogDocument['rates']): CatalogDocument => ({
  ...document,
  rates: [...document.rates, ...rates],
});

test('a row that changes the price of another plan restarts neither tiers nor packages', () => {
  const usages = [...halves('session.webrtc', 1_000), ...halves('agent.session', 500)];
  expect(lines(build(usages))).toEqual([
    'Agent sessions | 1000 | 0 |  | 5.00',
    'WebRTC participants, tier 1 | 1000 | 0 |  | 10.00',
    'WebRTC participants, tier 2 | 1000 | 0 |  | 5.00',
  ]);
  expect(build(usages).invoice.total).toBe('20.00');
});

test('nor does one that says the same in other digits, for other units or in needless tiers', () => {
  const from = (day: number): string => `2026-08-${day}`;
  const catalog = withRates(
    { meter: 'session.egress.video', from: from(10), price: '1.00' },
    { meter: 'session.egress.video', from: from(12), per: '60', price: '60' },
    {
      meter: 'session.egress.video',
      from: from(14),
      price: { graduated: [{ upTo: '3', amount: '1' }, { amount: '1.0' }] },
    },
    {
      meter: 'session.egress.video',
      from: from(16),
      plans: { scale: '7' },
      price: { volume: [{ amount: '1' }] },
    },
  );
  expect(lines(build(halves('session.egress.video', 5), catalog))).toEqual([
    'Recording and export, video | 10 | 0 |  | 10.00',
  ]);
  const dearer = withRates({ meter: 'session.egress.video', from: '2026-08-16', price: '2' });
  expect(lines(build(halves('session.egress.video', 5), dearer))).toEqual([
    'Recording and export, video | 5 | 0 | 2026-08-01/2026-08-15 | 5.00',
    'Recording and export, video | 5 | 0 | 2026-08-16/2026-08-31 | 10.00',
  ]);
});

describe('what is agreed again and changes nothing splits no fee and no quota', () => {
  const overrides = {
    fee: '31.5',
    allowances: [{ name: 'Video', meters: ['session.egress.video'], included: '6' }],
  };
  const entry = (from: string, agreed: object): PlanEntry => ({
    plan: 'ship',
    from,
    overrides: { ...overrides, ...agreed },
  });
  const joined = ['Ship plan | 1 | 0 |  | 31.50', 'Recording and export, video | 10 | 6 |  | 4.00'];
  const rate = (price: string, per = '1'): object => ({
    rates: [{ meter: 'session.egress.video', per, price }],
  });

  test.each<[string, object, object]>([
    ['the same again', {}, {}],
    ['in other digits', {}, { fee: '31.50', allowances: [{ ...overrides.allowances[0]!, included: '6.0' }] }],
    ['the price of the catalog', {}, rate('1.0')],
    ['another form of the same price', rate('1'), rate('60', '60')],
    ['no minimum', {}, { minimumSpend: '0.00', inferenceCredits: '0' }],
    [
      'nothing included',
      {},
      { allowances: [...overrides.allowances, { name: 'N', meters: ['agent.events'], included: '0' }] },
    ],
  ])('%s', (_, before, after) => {
    const plans = [entry('2026-01-01', before), entry('2026-08-11', after)];
    expect(lines(build(halves('session.egress.video', 5), document, plans))).toEqual(joined);
  });

  test('but a price of its own does', () => {
    const plans = [entry('2026-01-01', {}), entry('2026-08-11', rate('2'))];
    expect(lines(build(halves('session.egress.video', 5), document, plans))).toHaveLength(4);
  });

  test('an allowance of other plans that begins, and a plan that is only called otherwise', () => {
    const catalog: CatalogDocument = {
      ...document,
      plans: [...document.plans, { ...document.plans[1]!, name: 'Ship+', from: '2026-08-11' }],
      allowances: [
        { name: 'Video', from: '2026-08-12', meters: ['session.egress.track'], included: { scale: '5' } },
      ],
    };
    const plans = [{ plan: 'ship', from: '2026-01-01', overrides: { fee: '31' } }];
    expect(lines(build(halves('session.egress.video', 5), catalog, plans))[0]).toBe(
      'Ship+ plan | 1 | 0 |  | 31.00',
    );
  });
});

describe('two names of one model', () => {
  const both = [
    ['2026-08-05', 'inference.tts/one', 600],
    ['2026-08-06', 'inference.tts/v/one', 400],
  ] as const;

  test('share its packages and its line, which has the model’s own name', () => {
    expect(lines(build(both))).toEqual(['Text-to-speech, v/one | 1000 | 0 |  | 5.00']);
  });

  test('one name alone keeps it', () => {
    expect(lines(build([both[0]]))).toEqual(['Text-to-speech, one | 600 | 0 |  | 5.00']);
  });

  test('late usage under the other name still has room in the package', () => {
    const history = storedMonths([
      { day: '2026-07-05', key: 'inference.tts/one', quantity: 600n, arrival: '2026-07' },
    ]);
    const late = storedMonths([
      { day: '2026-07-06', key: 'inference.tts/v/one', quantity: 400n, arrival: '2026-08' },
    ]);
    const outcome = build([], document, undefined, { ...late.get('2026-08')!, history });
    expect(outcome).toMatchObject({ status: 'nothing_due', problems: [] });
    expect(lines(outcome)).toEqual([
      'Late usage of 2026-07: Text-to-speech, v/one | 400 | 0 | 2026-07 | 0.00',
    ]);
  });

  test('are both behind the line; a name that has a line of its own is behind that', () => {
    const aliases = new Map([['one', 'v/one']]);
    const { invoice } = build(both);
    const namesOf = (of: typeof invoice): string[][] =>
      of.lines.slice(1).map((line) => [...subjectOf(of, line, () => aliases)!.names].sort());
    expect(namesOf(invoice)).toEqual([['inference.tts/one', 'inference.tts/v/one']]);
    expect(namesOf(build([both[0]]).invoice)).toEqual([['inference.tts/one', 'inference.tts/v/one']]);
    const [plan, line] = invoice.lines;
    expect(namesOf({ ...invoice, lines: [plan!, line!, { ...line!, model: 'one' }] })).toEqual([
      ['inference.tts/v/one'],
      ['inference.tts/one'],
    ]);
  });
});

describe('an alias that begins in a month', () => {
  const withAlias = (from: string): CatalogDocument => ({
    ...document,
    inference: {
      ...document.inference,
      tts: { per: '1000000', models: [{ model: 'voice', from: '2026-01-01', price: '40' }] },
      aliases: { 'voice-1': { model: 'voice', from } },
    },
  });
  // Each of the two is half a cent if it is a line of its own, and both together are one cent.
  const usages: Usage[] = [
    ['2026-08-05', 'inference.tts/voice', 125],
    ['2026-08-05', 'inference.tts/voice-1', 125],
  ];
  const agreed = (model: string): PlanEntry[] => [
    {
      plan: 'ship',
      from: '2026-01-01',
      overrides: { rates: [{ meter: 'inference.tts', model, per: '1000000', price: '80' }] },
    },
  ];

  test('joins the lines of the month and of later ones', () => {
    const { invoice, status } = build(usages, withAlias('2026-08-01'));
    expect(status).not.toBe('draft');
    const ofTts = invoice.lines.filter(({ meter }) => meter === 'inference.tts');
    expect(ofTts.map(({ model, quantity, amount }) => [model, quantity, amount])).toEqual([
      ['voice', '250', '0.01'],
    ]);
  });

  test('leaves earlier months as they were: unpriced, or as agreed for that name alone', () => {
    const before = withAlias('2026-09-01');
    const without = { ...before, inference: { ...before.inference, aliases: {} } };
    expect(build(usages, before)).toEqual(build(usages, without));
    expect(build(usages, before).status).toBe('draft');
    expect(build(usages, before, agreed('voice-1'))).toEqual(build(usages, without, agreed('voice-1')));
    expect(build(usages, before, agreed('voice-1')).status).not.toBe('draft');
  });
});
