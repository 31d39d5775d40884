import { buildCatalog } from '../../../../src/billing/catalog/build-catalog';
import { inForce, type CatalogDocument } from '../../../../src/billing/catalog/catalog';
import { builtInDocument } from '../../../kit/built-in-catalog';

type Draft = { -readonly [K in keyof CatalogDocument]: CatalogDocument[K] };

function problemsOf(change: (document: Draft) => void): readonly string[] {
  const document: Draft = structuredClone(builtInDocument);
  change(document);
  const answer = buildCatalog(document);
  return answer.ok ? [] : answer.problems;
}

const row = { plan: 'ship', name: 'Ship', from: '2026-01-01', fee: '60', atQuota: 'overage' } as const;

test.each<[string, (document: Draft) => void, string[]]>([
  ['nothing wrong', () => undefined, []],
  ['an unknown default plan', (d) => (d.defaultPlan = 'gold'), ['defaultPlan: no plan "gold"']],
  [
    'two rows of a name from one day',
    (d) => (d.plans = [...d.plans, row, row]),
    ['plans[4] (ship): there is another row from 2026-01-01'],
  ],
  [
    'an allowance of no plan and no meter',
    (d) => (d.allowances = [{ name: 'X', from: '2026-01-01', meters: ['fax'], included: { gold: '1' } }]),
    ['allowances[0] (X).meters: no meter "fax"', 'allowances[0] (X).included: no plan "gold"'],
  ],
  [
    'a rate of no meter, of inference, of no plan',
    (d) =>
      (d.rates = [
        ...d.rates,
        { meter: 'fax', from: '2026-01-01', price: '1' },
        { meter: 'inference.stt', from: '2026-01-01', price: '1' },
        { meter: 'agent.events', from: '2026-01-01', price: '1', plans: { gold: '2' } },
      ]),
    [
      'rates[16] (fax).meter: no meter "fax" (inference has its own list)',
      'rates[17] (inference.stt).meter: no meter "inference.stt" (inference has its own list)',
      'rates[18] (agent.events).plans: no plan "gold"',
    ],
  ],
  [
    'a meter that a charging plan has no price for',
    (d) =>
      (d.rates = [...d.rates.slice(1), { meter: 'agent.events', from: '2026-01-01', plans: { ship: '1' } }]),
    ['rates: no row for agent.session', 'rates[15] (agent.events): no price for plan "scale"'],
  ],
  [
    'tiers that do not rise, end early or not at all',
    (d) =>
      (d.rates = [
        ...d.rates,
        {
          meter: 'agent.events',
          from: '2026-01-01',
          price: { graduated: [{ upTo: '10', amount: '1' }, { upTo: '9', amount: '1' }, { amount: '0' }] },
          plans: { ship: { volume: [{ amount: '1' }, { upTo: '5', amount: '1' }] } },
        },
      ]),
    [
      'rates[16] (agent.events).price.graduated[1].upTo: must be above 10',
      'rates[16] (agent.events).plans.ship.volume[0].upTo: only the last tier has no end',
      'rates[16] (agent.events).plans.ship.volume[1].upTo: the last tier has no end',
    ],
  ],
  [
    'a model of bad tiers, an impossible day',
    (d) =>
      (d.inference = {
        ...d.inference,
        llm: {
          per: '1',
          models: [
            {
              model: 'm',
              from: '2026-04-31',
              input: '1',
              output: '1',
              plans: {
                scale: { input: '1', cachedInput: { volume: [{ upTo: '1', amount: '1' }] }, output: '1' },
              },
            },
          ],
        },
        aliases: {},
      }),
    [
      'inference.llm.models[0] (m).from: "2026-04-31" is not a valid day: expected YYYY-MM-DD',
      'inference.llm.models[0] (m).plans.scale.cachedInput.volume[0].upTo: the last tier has no end',
    ],
  ],
  [
    'aliases that lead nowhere or hide a model',
    (d) => (d.inference = { ...d.inference, aliases: { a: 'nobody', 'xai/stt': 'xai/tts' } }),
    ['inference.aliases["a"]: no model "nobody"', 'inference.aliases["xai/stt"]: is a model itself'],
  ],
  [
    'aliases that begin within a month, or on no day',
    (d) =>
      (d.inference = {
        ...d.inference,
        aliases: {
          a: { model: 'xai/stt', from: '2026-11-02' },
          b: { model: 'nobody', from: '2026-13-01' },
          c: { model: 'xai/stt', from: '2026-11-01' },
        },
      }),
    [
      'inference.aliases["a"].from: "2026-11-02" is not the first day of a month',
      'inference.aliases["b"].from: "2026-13-01" is not the first day of a month',
      'inference.aliases["b"]: no model "nobody"',
    ],
  ],
])('%s', (_case, change, expected) => {
  expect(problemsOf(change)).toEqual(expected);
});

test('a catalog from before a meter existed is good: its usage has no price yet', () => {
  const isNew = (meter: string): boolean =>
    meter.startsWith('session.connector.') || meter === 'agent.voice_isolation';
  const rates = builtInDocument.rates.filter(({ meter }) => !isNew(meter));
  expect(rates).toHaveLength(builtInDocument.rates.length - 2);
  expect(buildCatalog({ ...builtInDocument, rates })).toMatchObject({ ok: true });
});

test('rows may stand in any order: the last that had begun is in force', () => {
  const rows = [
    { from: '2026-01-01', fee: '1' },
    { from: '2026-06-01', fee: '2' },
  ];
  expect(inForce(rows, '2025-12-31')).toBeUndefined();
  expect(inForce(rows, '2026-01-01')).toBe(rows[0]);
  expect(inForce(rows, '2026-05-31')).toBe(rows[0]);
  expect(inForce(rows, '2026-06-01')).toBe(rows[1]);

  const answer = buildCatalog({ ...builtInDocument, plans: [row, ...builtInDocument.plans] });
  expect(answer.ok && answer.catalog.plans.get('ship')!.map(({ fee }) => fee)).toEqual(['50', '60']);
});
