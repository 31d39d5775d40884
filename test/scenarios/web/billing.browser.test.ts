import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { freePort } from '../../../src/dev/services/free-port';
import { openKafka } from '../../../src/kafka/client';
import { createPublisher, type Publisher } from '../../../src/kafka/producer';
import type { KafkaClient } from '../../../src/kafka/client';
import { eventually, testBrokers } from '../../kit/services';
import { installation } from '../../kit/tallyman';
import { needTestProgram } from '../../kit/servers/need-program';
import { startChromium, type Chromium } from '../../kit/web/chromium';
import { axeFindings, isTooWide } from '../../kit/web/page-checks';

/**
 * The page as its readers have it: in a browser, from the command line's own server, while events
 * are consumed.
 */

const SECRET = 'a secret of the tests, more than 32 bytes long';
const SHOTS = join(__dirname, '../../../docs/images');
const nowMs = Date.now();
const month = new Date(nowMs).toISOString().slice(0, 7);
const lastMonth = new Date(Date.parse(`${month}-01T00:00:00Z`) - 1).toISOString().slice(0, 7);

const tallyman = installation({ TALLYMAN_AUTH_SECRET: SECRET });
let kafka: KafkaClient;
let publisher: Publisher;
let chromium: Chromium;
let origin: string;
const children: ChildProcess[] = [];
let published = 0;
const BAD_EVENTS = 137;

beforeAll(async () => {
  await needTestProgram({ command: 'pdftotext', versionArgument: '-v', debianPackage: 'poppler-utils' });
  kafka = openKafka({ brokers: testBrokers(), clientId: 'test' });
  publisher = await createPublisher(kafka);
  await tallyman.ok('init', '--partitions', '2', '--timestamps', 'create');
  await tallyman.ok(
    'projects',
    'set',
    'acme-voice',
    '--plan',
    'ship',
    '--from',
    `${lastMonth}-01`,
    '--name',
    'Acme Inc.',
    '--budget',
    '250.00',
  );
  await tallyman.ok('projects', 'set', 'other', '--plan', 'build', '--from', `${lastMonth}-01`);
  await publishMonth(lastMonth, 20);
  await publishMonth(month, 40);
  await publisher.publish(
    `${tallyman.prefix}.usage.session`,
    Array.from({ length: BAD_EVENTS }, () => ({ key: 'acme-voice', value: '{"no":"event"}' })),
  );
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', lastMonth, '--grace', '0s');

  const [port, healthPort] = [await freePort(), await freePort()];
  origin = `http://127.0.0.1:${port}`;
  children.push(
    spawn(process.execPath, [CLI, 'serve'], {
      env: {
        ...tallyman.env,
        TALLYMAN_STUCK_AFTER: '1s',
        TALLYMAN_PORT: String(port),
        TALLYMAN_HEALTH_PORT: String(healthPort),
      },
    }),
  );
  children.push(tallyman.start('consume'));
  chromium = await startChromium({ viewport: { width: 1280, height: 900 } });
  await eventually(async () => (await fetch(`http://127.0.0.1:${healthPort}/readyz`)).ok, {
    timeoutMs: 60_000,
  });
});

afterAll(async () => {
  await chromium?.close();
  await Promise.all(
    children.map(
      (child) =>
        new Promise((resolve) => {
          child.once('close', resolve);
          child.kill('SIGTERM');
        }),
    ),
  );
  await publisher?.close();
  await kafka?.close();
});

const CLI = join(__dirname, '../../../dist/src/cli/tallyman.js');

/** A month's usage, spread over its days up to now. */
async function publishMonth(of: string, days: number): Promise<void> {
  const start = Date.parse(`${of}-01T00:00:00Z`);
  const end = of === month ? nowMs : Date.parse(`${month}-01T00:00:00Z`) - 1_000;
  for (let day = 0; day < days; day += 1) {
    const atMs = Math.floor(start + ((end - start) * (day + 1)) / days);
    const minutes = 60 + Math.round(200 * Math.abs(Math.sin(day)));
    await publish('session', atMs, { service: 'webrtc', durationMs: minutes * 60_000 * 4 });
    await publish('agent', atMs, { durationMs: minutes * 60_000 });
    await publish('transfer', atMs, { service: 'webrtc', direction: 'downstream', bytes: 7_400_000_000 });
    await publish('inference', atMs, {
      kind: 'llm',
      model: 'openai/gpt-4.1-mini',
      inputTokens: 900_000,
      outputTokens: 120_000,
    });
    await publish('inference', atMs, { kind: 'tts', model: 'cartesia/sonic', characters: 18_000 });
    await publish('inference', atMs, { kind: 'stt', model: 'deepgram/nova-3', durationMs: 1_800_000 });
  }
}

async function publish(kind: string, timeMs: number, data: object): Promise<void> {
  const event = {
    specversion: '1.0',
    id: `e-${published++}`,
    source: '/test',
    type: `usage.${kind}.v1`,
    subject: 'acme-voice',
    time: new Date(timeMs).toISOString(),
    data,
  };
  await publisher.publish(`${tallyman.prefix}.usage.${kind}`, [
    { key: 'acme-voice', value: JSON.stringify(event), timestampMs: timeMs },
  ]);
}

async function signedIn(...words: string[]): Promise<Page> {
  const link = (await tallyman.ok('token', ...words, '--link', origin)).trim();
  await chromium.context.clearCookies();
  const page = await chromium.context.newPage();
  page.on('pageerror', (error) => {
    throw error;
  });
  await page.goto(link);
  expect(page.url()).not.toContain('token');
  return page;
}

/** Pictures for the documentation, by `npm run docs:screenshots`. */
async function screenshot(page: Page, name: string, height: number): Promise<void> {
  if (process.env['TALLYMAN_SCREENSHOTS'] === undefined) return;
  mkdirSync(SHOTS, { recursive: true });
  const before = page.viewportSize()!;
  await page.setViewportSize({ ...before, height });
  await page.screenshot({ path: join(SHOTS, `${name}.png`) });
  await page.setViewportSize(before);
}

test('an admin sees usage change while events are consumed, and picks a meter', async () => {
  const page = await signedIn('acme-voice', 'other', '--role', 'admin');
  expect(new URL(page.url()).pathname).toBe('/projects/acme-voice/billing');
  await eventually(async () => (await page.locator('.fresh').innerText()).includes('Up to date'), {
    timeoutMs: 90_000,
  });
  const before = await page.locator('[data-cost]').innerText();
  await screenshot(page, 'billing', 1480);
  await page.emulateMedia({ colorScheme: 'dark' });
  await screenshot(page, 'billing-dark', 1480);
  await page.emulateMedia({ colorScheme: null });
  expect(await axeFindings(page)).toEqual([]);

  await publish('transfer', nowMs, { service: 'webrtc', direction: 'downstream', bytes: 1_000_000_000_000 });
  // Nothing is reloaded here: the page follows the stream.
  await eventually(async () => (await page.locator('[data-cost]').innerText()) !== before, {
    timeoutMs: 15_000,
  });

  await page.getByLabel('Chart').selectOption('transfer.downstream');
  await eventually(async () =>
    (await page.locator('#live-chart svg[role=img]').getAttribute('aria-label'))?.startsWith(
      'Downstream data transfer',
    ),
  );
  await page.close();
});

test('View Invoices leads to a PDF with the total that the page shows', async () => {
  const page = await signedIn('acme-voice', '--role', 'admin');
  await page.getByRole('link', { name: 'View Invoices' }).first().click();
  const total = await page.locator('[data-total]').innerText();
  expect(await axeFindings(page)).toEqual([]);
  const downloading = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download PDF' }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe(`acme-voice-${lastMonth}.pdf`);
  const text = execFileSync('pdftotext', ['-layout', await download.path(), '-']).toString();
  expect(text).toContain(total.replace('$', ''));
  const csv = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download CSV' }).click();
  expect((await csv).suggestedFilename()).toBe(`acme-voice-${lastMonth}.csv`);
  await page.close();
});

test('without JavaScript the page shows the same, and a meter is picked with its button', async () => {
  const plain = await startChromium({ javaScriptEnabled: false });
  try {
    const link = (await tallyman.ok('token', 'acme-voice', '--role', 'admin', '--link', origin)).trim();
    const page = await plain.context.newPage();
    await page.goto(link);
    await page.getByLabel('Chart').selectOption('agent.session');
    await page.getByRole('button', { name: 'Show' }).click();
    expect(await page.locator('svg[role=img]').getAttribute('aria-label')).toMatch(/^Agent sessions by day/);
    await page.getByRole('button', { name: 'Sign out' }).click();
    expect((await page.goto(`${origin}/projects/acme-voice/billing`))!.status()).toBe(401);
  } finally {
    await plain.close();
  }
});

test('a member sees usage and no invoices; another project is not there', async () => {
  const page = await signedIn('acme-voice', '--role', 'member');
  expect(new URL(page.url()).pathname).toBe('/projects/acme-voice/usage');
  expect(await page.getByText(/invoices|statements/i).count()).toBe(0);
  expect((await page.goto(`${origin}/projects/acme-voice/billing`))!.status()).toBe(403);
  expect((await page.goto(`${origin}/projects/other/billing`))!.status()).toBe(404);
  await page.close();
});

test('fits a phone, in the dark', async () => {
  const page = await signedIn('acme-voice', 'other', '--role', 'admin');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize({ width: 360, height: 780 });
  expect(await isTooWide(page)).toBe(false);
  expect(await axeFindings(page)).toEqual([]);
  expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(14, 17, 22)');
  await page.emulateMedia({ colorScheme: 'light' });
  await screenshot(page, 'billing-phone', 1300);
  await page.goto(`${origin}/projects/acme-voice/billing/${lastMonth}`);
  expect(await isTooWide(page)).toBe(false);
  await page.close();
});

test('whoever runs the installation sees lag, dead letters, spend and months', async () => {
  const page = await signedIn('--role', 'ops');
  expect(new URL(page.url()).pathname).toBe('/ops');
  await page.getByText('schema_violation').first().waitFor();
  await page.getByRole('link', { name: 'acme-voice' }).waitFor();
  for (const name of ['Lag', 'Lag by partition', 'Top projects'])
    expect(await page.getByRole('heading', { name, exact: true }).count()).toBe(1);
  expect(await page.getByText('Closed', { exact: true }).count()).toBeGreaterThan(0);
  expect(await axeFindings(page)).toEqual([]);
  await screenshot(page, 'ops', 1300);
  await page.emulateMedia({ colorScheme: 'dark' });
  await screenshot(page, 'ops-dark', 1300);
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize({ width: 390, height: 780 });
  expect(await isTooWide(page)).toBe(false);
  await screenshot(page, 'ops-phone', 1300);
  await page.close();
});

test('before 137 dead letters are replayed, the page asks, and nothing happens until then', async () => {
  const page = await signedIn('--role', 'ops');
  await page.getByRole('button', { name: 'Replay all schema_violation' }).click();
  expect(await page.locator('h1').innerText()).toBe(`Replay ${BAD_EVENTS} dead letters?`);
  expect(await axeFindings(page)).toEqual([]);
  await page.getByRole('link', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Replay all schema_violation' }).click();
  await page.getByRole('button', { name: `Replay ${BAD_EVENTS} dead letters` }).click();
  // They would be rejected again.
  expect((await page.locator('.cards').innerText()).replace(/\s+/g, ' ')).toMatch(
    /Published again 0 .*Not published 137/,
  );
  await page.close();
});

test('a partition that is not read is marked with its lag, what it means and what it needs', async () => {
  const consumer = children.pop()!;
  const ended = new Promise((resolve) => consumer.once('close', resolve));
  consumer.kill('SIGTERM');
  await ended;
  await publish('agent', nowMs, { durationMs: 60_000 });
  const page = await signedIn('--role', 'ops');
  const row = page.locator('tr', { hasText: /usage\.agent/ });
  await eventually(
    async () => {
      await page.reload();
      return /stuck \d+ s\s+1\b/.test(await row.innerText());
    },
    { timeoutMs: 90_000 },
  );
  const problem = page.locator('.problem', { hasText: 'PARTITION_UNREAD' });
  await eventually(async () => {
    await page.reload();
    return (await problem.count()) === 1;
  });
  expect(await problem.innerText()).toMatch(
    /Nobody reads a partition\s+.* Start consumers for the topic: tallyman consume\.\s+.* 1 offset waits/,
  );
  await page.close();
});
