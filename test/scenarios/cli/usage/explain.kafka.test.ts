import { Redis } from 'ioredis';
import type { Invoice, InvoiceLine } from '../../../../src/billing/invoice/invoice';
import type { ExplainedEvent } from '../../../../src/audit/explain-line';
import { testRedisUrl } from '../../../kit/services';
import { installation, type Installation } from '../../../kit/tallyman';

const now = new Date();
const monthsAgo = (months: number): string =>
  new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString().slice(0, 7);
const [earlier, last] = [monthsAgo(2), monthsAgo(1)];

/** A call over an own toll-free number: no quota, two cents a minute. */
const call = (id: string, time: string, durationMs: number, subject = 'acme'): string =>
  JSON.stringify({
    ...{ specversion: '1.0', id, source: '/sip', type: 'usage.session.v1', subject, time },
    data: { service: 'sip', variant: 'us_toll_free', durationMs },
  });

interface Explained {
  readonly invoice: string;
  readonly lines: readonly {
    readonly line: InvoiceLine & { readonly number: number };
    readonly events: readonly ExplainedEvent[];
    readonly counted: number;
    readonly duplicates: number;
    readonly late: number;
    readonly sum: string;
    readonly quantity: string;
    readonly agrees: boolean;
  }[];
}

let tallyman: Installation;
beforeAll(async () => {
  tallyman = installation();
  await tallyman.ok('init', '--partitions', '3');
  await tallyman.ok('projects', 'set', 'acme', '--plan', 'ship', '--from', `${earlier}-01`);
  const publish = async (...events: string[]): Promise<void> => {
    expect(await tallyman.run(['publish', '-'], events.join('\n'))).toMatchObject({ code: 0 });
    await tallyman.ok('consume', '--until-caught-up');
  };
  await publish(
    call('a', `${earlier}-03T10:00:00Z`, 61_500),
    call('b', `${earlier}-03T12:00:00.25+02:00`, 1),
    call('a', `${earlier}-03T10:00:00Z`, 61_500),
    call('other', `${earlier}-03T10:00:00Z`, 60_000, 'acme-2'),
    call('bad', `${earlier}-03T10:00:00Z`, -1),
    call('zero', `${earlier}-03T10:00:00Z`, 0),
    call('next', `${last}-01T00:00:00Z`, 60_000),
  );
  await tallyman.ok('close', earlier, '--grace', '0s');
  await publish(
    call('late', `${earlier}-30T10:00:00Z`.replace('-30', '-28'), 180_001),
    call('b', `${earlier}-03T10:00:00Z`, 1),
    call('c', `${last}-05T10:00:00Z`, 59_999),
  );
  await tallyman.ok('close', last, '--grace', '0s');
});

test('a line is explained by its events, each rounded on its own; a duplicate adds nothing', async () => {
  const { lines } = await tallyman.json<Explained>('explain', `acme-${earlier}`, '2');
  expect(lines).toHaveLength(1);
  const [{ line, events, ...found }] = lines as [Explained['lines'][number]];
  expect(line).toMatchObject({ number: 2, meter: 'session.sip.us_toll_free', quantity: '3', unit: 'minute' });
  expect(found).toMatchObject({
    counted: 3,
    duplicates: 1,
    late: 0,
    sum: '180',
    quantity: '180',
    agrees: true,
  });
  expect(events.map(({ id, used, rounded, verdict, sum }) => [id, used, rounded, verdict, sum])).toEqual([
    ['a', '61.5', '120', 'counted', '120'],
    ['b', '0.001', '60', 'counted', '180'],
    ['a', '61.5', '120', 'duplicate', '180'],
    ['zero', '0', '0', 'counted', '180'],
  ]);
  expect(events[1]).toMatchObject({ source: '/sip', time: `${earlier}-03T10:00:00.25Z`, late: false });
  expect(events[0]!.offset).toBeLessThan(events[1]!.offset);
});

test('late usage is behind the line of late usage, with the duplicates that came late', async () => {
  const { lines } = await tallyman.json<Explained>('explain', `acme-${last}`);
  expect(lines).toMatchObject([
    { counted: 2, late: 0, duplicates: 0, sum: '120', agrees: true },
    {
      ...{ counted: 1, late: 1, duplicates: 1, sum: '240', agrees: true },
      line: { kind: 'late', period: earlier, quantity: '4' },
      events: [
        { id: 'late', used: '180.001', rounded: '240', sum: '240', verdict: 'counted', late: true },
        { id: 'b', used: '0.001', rounded: '60', sum: '240', verdict: 'duplicate', late: true },
      ],
    },
  ]);
  const text = await tallyman.ok('explain', `acme-${last}`);
  for (const { id, used, rounded } of lines.flatMap(({ events }) => events))
    expect(text).toMatch(new RegExp(` ${id} .*${used}.*${rounded}`));
});

test('a line that differs from its events gives exit code 1', async () => {
  const redis = new Redis(testRedisUrl());
  const key = `${tallyman.prefix}:billing:invoices:acme`;
  const issued = (await redis.hget(key, earlier))!;
  const invoice = JSON.parse(issued) as Invoice;
  const lines = invoice.lines.map((line) => (line.kind === 'usage' ? { ...line, quantity: '4' } : line));
  await redis.hset(key, earlier, JSON.stringify({ ...invoice, lines }));
  const answer = await tallyman.run(['explain', `acme-${earlier}`, '2', '--json']);
  await redis.hset(key, earlier, issued);
  await redis.quit();
  expect(answer.code).toBe(1);
  expect((JSON.parse(answer.stdout) as Explained).lines).toMatchObject([
    { sum: '180', quantity: '240', agrees: false },
  ]);
});

test('a line about money, or none, is refused', async () => {
  const fee = await tallyman.run(['explain', `acme-${last}`, '1']);
  expect(fee).toMatchObject({ code: 2, stderr: expect.stringContaining('about money alone') });
  const none = await tallyman.run(['explain', `acme-${last}`, '99']);
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('no line 99') });
});
