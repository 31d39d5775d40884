import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import type { RatedEvent } from '../../../src/rating/usage';
import { freeze } from '../../../src/redis/cut-offs';
import { writeProject } from '../../../src/redis/views/projects';
import { startChromium, type Chromium } from '../../kit/web/chromium';
import { axeFindings, cutOff, isTooWide } from '../../kit/web/page-checks';
import { sampleProject } from '../../kit/web/sample-project';
import { webHarness, type WebHarness } from '../../kit/web/web-harness';

/** The pages in a browser at a fixed time, with Redis and without Kafka. */

const LAPTOP = { width: 1366, height: 768 };
const LAPTOPS = [LAPTOP, { width: 1440, height: 900 }];
const PHONE = { width: 390, height: 780 };
const HEBREW = 'אקמה קול בע"מ';
const MODELS = 200;
/** Words that were on these pages, and that people do not use. */
const ODD_WORDS =
  /as it began|included quantit|beyond it|charged now|terms of your own|no such thing|dearest|behind the log|\d %/i;
const UNFOLD = "document.querySelectorAll('main details').forEach((details) => (details.open = true))";
const BILLING = '/projects/acme-voice/billing';

let harness: WebHarness;
let chromium: Chromium;
let origin: string;
let page: Page;

beforeAll(async () => {
  harness = await webHarness();
  await sampleProject(harness, 'acme-voice');
  await manyOfEverything('wide');
  await writeProject(harness.store, {
    project: 'agreed',
    plans: [{ plan: 'scale', from: '2026-01-01', overrides: { fee: '400' } }],
  });
  await harness.count(
    { project: 'agreed', usages: [{ meter: 'agent.session', quantity: String(7_196 * 60) }] },
    { project: 'small', usages: [{ meter: 'agent.session', quantity: String(900 * 60) }] },
    { project: 'small', usages: [{ meter: 'session.sip.us_toll_free', quantity: '60' }] },
  );
  chromium = await startChromium({ viewport: LAPTOP });
  origin = `http://127.0.0.1:${(harness.app.server.address() as AddressInfo).port}`;
  const projects = {
    'acme-voice': 'admin',
    wide: 'admin',
    agreed: 'admin',
    small: 'admin',
    acme: 'member',
  } as const;
  await signIn((await harness.cookie(projects, { expiresAtMs: Date.now() + 3_600_000 })).split('=')[1]!);
  page = await chromium.context.newPage();
  page.on('pageerror', (error) => {
    throw error;
  });
});
afterAll(async () => {
  await chromium?.close();
  await harness?.close();
});
beforeEach(() => page.setViewportSize(LAPTOP));

const signIn = (value: string): Promise<void> =>
  chromium.context.addCookies([{ name: 'tallyman_session', value, url: origin }]);
const open = async (path: string): Promise<number> => (await page.goto(`${origin}${path}`))!.status();
const main = (): Promise<string> => page.locator('main').innerText();

/** 36 months, 200 models, and names in both directions. */
async function manyOfEverything(project: string): Promise<void> {
  await writeProject(harness.store, {
    project,
    plans: [{ plan: 'ship', from: '2023-07-01' }],
    profile: { name: HEBREW, address: ['רחוב הרצל 1', 'Tel Aviv'], taxId: '512345678', budget: '100.00' },
    credits: [{ month: '2026-07', description: `זיכוי ${'x'.repeat(200)}`, amount: '2.00' }],
  });
  const usages = Array.from({ length: MODELS }, (_, i): RatedEvent['usages'][number] => ({
    meter: 'inference.stt',
    model: i === 0 ? `מודל/${'long'.repeat(20)}` : `vendor/model-${i}`,
    quantity: String(60 + i),
  }));
  usages.push({ meter: 'inference.stt', model: 'deepgram/nova-3', quantity: '90000' });
  usages.push({ meter: 'session.sip.us_toll_free', quantity: '60' });
  await harness.count({ project, usages });
}

test('on a laptop the cost comes first, and View Invoices is in the first screen', async () => {
  expect(await open(BILLING)).toBe(200);
  const headings = await page.locator('main h2:visible').allInnerTexts();
  expect(headings).toEqual([
    ...['Charges so far', 'Statements', 'Over or near the allowance', 'Cost by day'],
    ...['Charges so far, by line', 'This usage on other plans', 'Billing details'],
  ]);
  for (const laptop of LAPTOPS) {
    await page.setViewportSize(laptop);
    const { y, height } = (await page.getByRole('link', { name: 'View Invoices' }).first().boundingBox())!;
    expect(y + height).toBeLessThan(laptop.height);
  }
  const icon = await page.locator('link[rel=icon]').getAttribute('href');
  const type = await page.evaluate(`fetch('${icon}').then(({ headers }) => headers.get('content-type'))`);
  expect(type).toBe('image/svg+xml');
});

test('a bar that is full has one colour over its whole height', async () => {
  await open(BILLING);
  const bar = page.locator('#live-allowances meter:visible').first();
  expect(await bar.getAttribute('value')).toBe('1000');
  const picture = `data:image/png;base64,${(await bar.screenshot()).toString('base64')}`;
  const blank = await chromium.context.newPage();
  /** The colours down its middle, and of the card below it where the bar ends within a pixel. */
  const colours = await blank.evaluate<string[]>(`(async () => {
    const image = Object.assign(new Image(), { src: '${picture}' });
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
    canvas.drawImage(image, 0, 0);
    const { data } = canvas.getImageData(image.width >> 1, 0, 1, image.height);
    return Array.from({ length: image.height }, (_, y) => data.slice(4 * y, 4 * y + 3).join());
  })()`);
  await blank.close();
  expect(colours.filter((colour) => colour !== '255,255,255')).toEqual(
    Array.from({ length: 8 }, () => '215,73,63'),
  );
});

test('the cost is a sum, against the budget, the forecast and the last month', async () => {
  await open(BILLING);
  const cost = (await page.locator('.cost').innerText()).replace(/\s+/g, ' ');
  expect(cost).toContain('$168.25 Plan $50.00 + usage $104.79 − credits $15.00 + tax $28.46');
  expect(cost).toContain('67% of your budget of $250.00, 155% at the current pace');
  expect(cost).toMatch(/Forecast \$389\.38 At the current pace/);
  expect(cost).toMatch(/Last month \$343\.05 June 2026/);
  expect(cost).toMatch(/Inference credits left \$0\.00 of \$5\.00 this month/);
  expect(cost).toContain('Credit left $0.00 $10.00 applied to this month');
  expect(cost).toContain('Ship plan: $50.00 per month, 11 allowances');
});

test('what is over or near its allowance is there, and the rest is folded', async () => {
  await open(BILLING);
  const names = page.locator('#live-allowances h3:visible');
  expect(await names.allInnerTexts()).toEqual([
    ...['Agent session minutes', 'US local inbound minutes', 'Downstream data transfer', 'Inference credits'],
  ]);
  expect(await main()).toContain('3,800 minutes over, billed');
  await page.locator('#more-allowances summary').press('Enter');
  expect(await names.count()).toBe(11);
  await open('/projects/small/billing');
  expect(await main()).toMatch(/Agent session minutes\s+900 of 1,000 minutes\s+100 minutes left, 90% used/);
  await page.locator('#more-allowances summary').click();
  expect(await main()).toContain('Not included in your plan');
  await open('/projects/wide/billing');
  await page.locator('#more-allowances summary').click();
  expect(await main()).toContain('Not included; billed per use');
  await open('/projects/agreed/billing');
  expect(await main()).toContain('Every allowance is less than 80% used.');
  expect(await main()).toContain('$400.00 per month, 11 allowances, custom pricing');
});

test('the chart is of the cost by product, or of a meter with what its allowance covers', async () => {
  await open(BILLING);
  const chart = page.locator('#live-chart');
  expect((await chart.locator('.legend li').allInnerTexts()).map((name) => name.trim())).toEqual([
    ...['Covered by your plan', 'Agents', 'Realtime', 'Telephony', 'Inference'],
    'Your plan covers usage up to here',
  ]);
  expect(await chart.locator('svg[role=img]').getAttribute('aria-label')).toMatch(/^Cost by product and day/);
  expect(await chart.locator('svg[role=img] .limit').count()).toBeGreaterThan(0);
  expect(await chart.locator('.axis .tick').allTextContents()).toEqual(['USD', '$24', '$12', '$0']);
  await page.getByLabel('Chart').selectOption('agent.session');
  await chart.getByText('Allowance used up').waitFor();
  expect(await chart.locator('svg[role=img]').getAttribute('aria-label')).toMatch(
    /^Agent sessions by day, in minutes/,
  );
});

test('charges are in groups with subtotals, with the price per unit', async () => {
  await open(BILLING);
  const groups = (await page.locator('.group h3').allInnerTexts()).map((text) => text.replace(/\s+/g, ' '));
  expect(groups).toEqual([
    ...['Plan $50.00', 'Agents $38.00', 'Realtime $21.08', 'Telephony $2.30', 'Inference $43.41'],
    ...['Credits −$15.00', 'Tax $28.46'],
  ]);
  expect(await page.locator('.group table', { hasText: 'openai/gpt-4.1-mini' }).count()).toBe(1);
  const text = await page.locator('#live-charges').innerText();
  for (const price of ['$0.01 per minute', '$0.12 per GB', '$0.40 per 1M tokens', '$0.0048 per minute']) {
    expect(text).toContain(price);
  }
  expect(text).toContain('VAT 19%');
  expect(text).toMatch(/Subtotal\s+\$154\.79\s+Credits\s+−\$15\.00\s+Tax\s+\$28\.46\s+Total\s+\$168\.25/);
});

test('another plan is shown by its difference, and one that would stop usage without an amount', async () => {
  await open(BILLING);
  const plans = (await page.locator('#live-plans li').allInnerTexts()).map((text) =>
    text.replace(/\s+/g, ' '),
  );
  expect(plans).toEqual([
    expect.stringMatching(/^Build Would have stopped your usage Over its allowance: Agent session minutes, /),
    // The own plan costs $178.25 before the correction of $10.
    expect.stringMatching(/^Scale Would have cost \$416\.75 more Covers your usage$/),
  ]);
  await open('/projects/agreed/billing');
  // $50 and 2,196 minutes at $0.01 instead of the agreed $400.
  expect(await page.locator('#live-plans').innerText()).toContain('Would have cost $328.04 less');
});

test('billing details, the budget and its alerts are on the page', async () => {
  await open(BILLING);
  const details = await page.locator('#live-details').innerText();
  for (const line of ['Acme Voice GmbH', '10119 Berlin', 'Tax ID DE 123 456 789', '$250.00 per month'])
    expect(details).toContain(line);
  expect(details).toContain('Alert at 80%: not reached');
  await open('/projects/wide/billing');
  expect(await page.locator('#live-details').innerText()).toContain('Alert at 80%: not reached');
});

test('an invoice has its seller and buyer, and its subtotal before its total', async () => {
  await open(`${BILLING}/2026-06`);
  const text = (await main()).replace(/\s+/g, ' ');
  expect(text).toMatch(/Invoices for June 2026 Invoice acme-voice-0004 Issued on 1 July 2026 for June 2026/);
  expect(text).toMatch(
    /From Example Realtime, Inc\. 1 Market Street San Francisco, CA 94105 accounts@example\.com Tax ID US 98-7654321/,
  );
  expect(text).toMatch(/Billed to Acme Voice GmbH Torstraße 12 10119 Berlin Germany/);
  expect(text).toMatch(
    /Subtotal \$293\.28 Credits −\$5\.00 Tax \$54\.77 Total \$343\.05 Payable within 30 days\.$/,
  );
  await page.emulateMedia({ media: 'print' });
  expect(await page.getByText('Download PDF').isVisible()).toBe(false);
  expect(await page.getByText('Sign out').isVisible()).toBe(false);
  await open('/projects/wide/billing'); // What is folded on the screen is on the paper.
  expect(await page.locator('.group tbody tr:visible').count()).toBeGreaterThan(MODELS);
  await page.emulateMedia({ media: 'screen' });
});

test('200 models and 36 months are folded, and foreign names keep to themselves', async () => {
  await open('/projects/wide/billing');
  expect(
    await page.locator('.group', { hasText: 'Inference' }).first().locator('tbody tr:visible').count(),
  ).toBe(6);
  await page.getByText(`${MODELS + 1 - 6} more lines`).click();
  expect(await page.locator('.group tbody tr:visible').count()).toBeGreaterThan(MODELS);
  expect(await page.locator('#live-statements tbody tr:visible').count()).toBe(3);
  await page.locator('#more-statements summary').click();
  expect(await page.locator('#live-statements tbody tr:visible').count()).toBe(12);
  for (const text of [HEBREW, 'מודל/'])
    expect(await page.locator('bdi', { hasText: text }).count()).toBeGreaterThan(0);
  let pages = 1;
  for (; await page.getByRole('link', { name: /^Statements before/ }).count(); pages += 1)
    await page.getByRole('link', { name: /^Statements before/ }).click();
  expect(pages).toBe(3); // The price list begins in January 2024.
});

describe.each([360, 390, 768, 1366])('%i pixels wide', (width) => {
  test.each([
    [BILLING],
    [`${BILLING}?meter=transfer.downstream&month=2026-06`],
    [`${BILLING}/2026-06`],
    ['/projects/wide/billing'],
    ['/projects/small/billing'],
    ['/projects/acme/usage'],
  ])('%s shows everything, folded or not', async (path) => {
    await page.setViewportSize({ width, height: 780 });
    await open(path);
    expect(await isTooWide(page)).toBe(false);
    await page.evaluate(UNFOLD);
    expect(await isTooWide(page)).toBe(false);
    expect(await cutOff(page)).toEqual([]);
  });
});

test('on a phone each line is a card with its amount', async () => {
  await page.setViewportSize(PHONE);
  await open(BILLING);
  for (const row of await page.locator('.lines tbody tr:visible, .statements tbody tr:visible').all()) {
    const box = (await row.boundingBox())!;
    const name = (await row.locator('th').boundingBox())!;
    const amount = (await row.locator('.money').boundingBox())!;
    expect(amount.x + amount.width).toBeLessThanOrEqual(PHONE.width);
    expect(Math.abs(amount.y - box.y)).toBeLessThan(30); // In the card's first line, right of the name.
    expect(amount.x).toBeGreaterThanOrEqual(name.x + name.width - 1);
  }
});

test.each([['light'], ['dark']] as const)('axe finds nothing in the %s', async (colorScheme) => {
  await page.emulateMedia({ colorScheme });
  for (const path of [
    BILLING,
    `${BILLING}/2026-06`,
    '/projects/wide/billing',
    '/projects/acme/usage',
    '/nowhere',
  ]) {
    await open(path);
    await page.evaluate(UNFOLD);
    expect(await axeFindings(page)).toEqual([]);
    expect(await main()).not.toMatch(ODD_WORDS);
  }
  await page.setViewportSize(PHONE);
  await open(BILLING);
  expect(await axeFindings(page)).toEqual([]);
  await page.emulateMedia({ colorScheme: null });
});

test('by keyboard: past the head, into what is folded, and to an invoice', async () => {
  await open(BILLING);
  await page.keyboard.press('Tab');
  expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to content');
  await page.keyboard.press('Enter');
  const reached: string[] = [];
  for (let i = 0; i < 12 && reached.at(-1) !== 'View Invoices for June 2026'; i += 1) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate<string>('document.activeElement.textContent.trim()'));
  }
  expect(reached.at(-1)).toBe('View Invoices for June 2026');
  await Promise.all([page.waitForURL(`**${BILLING}/2026-06`), page.keyboard.press('Enter')]);
});

describe('a project with 200 models that lack a price', () => {
  test('has its cost and View Invoices in the first screen, too', async () => {
    await harness.issue('wide', '2026-06', 'wide-0001');
    await open('/projects/wide/billing');
    expect(await main()).toMatch(/The price list needs: .* and 196 more\./);
    const { y, height } = (await page.getByRole('link', { name: 'View Invoices' }).first().boundingBox())!;
    expect(y + height).toBeLessThan(LAPTOP.height);
  });
});

describe('for whoever runs the installation', () => {
  let projects: string;

  beforeAll(async () => {
    projects = (await chromium.context.cookies())[0]!.value;
    const cookie = await harness.cookie({}, { role: 'ops', expiresAtMs: Date.now() + 3_600_000 });
    await signIn(cookie.split('=')[1]!);
    await writeProject(harness.store, {
      project: 'long-name',
      plans: [{ plan: 'scale', from: '2026-07-01' }],
      profile: { name: 'N'.repeat(100) },
    });
  });
  afterAll(() => signIn(projects));

  test('a project is found by a part of its name, and opened', async () => {
    await open('/ops');
    await page.getByLabel('Find a project').fill('voice gmbh');
    await page.getByRole('button', { name: 'Find' }).click();
    expect(await page.locator('tbody tr').allInnerTexts()).toEqual([
      expect.stringMatching(/^acme-voice\s+Acme Voice GmbH\s+ship\s+With usage\s+\$250\.00$/),
    ]);
    await page.getByRole('link', { name: 'acme-voice' }).click();
    await page.getByRole('heading', { name: 'Billing', exact: true }).waitFor();
  });

  test('the invoices of a month are one list with filters and a CSV', async () => {
    await open('/ops/invoices');
    await page.getByLabel('Month').selectOption('2026-06');
    await page.getByLabel('Plan').selectOption('ship');
    await page.getByRole('button', { name: 'Show' }).click();
    expect(await page.locator('tbody tr').allInnerTexts()).toEqual([
      expect.stringMatching(/^acme-voice\s+June 2026\s+acme-voice-0004\s+ship\s+Issued\s+\$343\.05$/),
      expect.stringMatching(/^wide\s+June 2026\s+wide-0001\s+ship\s+Issued\s+\$50\.00$/),
    ]);
    const downloading = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Download CSV' }).click();
    expect((await downloading).suggestedFilename()).toBe('invoices-2026-06.csv');
    await page.getByLabel('Month').selectOption('2026-07');
    await page.getByLabel('Status').selectOption('Draft');
    await page.getByRole('button', { name: 'Show' }).click();
    expect(await main()).toMatch(/wide\s+July 2026\s+ship\s+Draft/);
    expect(await main()).toContain('has no price');
  });

  test('what is wrong, how far a close is, and what both need', async () => {
    const { store } = harness;
    await freeze(store, 0, '2026-05');
    await store.redis.hdel(store.keys.closes, '2026-05');
    await open('/ops');
    expect(await page.locator('.problem').innerText()).toMatch(
      /Kafka does not answer\s+The lag is unknown\. .* Check Kafka, and the network between it and this server\./,
    );
    const closing = page.locator('tbody tr', { hasText: 'May 2026' });
    expect(await closing.innerText()).toContain('1 of 2 shards cut off');
    expect(await closing.innerText()).toContain('tallyman close 2026-05 continues it.');
    expect(await closing.locator('progress').getAttribute('value')).toBe('1');
    await freeze(store, 1, '2026-05');
    const record = { month: '2026-05', closedAt: '2026-06-01T01:00:00.000Z', cursors: {}, issued: true };
    await store.redis.hset(store.keys.closes, '2026-05', JSON.stringify(record));
    await open('/ops');
    expect(await closing.innerText()).toContain('Some projects have no invoice yet: drafts lack a price');
  });

  test.each([
    ['light', 1366],
    ['dark', 1366],
    ['light', 390],
  ] as const)(
    'axe finds nothing in the %s, and nothing is cut off at %i pixels',
    async (colorScheme, width) => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 780 });
      for (const path of ['/ops', '/ops/projects', '/ops/invoices?month=2026-06', '/docs']) {
        await open(path);
        expect(await isTooWide(page)).toBe(false);
        expect(await axeFindings(page)).toEqual([]);
        if (path.startsWith('/ops/')) expect(await cutOff(page)).toEqual([]);
      }
      await page.emulateMedia({ colorScheme: null });
    },
  );
});

describe('in words of their own', () => {
  test('a month before the price list begins', async () => {
    expect(await open(`${BILLING}?month=2023-03`)).toBe(404);
    expect(await main()).toMatch(
      /Nothing was billed in March 2023\s+The price list begins in January 2024\./,
    );
    await open(`${BILLING}?month=2024-01`);
    expect(await page.locator('.months a[rel=prev]').count()).toBe(0);
  });

  test('a month that is over and not closed', async () => {
    await open('/projects/wide/billing?month=2026-04');
    expect(await main()).toContain('April 2026 is closing: it is over');
    expect(await page.locator('#live-statements').innerText()).toMatch(/May 2026\s+Closing/);
    expect(await page.locator('#live-statements').innerText()).toMatch(/July 2026\s+Open/);
  });

  test('a session that has ended, and a page that is not there', async () => {
    const other = await startChromium();
    try {
      const expired = harness.token({ acme: 'admin' }, { expiresAtMs: Date.now() - 3_600_000 });
      await other.context.addCookies([{ name: 'tallyman_session', value: expired, url: origin }]);
      const visitor = await other.context.newPage();
      expect((await visitor.goto(`${origin}/projects/acme/billing`))!.status()).toBe(401);
      const text = await visitor.locator('main').innerText();
      expect(text).toContain('Your session has ended');
      expect(text).not.toMatch(/token|Bearer/i);
    } finally {
      await other.close();
    }
    expect(await open('/nowhere')).toBe(404);
    expect(await main()).toContain('Page not found');
  });
});
