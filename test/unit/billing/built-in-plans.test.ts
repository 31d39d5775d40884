import { buildInvoice, type InvoiceOutcome } from '../../../src/billing/invoice/build-invoice';
import { aliasesIn } from '../../../src/billing/catalog/catalog';
import type { InvoiceLine } from '../../../src/billing/invoice/invoice';
import { builtInCatalog, builtInDocument } from '../../kit/built-in-catalog';

const minute = 60n;
const gigabyte = 1_000_000_000n;

function invoiceOf(plan: string, totals: Record<string, bigint>, month = '2026-07'): InvoiceOutcome {
  return buildInvoice({
    project: 'p',
    plans: [{ plan, from: '2025-01-01' }],
    month,
    periodStart: `${month}-01T00:00:00.000Z`,
    periodEnd: `${month}-31T00:00:00.000Z`,
    totals: new Map(Object.entries(totals)),
    catalog: builtInCatalog,
    number: 'p-0001',
    issuedAt: '2026-08-01T00:00:00.000Z',
  });
}

const usageLine = ({ invoice }: InvoiceOutcome): InvoiceLine =>
  invoice.lines.find((line) => line.kind === 'usage')!;

test('a phone agent costs $0.0672 a minute, as the calculator of the price page says', () => {
  // A million minutes beyond the quotas of Ship, so that a minute shows to the last digit.
  const minutes = 1_000_000n;
  const outcome = invoiceOf('ship', {
    'agent.session': (5_000n + minutes) * minute,
    'session.sip.us_local': (100n + minutes) * minute,
    'inference.llm.input/openai/gpt-4.1-mini': 3_500n * minutes,
    'inference.stt/deepgram/nova-3-multilingual': 60n * minutes,
    'inference.tts/cartesia/sonic': 600n * minutes,
    'agent.recording': (5_000n + minutes) * minute,
    'agent.events': 500_000n + 166_666_667n, // Half of observability's cent a minute; the other half is the recording.
  });
  const usage = outcome.invoice.lines.filter(({ kind }) => kind === 'usage');
  expect(usage.map(({ meter, amount }) => [meter, amount])).toEqual([
    ['agent.session', '10000.00'],
    ['agent.recording', '5000.00'],
    ['agent.events', '5000.00'],
    ['session.sip.us_local', '10000.00'],
    ['inference.stt', '5800.00'],
    ['inference.llm.input', '1400.00'],
    ['inference.tts', '30000.00'],
  ]);
  // The fee of 50 and 67,200 for the million minutes, less 5 of inference credits.
  expect(outcome.invoice).toMatchObject({ subtotal: '67250.00', credits: '-5.00', total: '67245.00' });
});

/**
 * Every quota of the price page: meter, base units in a billing unit, what each plan includes and
 * asks beyond it.
 */
const quotas: [
  meter: string,
  size: bigint,
  build: bigint,
  ship: [included: bigint, price: string],
  scale: [included: bigint, price: string],
][] = [
  ['agent.session', minute, 1000n, [5000n, '0.01'], [50000n, '0.01']],
  ['agent.recording', minute, 1000n, [5000n, '0.005'], [50000n, '0.005']],
  ['agent.events', 1n, 100000n, [500000n, '0.00003'], [5000000n, '0.00003']],
  ['agent.voice_isolation', minute, 100n, [1000n, '0.0012'], [10000n, '0.0012']],
  ['session.webrtc', minute, 5000n, [150000n, '0.0005'], [1500000n, '0.0004']],
  ['session.sip.third_party', minute, 1000n, [5000n, '0.004'], [50000n, '0.003']],
  ['session.sip.us_local', minute, 50n, [100n, '0.01'], [1000n, '0.01']],
  ['session.sip.us_toll_free', minute, 0n, [0n, '0.02'], [0n, '0.02']],
  ['session.connector.whatsapp', minute, 0n, [0n, '0.004'], [0n, '0.003']],
  ['session.ingress.transcoded', minute, 60n, [600n, '0.02'], [8000n, '0.015']],
  ['session.egress.video', minute, 60n, [600n, '0.02'], [8000n, '0.015']],
  ['session.egress.audio_only', minute, 60n, [600n, '0.005'], [8000n, '0.004']],
  ['session.egress.track', minute, 60n, [600n, '0.001'], [8000n, '0.001']],
  ['transfer.downstream', gigabyte, 50n, [250n, '0.12'], [3000n, '0.1']],
];

test('the plans cost and give what the price page says', () => {
  expect(
    builtInDocument.plans.map(({ plan, fee, atQuota, inferenceCredits }) => [
      plan,
      fee,
      atQuota,
      inferenceCredits,
    ]),
  ).toEqual([
    ['build', '0', 'block', '2.50'],
    ['ship', '50', 'overage', '5'],
    ['scale', '500', 'overage', '50'],
  ]);
  expect(builtInDocument.plans.map(({ minimumSpend }) => minimumSpend)).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test('no price or quota stands in the catalog that is not in the tables here', () => {
  const free = ['session.ingress.passthrough', 'transfer.upstream'];
  expect(builtInDocument.rates.map(({ meter }) => meter).sort()).toEqual(
    [...quotas.map(([meter]) => meter), ...free].sort(),
  );
  const withQuota = quotas.filter(([, , build]) => build > 0n).map(([meter]) => meter);
  expect(builtInDocument.allowances.flatMap(({ meters }) => meters).sort()).toEqual(withQuota.sort());
  // Enterprise has no public numbers: a project's own overrides give it its terms.
  expect(new Set(builtInDocument.plans.map(({ plan }) => plan)).size).toBe(3);
});

test('what was agreed with an enterprise replaces fee, quota, rate and behaviour at the quota', () => {
  const agreed = {
    fee: '2000',
    atQuota: 'overage' as const,
    inferenceCredits: '100',
    minimumSpend: '2500',
    allowances: [{ name: 'WebRTC participant minutes', included: '10000000' }],
    rates: [
      {
        meter: 'session.webrtc',
        per: '1',
        price: { graduated: [{ upTo: '1000000', amount: '0.0003' }, { amount: '0.0002' }] },
      },
      { meter: 'inference.tts', model: 'cartesia/sonic', per: '1000000', price: '30' },
    ],
  };
  const { invoice } = buildInvoice({
    project: 'p',
    plans: [{ plan: 'scale', from: '2025-01-01', overrides: agreed }],
    month: '2026-07',
    periodStart: '',
    periodEnd: '',
    totals: new Map([
      ['session.webrtc', 13_000_000n * minute],
      ['inference.tts/cartesia/sonic', 4_000_000n],
    ]),
    catalog: builtInCatalog,
    number: 'p-0001',
    issuedAt: '',
  });
  expect(
    invoice.lines.map(({ kind, billable, unitPrice, amount }) => [kind, billable, unitPrice, amount]),
  ).toEqual([
    ['plan', '1', '2000', '2000.00'],
    ['usage', '1000000', '0.0003', '300.00'],
    ['usage', '2000000', '0.0002', '400.00'],
    ['usage', '4000000', '30', '120.00'],
    ['credit', '100.00', '-1', '-100.00'],
  ]);
  expect(invoice.total).toBe('2720.00');
});

const fees: Record<string, number> = { ship: 50, scale: 500 };

describe.each(quotas)('%s', (meter, size, build, ship, scale) => {
  test.each([
    ['ship', ...ship],
    ['scale', ...scale],
  ] as const)('on %s: below, at and above the quota', (plan, included, price) => {
    for (const used of [included - 1n, included]) {
      if (used <= 0n) continue;
      const outcome = invoiceOf(plan, { [meter]: used * size });
      expect(usageLine(outcome)).toMatchObject({
        quantity: String(used),
        included: String(used),
        billable: '0',
        amount: '0.00',
      });
      expect(Number(outcome.invoice.total)).toBe(fees[plan]);
    }
    const beyond = 12_345n;
    const above = invoiceOf(plan, { [meter]: (included + beyond) * size });
    const amount = (Math.round(Number(beyond) * Number(price) * 100) / 100).toFixed(2);
    expect(usageLine(above)).toMatchObject({
      quantity: String(included + beyond),
      included: String(included),
      billable: String(beyond),
      unitPrice: price,
      per: '1',
      amount,
    });
    expect(above.invoice.total).toBe((fees[plan]! + Number(amount)).toFixed(2));
    expect(above.overQuota).toEqual([]);
  });

  test('on build: reported beyond the quota, never charged', () => {
    expect(invoiceOf('build', { [meter]: build * size }).overQuota).toEqual([]);
    const above = invoiceOf('build', { [meter]: (build + 7n) * size });
    expect(above).toMatchObject({ status: 'nothing_due', overQuota: [{ month: '2026-07', over: '7' }] });
    expect(above.invoice).toMatchObject({ number: null, total: '0.00' });
    expect(usageLine(above)).toMatchObject({ included: String(build), billable: '0', amount: '0.00' });
  });
});

test.each(['build', 'ship', 'scale'])(
  'on %s upstream transfer and passed-through import are free',
  (plan) => {
    const outcome = invoiceOf(plan, {
      'transfer.upstream': 10n ** 18n,
      'session.ingress.passthrough': 10n ** 9n * minute,
    });
    expect(outcome.invoice.subtotal).toBe({ build: '0.00', ship: '50.00', scale: '500.00' }[plan]);
    expect(outcome.overQuota).toEqual([]);
  },
);

test('transcode minutes are one quota, used up dearest first', () => {
  const { invoice } = invoiceOf('ship', {
    'session.egress.audio_only': 500n * minute,
    'session.egress.video': 300n * minute,
    'session.ingress.transcoded': 200n * minute,
  });
  expect(
    invoice.lines
      .filter(({ kind }) => kind === 'usage')
      .map(({ meter, included, amount }) => [meter, included, amount]),
  ).toEqual([
    ['session.ingress.transcoded', '200', '0.00'],
    ['session.egress.video', '300', '0.00'],
    ['session.egress.audio_only', '100', '2.00'],
  ]);
});

describe('inference credits', () => {
  const llm = 'inference.llm.output/openai/gpt-4.1';

  test.each([
    ['build', 1_000_000n, '0.00', 'nothing_due'], // 8.00, of which 2.50 are a gift and the rest is not charged
    ['ship', 500_000n, '50.00', 'issued'], // 4.00 of 5.00
    ['ship', 625_000n, '50.00', 'issued'],
    ['ship', 1_000_000n, '53.00', 'issued'],
    ['scale', 10_000_000n, '530.00', 'issued'],
  ])('on %s: %d tokens', (plan, tokens, total, status) => {
    expect(invoiceOf(plan, { [llm]: tokens })).toMatchObject({ status, invoice: { total } });
  });

  test('what Build uses beyond them is reported in money', () => {
    expect(invoiceOf('build', { [llm]: 1_000_000n }).overQuota).toEqual([
      { month: '2026-07', name: 'Inference credits', unit: 'USD', over: '5.5' },
    ]);
  });

  test('they pay for nothing else', () => {
    expect(invoiceOf('ship', { 'agent.session': 5100n * minute }).invoice.total).toBe('51.00');
  });
});

/**
 * A second transcription of the published prices. STT a minute and TTS a million characters: list
 * price and Scale's;
 *  LLM a million tokens: input, cached input (`-`: as input), output.
 */
const pricesOfModels = {
  stt: `
    deepgram/nova-3 0.0048 0.0042
    deepgram/nova-3-multilingual 0.0058 0.005
    deepgram/nova-3-medical 0.0077 0.0065
    deepgram/nova-2 0.0058 0.0047
    deepgram/flux-general-en 0.0065 0.0057
    deepgram/flux-general-multi 0.0078 0.0068
    assemblyai/universal-streaming 0.0025 0.0025
    assemblyai/universal-3-pro 0.0075 0.0075
    assemblyai/universal-3.5-pro 0.0075 0.0075
    cartesia/ink-whisper 0.003 0.0023
    cartesia/ink-2 0.009 0.0068
    elevenlabs/scribe-v2-realtime 0.0105 0.0105
    speechmatics/standard 0.005 0.005
    speechmatics/enhanced 0.0117 0.0117
    xai/stt 0.0033 0.0033
    google/gemini-3.5-transcribe-live 0.0095 0.0095`,
  llm: `
    openai/gpt-4.1 2 0.5 8
    openai/gpt-4.1-mini 0.4 0.1 1.6
    openai/gpt-4.1-nano 0.1 0.025 0.4
    openai/gpt-4o 2.5 1.25 10
    openai/gpt-4o-mini 0.15 0.075 0.6
    openai/gpt-5 1.25 0.13 10
    openai/gpt-5-mini 0.25 0.03 2
    openai/gpt-5-nano 0.05 0.01 0.4
    openai/gpt-5.1 1.25 0.13 10
    openai/gpt-5.2 1.75 0.175 14
    openai/gpt-5.4 5 0.5 22.5
    openai/gpt-5.4-mini 0.75 0.075 4.5
    openai/gpt-5.4-nano 0.2 0.02 1.25
    openai/gpt-5.5 10 1 45
    openai/gpt-5.6-sol 5 0.5 30
    openai/gpt-5.6-terra 2 0.2 12
    openai/gpt-5.6-luna 0.2 0.02 1.2
    baseten/gpt-oss-120b 0.1 - 0.5
    groq/gpt-oss-120b 0.15 0.075 0.6
    google/gemini-2.5-pro 2.5 0.25 15
    google/gemini-2.5-flash 0.3 0.03 2.5
    google/gemini-2.5-flash-lite 0.1 0.01 0.4
    google/gemini-3-flash 0.5 0.05 3
    google/gemini-3.1-flash-lite 0.25 0.025 1.5
    google/gemini-3.1-pro 4 0.4 18
    google/gemini-3.5-flash 1.5 0.15 9
    google/gemini-3.6-flash 1.5 0.15 7.5
    google/gemini-3.7-flash 0.75 0.075 3.75
    google/gemma-4-31b-it 0.4 0.2 1.2
    deepseek-ai/deepseek-v4-pro 1.74 0.15 3.48
    moonshotai/kimi-k2.6 0.95 - 4
    xai/grok-4.20 2 - 6
    xai/grok-4.3 1.25 0.2 2.5
    xai/grok-4.5 2 0.5 6`,
  tts: `
    cartesia/sonic 50 37.5
    deepgram/aura-2 30 27
    deepgram/flux-tts 45 45
    elevenlabs/eleven_flash_v2 150 60
    elevenlabs/eleven_flash_v2_5 150 60
    elevenlabs/eleven_turbo_v2 150 60
    elevenlabs/eleven_turbo_v2_5 150 60
    elevenlabs/eleven_multilingual_v2 300 120
    elevenlabs/eleven_v3 300 120
    inworld/inworld-tts-2 25 15
    inworld/inworld-tts-1.5-max 35 20
    inworld/inworld-tts-1.5-mini 15 8
    rime/mist 30 20
    rime/coda 50 50
    fishaudio/s2-pro 15 15
    xai/tts 15 15`,
};

describe('every model', () => {
  const { stt, llm, tts, aliases } = builtInDocument.inference;
  const keysOf = (model: string): string[] => [
    ...(stt.models.some((row) => row.model === model) ? [`inference.stt/${model}`] : []),
    ...(tts.models.some((row) => row.model === model) ? [`inference.tts/${model}`] : []),
    ...(llm.models.some((row) => row.model === model)
      ? ['input', 'cached_input', 'output'].map((kind) => `inference.llm.${kind}/${model}`)
      : []),
  ];
  const models = [...new Set([...stt.models, ...llm.models, ...tts.models].map(({ model }) => model))];
  const priceOf = (plan: string, key: string, month?: string): string | null =>
    usageLine(invoiceOf(plan, { [key]: 60_000_000n }, month)).unitPrice;

  const table = Object.entries(pricesOfModels).flatMap(([kind, rows]) =>
    rows
      .trim()
      .split('\n')
      .map((row) => row.trim().split(' ') as [string, string, string, string])
      .map(([model, ...prices]) => ({ kind, model, prices })),
  );

  test.each(table)('$kind $model costs $prices', ({ kind, model, prices: [first, second, third] }) => {
    if (kind === 'llm') {
      const expected = { input: first, cached_input: second === '-' ? first : second, output: third };
      for (const [meter, price] of Object.entries(expected)) {
        for (const plan of ['build', 'ship', 'scale']) {
          expect(priceOf(plan, `inference.llm.${meter}/${model}`)).toBe(price);
        }
      }
      return;
    }
    expect(priceOf('build', `inference.${kind}/${model}`)).toBe(first);
    expect(priceOf('ship', `inference.${kind}/${model}`)).toBe(first);
    expect(priceOf('scale', `inference.${kind}/${model}`)).toBe(second);
  });

  test('stands in that table', () => {
    expect(table.map(({ model }) => model).sort()).toEqual([...models].sort());
  });

  test('costs the same under its other names', () => {
    for (const [alias, model] of aliasesIn(Object.entries(aliases), '2026-11')) {
      for (const key of keysOf(model)) {
        const price = priceOf('scale', key, '2026-11');
        expect(priceOf('scale', key.replace(model, alias), '2026-11')).toBe(price);
      }
    }
  });

  test('has in the months before November 2026 the names that it had then', () => {
    const dated = Object.entries(aliases).filter(([, alias]) => typeof alias !== 'string');
    expect(dated).toHaveLength(10);
    for (const [alias] of dated) {
      for (const meter of ['inference.stt', 'inference.llm.input', 'inference.tts']) {
        expect(priceOf('scale', `${meter}/${alias}`, '2026-10')).toBeNull();
      }
    }
  });

  test.each([
    ['deepgram/nova-3', '2026-05', '0.0077', '0.0065'],
    ['deepgram/nova-3', '2026-06', '0.0048', '0.0042'],
    ['deepgram/nova-3-multilingual', '2026-05', '0.0092', '0.0078'],
    ['deepgram/nova-3-multilingual', '2026-06', '0.0058', '0.005'],
  ])('%s in %s is priced as then', (model, month, ship, scale) => {
    expect(usageLine(invoiceOf('ship', { [`inference.stt/${model}`]: 1n }, month)).unitPrice).toBe(ship);
    expect(usageLine(invoiceOf('scale', { [`inference.stt/${model}`]: 1n }, month)).unitPrice).toBe(scale);
  });

  test('that nobody knows has no price: a draft, and no free usage', () => {
    const outcome = invoiceOf('ship', {
      'inference.stt/openai/gpt-oss-120b': 61n,
      'agent.session': 6000n * minute,
    });
    expect(outcome).toMatchObject({
      status: 'draft',
      unpricedModels: ['inference.stt/openai/gpt-oss-120b'],
      invoice: { number: null },
    });
    expect(outcome.invoice.lines.at(-1)).toMatchObject({
      unit: 'second',
      quantity: '61',
      unitPrice: null,
      amount: null,
    });
  });
});
