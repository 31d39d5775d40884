import { get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGunzip } from 'node:zlib';
import type { Page } from 'playwright-core';
import { eventually } from '../../kit/services';
import { startChromium, type Chromium } from '../../kit/web/chromium';
import { sampleProject } from '../../kit/web/sample-project';
import { webHarness, type WebHarness } from '../../kit/web/web-harness';

/** The page of a project while its usage changes. */

const BILLING = '/projects/acme-voice/billing';
/** Its amounts are expected to the cent, so no other test counts for it. */
const ALONE = 'acme-alone';
const PER_MINUTE_MAX = 20_000;

let harness: WebHarness;
let chromium: Chromium;
let origin: string;
let cookie: { name: string; value: string; url: string };
let page: Page;

beforeAll(async () => {
  harness = await webHarness();
  for (const project of ['acme-voice', ALONE]) await sampleProject(harness, project);
  chromium = await startChromium({ viewport: { width: 1366, height: 768 } });
  origin = `http://127.0.0.1:${(harness.app.server.address() as AddressInfo).port}`;
  const times = { expiresAtMs: Date.now() + 3_600_000 };
  const value = (await harness.cookie({ 'acme-voice': 'admin', [ALONE]: 'admin' }, times)).split('=')[1]!;
  cookie = { name: 'tallyman_session', value, url: origin };
  await chromium.context.addCookies([cookie]);
  page = await chromium.context.newPage();
  page.on('pageerror', (error) => {
    throw error;
  });
});
afterAll(async () => {
  await chromium?.close();
  await harness?.close();
});

/** Opens the page, and waits until its stream is open. */
async function open(path = BILLING): Promise<void> {
  const following = page.waitForResponse((answer) => answer.url().includes('/live?'));
  await page.goto(`${origin}${path}`);
  expect((await following).status()).toBe(200);
}

/** A minute beyond the allowance costs a cent, and 19% tax. */
const minutes = (count: number, project = 'acme-voice'): Promise<void> =>
  harness.count({
    project,
    usages: [{ meter: 'agent.session', quantity: String(count * 60) }],
  });
const cost = (): Promise<string> => page.locator('[data-cost]').innerText();
const changesOf = async (before: string): Promise<string> => {
  await eventually(async () => (await cost()) !== before, { timeoutMs: 30_000 });
  return cost();
};

test('everything that shows a number follows; place, selection, focus and what is open stay', async () => {
  await open(`/projects/${ALONE}/billing`);
  await page.locator('#more-allowances summary').click();
  await page.getByRole('link', { name: 'View Invoices' }).first().focus();
  await page.evaluate('scrollTo(0, 700)');
  await page.evaluate(`getSelection().selectAllChildren(document.querySelector('#plans-title'))`);
  await page.evaluate(`window.marked = document.querySelector('#live-charges tbody tr')`);
  const before = await cost();

  await minutes(100, ALONE);
  expect(await changesOf(before)).toBe('$169.44');
  const text = async (selector: string): Promise<string> =>
    (await page.locator(selector).innerText()).replace(/\s+/g, ' ');
  expect(await text('.cost .sum')).toContain('usage $105.79');
  expect(await text('.cost')).toContain('$250.00');
  expect(await text('#live-statements')).toContain('$169.44');
  expect(await text('#live-allowances')).toContain('3,900 minutes over, billed');
  expect(await text('#live-charges')).toContain('8,900 minutes');
  expect(await text('#live-plans')).toMatch(/\$41\d\.\d\d more/);
  expect(await page.locator('#live-plans').innerText()).not.toContain('$416.75');

  expect(await page.evaluate('scrollY')).toBe(700);
  expect(await page.evaluate('getSelection().toString()')).toBe('This usage on other plans');
  expect(await page.evaluate('document.activeElement.textContent')).toContain('View Invoices');
  expect(await page.locator('#more-allowances').getAttribute('open')).not.toBeNull();
  expect(await page.evaluate('window.marked.isConnected')).toBe(true); // Numbers were put in place.
});

test('a number that is selected waits until it is not; a part with the focus as well', async () => {
  await open();
  const before = await cost();
  await page.evaluate(`getSelection().selectAllChildren(document.querySelector('[data-live="cost"]'))`);
  await minutes(100);
  await eventually(async () => !(await page.locator('#live-statements').innerText()).includes(before), {
    timeoutMs: 30_000,
  });
  expect(await cost()).toBe(before);
  await page.evaluate('getSelection().removeAllRanges()');
  await eventually(async () => (await cost()) !== before);

  await page.locator('#meter').focus();
  // A meter that was not used before is another choice of the chart, and another line.
  await harness.count({
    project: 'acme-voice',
    usages: [{ meter: 'session.egress.video', quantity: '60000' }],
  });
  await page.locator('#live-charges').getByText('Recording and export, video').waitFor();
  expect(await page.evaluate('document.activeElement.id')).toBe('meter');
  expect(await page.locator('#meter option').allInnerTexts()).not.toContain('Recording and export, video');
  await minutes(1); // What comes meanwhile is not lost.
  await page.locator('#meter').blur();
  await eventually(async () =>
    (await page.locator('#meter option').allInnerTexts()).includes('Recording and export, video'),
  );
});

test('another chart is shown in its place, and followed', async () => {
  await open();
  await page.evaluate('scrollTo(0, 900)');
  await page.getByLabel('Chart').selectOption('agent.session');
  await page.locator('#live-chart').getByText('Allowance used up').waitFor();
  expect(new URL(page.url()).searchParams.get('meter')).toBe('agent.session');
  expect(await page.evaluate('document.activeElement.id')).toBe('meter');
  expect(await page.evaluate('scrollY')).toBe(900);
  const bar = page.locator('#live-chart [data-live="day-15"] title');
  const before = await bar.textContent();
  await minutes(30);
  await eventually(async () => (await bar.textContent()) !== before, { timeoutMs: 30_000 });
  expect(await page.locator('#live-chart [data-live="day-15"] rect.bar').count()).toBeGreaterThan(0);
});

test('nothing is sent to a hidden tab; when it is seen again, it catches up', async () => {
  await open();
  const before = await cost();
  const sent: string[] = [];
  page.on('request', (request) => void sent.push(request.url()));
  const setHidden = (hidden: boolean): Promise<unknown> =>
    page.evaluate(
      `Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true });
       document.dispatchEvent(new Event('visibilitychange'));`,
    );
  const ended = page.waitForEvent('requestfailed', (request) => request.url().includes('/live?'));
  await setHidden(true);
  await ended;
  await minutes(100);
  const other = await chromium.context.newPage(); // It shows the new cost, so the hidden one could.
  await other.goto(`${origin}${BILLING}`);
  await eventually(async () => (await other.locator('[data-cost]').innerText()) !== before);
  await other.close();
  expect(await cost()).toBe(before);
  expect(sent).toEqual([]);
  await setHidden(false);
  await changesOf(before);
  page.removeAllListeners('request');
});

test('too many pages are told so, and a page whose session has ended', async () => {
  const leave: (() => void)[] = [];
  await page.goto('about:blank');
  await eventually(
    async () => {
      const one = await watchAlone();
      if (one !== undefined) leave.push(one);
      return leave.length === 20;
    },
    { timeoutMs: 60_000 },
  );
  await page.goto(`${origin}${BILLING}`);
  await page.getByText('Too many requests, so this page is not updated now.').waitFor();
  for (const hangUp of leave) hangUp();
  await chromium.context.clearCookies();
  await page.evaluate(`document.dispatchEvent(new Event('visibilitychange'))`);
  await page.getByText('Your session has ended').waitFor();
  await chromium.context.addCookies([cookie]);
});

test('a change is small, so a minute at rest is', async () => {
  /** The bytes that were sent when each event had been. */
  const sizes: number[] = [];
  const leave = await watchAlone((size) => sizes.push(size));
  await eventually(() => sizes.length === 1); // All parts, since nothing is known of this tab.
  await minutes(10);
  await eventually(() => sizes.length === 2);
  leave!();
  const change = sizes[1]! - sizes[0]!;
  expect(change).toBeGreaterThan(100);
  // At rest the forecast and the time of reading are sent every ten seconds. They are among what a
  // change of usage moves, which is more, so six of those and four heartbeats are the most that a
  // minute can have.
  expect(6 * change + 4 * 40).toBeLessThan(PER_MINUTE_MAX);
});

/**
 * Opens a stream as the page does.
 *
 * @param onEvent gets the bytes that were sent so far
 * @returns a function that ends it; undefined if it is refused
 */
function watchAlone(onEvent: (size: number) => void = () => undefined): Promise<(() => void) | undefined> {
  const headers = { cookie: `${cookie.name}=${cookie.value}`, 'accept-encoding': 'gzip' };
  return new Promise((resolve, reject) => {
    const asked = get(`${origin}${BILLING}/live`, { headers, agent: false }, (answer) => {
      if (answer.statusCode === 429) return resolve(undefined);
      if (answer.headers['content-encoding'] !== 'gzip') reject(new Error('not compressed'));
      let size = 0;
      let text = '';
      answer.on('data', (chunk: Buffer) => (size += chunk.length));
      answer.on('error', () => undefined); // Ours, when we hang up.
      const unpacked = answer.pipe(createGunzip());
      unpacked.on('error', () => undefined);
      unpacked.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        const events = text.split('\n\n');
        text = events.pop()!;
        for (const event of events) if (event.includes('event: changes')) onEvent(size);
      });
      resolve(() => void asked.destroy());
    });
    asked.on('error', reject);
  });
}
