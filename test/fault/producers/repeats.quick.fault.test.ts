import { createPublisher } from '../../../src/kafka/producer';
import { isRequest } from '../support/proxy/kafka-protocol';
import { withKafka } from '../support/kafka-client';
import { faultSuite, type FaultInstallation, type FaultRun } from '../support/fault-suite';
import { MONTH, MONTH_BEFORE } from '../support/load';
import { closeWords } from '../support/close-steps';
import { judgeInvoices, setPlans } from '../support/invoices';
import { compare } from '../support/judge';
import { eventually } from '../../kit/eventually';
import type { VerifyReport } from '../../../src/audit/verify';
import { readContent } from '../support/redis-content';
import { createWorkload } from '../../../src/oracle/workload';

/**
 * Producers that publish again: what they know to be one event must be billed once, and by what
 * came first.
 */
const fault = faultSuite('producers: repeats');

const MONTH_START = Date.parse(`${MONTH}-01T00:00:00Z`);
/** The last instant of the month before, and the first of the month. */
const LAST = new Date(MONTH_START - 1).toISOString();
const FIRST = new Date(MONTH_START).toISOString();

interface Usage {
  readonly id: string;
  readonly time: string;
  readonly minutes: number;
  /** So much less than the full minutes, which rounding makes up for. */
  readonly lessMs?: number;
  readonly source?: string;
  readonly project?: string;
  readonly topic?: 'session' | 'agent';
}

async function publish(
  run: FaultRun,
  { prefix }: FaultInstallation,
  usages: readonly Usage[],
): Promise<void> {
  await withKafka(run.world, async (client) => {
    const publisher = await createPublisher(client);
    for (const usage of usages) {
      const { id, time, minutes, lessMs = 0, source = '/sfu', project = 'acme', topic = 'session' } = usage;
      const durationMs = minutes * 60_000 - lessMs;
      const data = { ...(topic === 'session' && { service: 'webrtc' }), durationMs };
      const event = {
        specversion: '1.0',
        id,
        source,
        type: `usage.${topic}.v1`,
        subject: project,
        time,
        data,
      };
      const record = { key: project, value: JSON.stringify(event), timestampMs: MONTH_START + 60_000 };
      await publisher.publish(`${prefix}.usage.${topic}`, [record]);
    }
    await publisher.close();
  });
}

async function expectMinutes(
  run: FaultRun,
  { prefix }: FaultInstallation,
  minutes: Readonly<Record<string, number>>,
): Promise<void> {
  const { totals } = await readContent(run.world.direct.REDIS_URL, prefix);
  const expected = Object.entries(minutes).map(([name, count]) => [name, BigInt(count * 60)] as const);
  run.note(compare('total', totals, new Map(expected)));
}

fault('the same id at other times, in other months, across a close, with other data', async (run) => {
  const tallyman = await run.install(2);
  await publish(run, tallyman, [
    { id: 'a', time: LAST, minutes: 1 },
    { id: 'a', time: FIRST, minutes: 1 },
    { id: 'b', time: FIRST, minutes: 2 },
    { id: 'b', time: LAST, minutes: 2 },
    // The first in the log wins, whatever the next says.
    { id: 'c', time: FIRST, minutes: 4 },
    { id: 'c', time: FIRST, minutes: 1_000 },
    // Another source, another project, another topic: another event.
    { id: 'a', time: LAST, minutes: 8, source: '/other' },
    { id: 'a', time: LAST, minutes: 16, project: 'other' },
    { id: 'a', time: LAST, minutes: 32, topic: 'agent' },
  ]);
  await run.finish(tallyman);
  const before = {
    [`acme ${MONTH_BEFORE} session.webrtc`]: 1 + 8,
    [`acme ${MONTH} session.webrtc`]: 2 + 4,
    [`other ${MONTH_BEFORE} session.webrtc`]: 16,
    [`acme ${MONTH_BEFORE} agent.session`]: 32,
  };
  await expectMinutes(run, tallyman, before);

  await tallyman.ok('close', MONTH_BEFORE, '--grace', '0s', '--stall', '5s');
  await publish(run, tallyman, [
    // Known from before the close, in either month.
    { id: 'a', time: LAST, minutes: 1 },
    { id: 'a', time: FIRST, minutes: 1_000 },
    { id: 'b', time: LAST, minutes: 1_000 },
    // New, but late; and its repeat, which is not late by its time.
    { id: 'd', time: LAST, minutes: 64 },
    { id: 'd', time: FIRST, minutes: 64 },
  ]);
  await run.finish(tallyman);
  await expectMinutes(run, tallyman, { ...before, [`acme ${MONTH} ${MONTH_BEFORE}@session.webrtc`]: 64 });

  await tallyman.ok('close', MONTH, '--grace', '0s', '--stall', '5s');
  // Ids are kept for the open period and the one before.
  await publish(run, tallyman, [
    { id: 'd', time: LAST, minutes: 1_000 },
    { id: 'd', time: FIRST, minutes: 1_000 },
  ]);
  await run.finish(tallyman);
  await expectMinutes(run, tallyman, { ...before, [`acme ${MONTH} ${MONTH_BEFORE}@session.webrtc`]: 64 });
  await run.judge(tallyman, 16);
});

fault('the same id with another payload: the first holds, and verify lists both offsets', async (run) => {
  const tallyman = await run.install(1);
  await setPlans(tallyman, ['acme']);
  const topic = `${tallyman.prefix}.usage.session`;
  await publish(run, tallyman, [
    { id: 'a', time: LAST, minutes: 1 }, // 0
    { id: 'b', time: FIRST, minutes: 2 }, // 1
    { id: 'a', time: LAST, minutes: 1_000 }, // 2: more
    { id: 'b', time: FIRST, minutes: 2 }, // 3: a plain repeat
    { id: 'a', time: LAST, minutes: 1, source: '/other' }, // 4: another event
    { id: 'b', time: FIRST, minutes: 2, lessMs: 1 }, // 5: other data that comes to the same
  ]);
  // The repeat may be all that is left to count when a consumer dies.
  const consumer = run.consume(tallyman);
  await eventually(async () => (await run.applied(tallyman, topic)) === 6, { what: 'all is applied' });
  await run.kill(consumer);
  await publish(run, tallyman, [{ id: 'b', time: LAST, minutes: 500 }]); // 6: another month
  await run.finish(tallyman);
  const first = { [`acme ${MONTH_BEFORE} session.webrtc`]: 1 + 1, [`acme ${MONTH} session.webrtc`]: 2 };
  await expectMinutes(run, tallyman, first);

  // Across the close: the first lies in the period before, and what it said was invoiced.
  await tallyman.ok(...closeWords(MONTH_BEFORE));
  await publish(run, tallyman, [
    { id: 'a', time: LAST, minutes: 700 }, // 7
    { id: 'c', time: FIRST, minutes: 4 }, // 8
    { id: 'c', time: FIRST, minutes: 0 }, // 9: less
  ]);
  await run.finish(tallyman);
  await expectMinutes(run, tallyman, { ...first, [`acme ${MONTH} session.webrtc`]: 2 + 4 });

  const verified = await tallyman.json<VerifyReport>('verify');
  expect(verified).toMatchObject({ differenceCount: 0, conflictCount: 5 });
  const place = (offset: number): object => ({ topic, partition: 0, offset });
  const listed = verified.conflicts.map(({ id, month, first: of, repeat, changesUsage }) => ({
    ...{ id, month, first: of, repeat, changesUsage },
  }));
  const conflict = (
    id: string,
    month: string,
    of: number,
    repeat: number,
    changesUsage: boolean,
  ): object => ({
    ...{ id, month, first: place(of), repeat: place(repeat), changesUsage },
  });
  expect(listed.sort((a, b) => a.repeat.offset - b.repeat.offset)).toEqual([
    conflict('a', MONTH_BEFORE, 0, 2, true),
    conflict('b', MONTH, 1, 5, false),
    conflict('b', MONTH, 1, 6, true),
    conflict('a', MONTH_BEFORE, 0, 7, true),
    conflict('c', MONTH, 8, 9, true),
  ]);
  const counted = verified.months.map(({ month, conflicts, conflictsThatCount }) => [
    ...[month, conflicts, conflictsThatCount],
  ]);
  expect(counted.sort()).toEqual([
    [MONTH_BEFORE, 2, 2],
    [MONTH, 3, 2],
  ]);
  await tallyman.ok(...closeWords(MONTH));
  run.note(await judgeInvoices(run.world, tallyman, [MONTH_BEFORE, MONTH], ['acme']));
  await run.judge(tallyman, 10);
});

fault('a publisher whose answers are lost publishes again, and nothing is billed twice', async (run) => {
  const tallyman = await run.install(2);
  const { kafkaProxy } = run.world;
  const events = [
    ...createWorkload({ seed: run.seed, month: MONTH, events: 3_000, projects: ['acme'], malformed: 0 }),
  ]
    .filter(({ headers }) => headers === undefined)
    .map(({ value }) => String(value));
  const publishing = tallyman.proxied.run(['publish', '-'], events.join('\n'));
  for (const topic of ['usage.session', 'usage.transfer']) {
    const answer = await kafkaProxy.catch('reply', isRequest('Produce', topic));
    answer.cut();
  }
  expect(await publishing).toMatchObject({ code: 0 });
  await run.finish(tallyman);
  await run.judge(tallyman);
  expect(run.events).toBeGreaterThan(events.length);
});
