import { readTopic } from '../../kit/kafka/read-topic';
import type { FaultRun } from '../support/fault-suite';
import type { World } from '../support/fault-world';
import { judgeInvoices, setPlans } from '../support/invoices';
import { withKafka } from '../support/kafka-client';
import { MONTH_BEFORE } from '../support/load';

export interface Growth {
  readonly from: number;
  readonly to: number;
  readonly events: number;
  readonly perSecond: number;
  readonly consumers: number;
  readonly kills: number;
}

/**
 * An installation grows under load. A producer that knows only the old partitions goes on all the
 * time. Another one publishes all of its events again, to the new partitions: late usage, voids and
 * repeats too. A close comes in between. Afterwards Redis is rebuilt from the log.
 *
 * @param words further words of `init`
 */
export async function growUnderLoad<W extends World>(
  run: FaultRun<W>,
  growth: Growth,
  ...words: string[]
): Promise<void> {
  const { from, to, events, perSecond } = growth;
  const tallyman = await run.install(from, {}, ...words);
  await setPlans(tallyman);
  const consumers = Array.from({ length: growth.consumers }, () => run.supervise(tallyman));
  const usage = { events, duplicates: 0.05, monthBefore: 0.1, voids: 0.02 };
  // It looks at Kafka's partitions when it starts, and again after five minutes.
  const stale = run.load(tallyman, { ...usage, perSecond });
  await run.progress(tallyman);

  const grow = ['grow', '--partitions', String(to)];
  for (let kill = 0; kill < growth.kills; kill += 1) {
    const killed = run.start(tallyman, ...grow);
    await new Promise((resolve) => setTimeout(resolve, run.random.between(300, 1_500)));
    await run.kill(killed);
  }
  await tallyman.ok(...grow);
  const fresh = run.load(tallyman, { ...usage, perSecond });
  const others = run.load(tallyman, { ...usage, events: Math.ceil(events / 4), seed: run.seed + 1 });
  await fresh.reached(1);
  await tallyman.ok('close', MONTH_BEFORE, '--grace', '0s', '--verify');
  await Promise.all([stale.done, fresh.done, others.done]);
  const published = stale.published + fresh.published + others.published;
  await run.settle(tallyman, published);
  await run.judge(tallyman, published);
  await expectSpread(run.world, tallyman.prefix, from, to);
  run.note(await judgeInvoices(run.world, tallyman, [MONTH_BEFORE]));
  expect(consumers.flatMap(({ ends }) => ends)).toEqual([]);
  await Promise.all(consumers.map((consumer) => consumer.stop()));

  await tallyman.ok('verify');
  await tallyman.ok('rebuild', '--empty');
  await run.judge(tallyman, published);
  await tallyman.ok('verify');
}

/** Old and new partitions got usage after the growth, or else nothing was shown. */
async function expectSpread(world: World, prefix: string, from: number, to: number): Promise<void> {
  await withKafka(world, async (client) => {
    let closed: Record<string, Record<string, number>> = {};
    await readTopic(client, `${prefix}.billing.closes`, (_, value) => {
      closed = (JSON.parse(value ?? '{}') as { cursors: typeof closed }).cursors;
    });
    expect(Object.keys(closed)).toHaveLength(from);
    const names = Object.values(closed).flatMap((cursors) => Object.keys(cursors));
    expect(names.filter((name) => name.includes('/'))).toHaveLength((to - from) * 4);
    const ends = await client.listOffsets([`${prefix}.usage.session`], 'end');
    const sessions = ends.get(`${prefix}.usage.session`)!;
    expect(sessions).toHaveLength(to);
    expect(sessions.slice(from).some((end) => end > 0)).toBe(true);
  });
}
