import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Invoice } from '../../../../src/billing/invoice/invoice';
import { builtInDocument } from '../../../kit/built-in-catalog';
import { installation, type Installation } from '../../../kit/tallyman';

const folder = mkdtempSync(join(tmpdir(), 'billing-verbs-'));
const fileOf = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const now = new Date();
const thisMonth = now.toISOString().slice(0, 7);
const lastMonth = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1))
  .toISOString()
  .slice(0, 7);

let tallyman: Installation;
beforeAll(async () => {
  tallyman = installation();
  await tallyman.ok('init', '--partitions', '2');
});

const minutes = (project: string, id: string, time: string, count: number): string =>
  JSON.stringify({
    specversion: '1.0',
    id,
    source: '/agents',
    type: 'usage.agent.v1',
    subject: project,
    time,
    data: { durationMs: count * 60_000 },
  });

describe('catalog', () => {
  test('check lists the models of livekit-agents without a price, of the catalog in use or of a file', async () => {
    type Checked = { file: string; agents: { unpriced: { stt: { names: string[] } } } };
    const inUse = await tallyman.json<Checked>('catalog', 'check', '--against-agents');
    expect(inUse.file).toBe('the built-in catalog');
    expect(inUse.agents.unpriced.stt.names).toHaveLength(4);

    const { inference } = structuredClone(builtInDocument);
    const aliases = { ...inference.aliases, 'inworld/inworld-stt-1': 'xai/stt' };
    const own = fileOf(
      'own.json',
      JSON.stringify({ ...builtInDocument, inference: { ...inference, aliases } }),
    );
    expect(await tallyman.ok('catalog', 'check', own, '--against-agents')).toMatch(
      /\n {2}stt, 3 of 23: assembly/,
    );
  });

  test('check tells what is in a good file, and every problem of a bad one', async () => {
    const good = fileOf('good.json', JSON.stringify(builtInDocument));
    expect(await tallyman.ok('catalog', 'check', good)).toMatch(/is valid: 3 plans, 10 included quantities/);

    const bad = structuredClone(builtInDocument) as unknown as { rates: { meter: string; from: string }[] };
    bad.rates[0]!.from = '2026-02-30';
    bad.rates[1]!.meter = 'agent.recordings';
    const answer = await tallyman.run([
      'catalog',
      'check',
      fileOf('bad.json', JSON.stringify(bad)),
      '--json',
    ]);
    expect(answer.code).toBe(1);
    const { ok, problems } = JSON.parse(answer.stdout) as { ok: boolean; problems: string[] };
    expect(ok).toBe(false);
    expect(problems).toEqual([
      expect.stringContaining('rates[0] (agent.session).from: "2026-02-30"'),
      expect.stringContaining('rates[1] (agent.recordings).meter: no meter "agent.recordings"'),
      expect.stringContaining('agent.recording'),
    ]);
  });

  test('show tells what holds on a day', async () => {
    type Shown = { plans: { plan: string }[]; rates: { model?: string; prices: Record<string, string> }[] };
    const nova = async (day: string): Promise<unknown> => {
      const { rates } = await tallyman.json<Shown>('catalog', 'show', '--date', day);
      return rates.find(({ model }) => model === 'deepgram/nova-3')!.prices;
    };
    expect(await nova('2026-05-31')).toEqual({ build: '0.0077', ship: '0.0077', scale: '0.0065' });
    expect(await nova('2026-06-01')).toEqual({ build: '0.0048', ship: '0.0048', scale: '0.0042' });
    const text = await tallyman.ok('catalog', 'show', '--plan', 'ship');
    expect(text).toMatch(/US local phone numbers +per month +1 free, then 1\.00/);
    expect(text).toMatch(/^ship +50 +charges overage +5 +- +2024-01-01$/m);
    expect(text).toMatch(/^WebRTC participant minutes +minute +150,000 +session\.webrtc$/m);
    expect(text).not.toContain('scale');
    const unknown = await tallyman.run(['catalog', 'show', '--plan', 'gold']);
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('build, ship, scale') });
  });
});

describe('projects', () => {
  test('a file with bad lines imports nothing, and each is told with its line', async () => {
    const file = fileOf(
      'bad.ndjson',
      [
        '{"project":"good","plans":[{"plan":"ship","from":"2026-01-01"}]}',
        'nonsense',
        '',
        '{"project":"p","plans":[{"plan":"gold","from":"2026-01-01"}]}',
        '{"project":"good","plans":[],"profile":{"budget":"-5"}}',
        '{"project":"q","plans":[],"profile":{"currency":"EUR"}}',
      ].join('\n'),
    );
    const before = await tallyman.json('projects', 'list');
    const answer = await tallyman.run(['projects', 'import', file]);
    expect(answer.code).toBe(1);
    for (const problem of [
      `${file}:2: is not JSON`,
      `${file}:4: plans[0].plan: no plan "gold"`,
      `${file}:5: profile.budget is "-5" and must be an amount of money`,
      `${file}:5: project "good" is also on line 1`,
      `${file}:6: profile.currency: "EUR", but the catalog`,
    ])
      expect(answer.stderr).toContain(problem);
    expect(await tallyman.json('projects', 'list')).toEqual(before);
  });

  test('CSV rows change what was set; documents replace it', async () => {
    await tallyman.ok(
      'projects',
      'set',
      'imported',
      '--plan',
      'build',
      '--from',
      '2026-01-01',
      '--email',
      'a@b.c',
    );
    const csv = fileOf(
      'projects.csv',
      'project,plan,from,name,address,taxRate,taxName,budget\r\n' +
        'imported,ship,2026-03-01,"Acme, ""Inc.""",1 Road | Town,0.21,VAT,500.00\r\nsecond,scale,2026-02-01,,,,,\r\n',
    );
    expect(await tallyman.ok('projects', 'import', csv)).toBe('Imported 2 projects.\n');
    expect(await tallyman.json('projects', 'show', 'imported')).toEqual({
      project: 'imported',
      plans: [
        { plan: 'build', from: '2026-01-01' },
        { plan: 'ship', from: '2026-03-01' },
      ],
      profile: {
        name: 'Acme, "Inc."',
        email: 'a@b.c',
        address: ['1 Road', 'Town'],
        budget: '500.00',
        taxes: [{ from: '2026-03-01', name: 'VAT', rate: '0.21' }],
      },
      creditBalance: '0.00',
    });
    const text = await tallyman.ok('projects', 'show', 'imported');
    expect(text).toContain('plan      ship from 2026-03-01');
    expect(text).toContain('tax       VAT 0.21 from 2026-03-01');

    const credits = [{ month: '2026-01', description: 'Goodwill', amount: '12.5' }];
    const document = { project: 'imported', plans: [], credits };
    const documents = fileOf('projects.ndjson', `${JSON.stringify(document)}\n`);
    expect(await tallyman.json('projects', 'import', documents)).toEqual({ imported: 1 });
    expect(await tallyman.json('projects', 'show', 'imported')).toEqual({
      ...document,
      creditBalance: '12.50',
    });
    expect(await tallyman.ok('projects', 'show', 'imported')).toContain('balance   12.50 of credit');
    expect(await tallyman.run(['projects', 'show', 'never'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('billed on the plan "build"'),
    });
  });

  test('documents are imported from stdin, and a field that is not known is named', async () => {
    const plans = [{ plan: 'ship', from: '2026-03-01' }];
    const lines = (...documents: object[]): string =>
      documents.map((one) => `${JSON.stringify(one)}\n`).join('');
    const piped = lines({ project: 'piped-1', plans }, { project: 'piped-2', plans });
    expect(await tallyman.run(['projects', 'import', '-'], piped)).toMatchObject({
      code: 0,
      stdout: 'Imported 2 projects.\n',
    });
    expect(await tallyman.json('projects', 'show', 'piped-2')).toMatchObject({ plans });

    const wrong = lines({ project: 'piped-1', plans: [] }, { project: 'piped-2', plans, taxes: [] });
    expect(await tallyman.run(['projects', 'import', '-'], wrong)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('stdin:2: taxes is not a known field'),
    });
    expect(await tallyman.json('projects', 'show', 'piped-1')).toMatchObject({ plans });
  });

  test('a bad CSV header or row is told', async () => {
    const header = fileOf('header.csv', 'project,plann,from\nx,ship,2026-01-01\n');
    expect((await tallyman.run(['projects', 'import', header])).stderr).toContain(
      ':1: no column is called plann',
    );
    const row = fileOf('row.csv', 'project,plan,from\nx,ship\ny,ship,2026-13-01\n');
    const { stderr } = await tallyman.run(['projects', 'import', row]);
    expect(stderr).toContain(':2: has 2 fields, the first row 3');
    expect(stderr).toContain(':3: plans[0].from: "2026-13-01" is not a valid day');
  });
});

describe('what a month costs', () => {
  const ship = ['--plan', 'ship', '--from', `${lastMonth}-01`];
  const useAgents = async (customer: Installation): Promise<void> => {
    await customer.ok('projects', 'set', 'acme', ...ship, '--budget', '99');
    const events = [
      ...Array.from({ length: 6 }, (_, i) => minutes('acme', `old-${i}`, `${lastMonth}-10T10:00:00Z`, 1_000)),
      minutes('acme', 'new', `${thisMonth}-01T00:00:00Z`, 30),
    ];
    await customer.ok('publish', fileOf('usage.ndjson', events.join('\n')));
    await customer.ok('consume', '--until-caught-up');
  };
  beforeAll(() => useAgents(tallyman));

  test('compare prices the same usage on each plan', async () => {
    const compared = await tallyman.json<{ current: string; plans: unknown[] }>(
      'projects',
      'compare',
      'acme',
      '--month',
      lastMonth,
    );
    expect(compared).toMatchObject({
      current: 'ship',
      plans: [
        { plan: 'build', total: '0.00', overQuota: [{ name: 'Agent session minutes', over: '5000' }] },
        { plan: 'ship', total: '60.00' },
        { plan: 'scale', total: '500.00' },
      ],
    });
    const text = await tallyman.ok('projects', 'compare', 'acme', '--month', lastMonth);
    expect(text).toMatch(/^ship \(now\) .*60\.00 USD$/m);
    expect(text).toMatch(/^build .*would have blocked 5,000 minute of Agent session minutes$/m);
  });

  test('preview shows what is counted and where the open month is heading', async () => {
    type Preview = Invoice & {
      preview: true;
      forecast?: Invoice & { method: string; elapsedPercent: number };
    };
    const open = await tallyman.json<Preview>('invoices', 'preview', 'acme');
    expect(open).toMatchObject({ preview: true, number: null, month: thisMonth, total: '50.00' });
    expect(open).not.toHaveProperty('buyer.budget');
    const quantityIn = ({ lines }: Invoice): number =>
      Number(lines.find(({ kind }) => kind === 'usage')!.quantity);
    expect(quantityIn(open)).toBe(30);
    expect(open.forecast!.method).toContain('month / elapsed time');
    expect(quantityIn(open.forecast!)).toBeGreaterThanOrEqual(30);
    const text = await tallyman.ok('invoices', 'preview', 'acme');
    expect(text).toContain('PREVIEW, not an invoice');
    expect(text).toContain('FORECAST for the whole month: 50.00 USD');
    const over = await tallyman.json<Preview>('invoices', 'preview', 'acme', '--month', lastMonth);
    expect(over.total).toBe('60.00');
    expect(over.forecast).toBeUndefined();
  });

  test('csv writes the lines of one invoice, or of a month', async () => {
    // A closed month refuses changes, so this installation is not the one of the other tests.
    const closed = installation();
    await closed.ok('init', '--partitions', '1');
    await closed.ok('projects', 'set', 'second', ...ship);
    await useAgents(closed);
    await closed.ok('close', lastMonth, '--grace', '0s');
    const one = await closed.ok('invoices', 'csv', `acme-${lastMonth}`);
    const rows = one.split('\r\n');
    expect(rows).toHaveLength(4);
    expect(rows[0]).toMatch(/^invoice,kind,period,meter/);
    expect(rows[2]).toBe(
      `acme-${lastMonth},usage,${lastMonth},agent.session,,Agent sessions,minute,6000,5000,1000,0.01,1,10.00,USD`,
    );
    const month = await closed.ok('invoices', 'csv', '--month', lastMonth);
    expect(month.split('\r\n').filter((row) => row.startsWith('invoice,'))).toHaveLength(1);
    expect(month).toContain(rows[2]);
    expect(month).toContain(`second-${lastMonth},plan`);
    expect((await tallyman.run(['invoices', 'csv'])).code).toBe(2);
  });
});
