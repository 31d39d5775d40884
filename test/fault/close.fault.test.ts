import { setTimeout as delay } from 'node:timers/promises';
import { closeWords, killBeforeStep, writesTo } from './support/close-steps';
import { faultSuite, scaled, type FaultInstallation, type FaultRun } from './support/fault-suite';
import { judgeInvoices, setPlans } from './support/invoices';
import { MONTH, MONTH_BEFORE, PROJECTS } from './support/load';
import { appendOnlyFile, loseTail } from './support/proxy/redis-faults';
import { readContent } from './support/redis-content';
import { installation } from '../kit/tallyman';
import type { TallymanProcess } from './support/tallyman-process';

const fault = faultSuite('close');

const LONG = 900_000;
const MONTHS = [MONTH_BEFORE, MONTH];

const FEW = PROJECTS.slice(0, 6);

/** An installation whose consumer runs. */
interface Counting {
  readonly tallyman: FaultInstallation;
  readonly consumer: TallymanProcess;
  /**
   * Publishes usage of both months, and waits until it is in the totals. What is of a closed month
   * is late.
   */
  readonly publish: (events: number) => Promise<void>;
}

async function counting(run: FaultRun): Promise<Counting> {
  const tallyman = await run.install(2);
  await setPlans(tallyman, FEW);
  const consumer = run.consume(tallyman);
  let published = 0;
  const publish = async (events: number): Promise<void> => {
    const seed = run.random.between(1, 1_000_000);
    await run.load(tallyman, { seed, events, projects: FEW, monthBefore: 0.3 }).done;
    published += events;
    await run.settle(tallyman, published);
  };
  return { tallyman, consumer, publish };
}

/**
 * Closes the second month as well, which bills what was late in the first, and compares everything
 * with the log.
 */
async function judgeAll(run: FaultRun, { tallyman, consumer }: Counting, published: number): Promise<void> {
  await tallyman.ok(...closeWords(MONTH));
  expect(await consumer.stop()).toMatchObject({ code: 0 });
  run.note(await judgeInvoices(run.world, tallyman, MONTHS, FEW));
  await run.judge(tallyman, published);
}

/**
 * Of two closes at once one may take over from the other, which then ends with a code of its own.
 */
function expectOneToEnd(both: readonly { readonly code: number | null; readonly stderr: string }[]): void {
  expect(both.some(({ code }) => code === 0)).toBe(true);
  for (const { code, stderr } of both.filter((one) => one.code !== 0))
    expect([code, stderr]).toEqual([1, expect.stringContaining('[CLOSE_FENCED]')]);
}

fault(
  'killed between any two of its steps, and again anywhere, then run by two at once',
  async (run) => {
    const writes = await writesTo(run.world.redis);
    let steps = 0;
    for (let wasKilled = true; wasKilled; steps += 1) {
      const installed = await counting(run);
      const { tallyman, publish } = installed;
      await publish(1_000);
      wasKilled = await killBeforeStep(run, tallyman, MONTH_BEFORE, writes, steps);
      await publish(400);
      await killBeforeStep(run, tallyman, MONTH_BEFORE, writes, run.random.between(0, steps));

      const both = await Promise.all([1, 2].map(() => tallyman.run(closeWords(MONTH_BEFORE))));
      expectOneToEnd(both);
      await publish(300);
      await judgeAll(run, installed, 1_700);
    }
    // Of two shards and six invoices: freezes, looks, records, seals, totals, invoices, and what is
    // tidied up.
    expect(steps).toBeGreaterThan(20);
  },
  LONG,
);

fault(
  'killed at every step in turn, each time a little further, and run to its end twice',
  async (run) => {
    const installed = await counting(run);
    const { tallyman, publish } = installed;
    await publish(3_000);
    const writes = await writesTo(run.world.redis);
    for (let step = 0; await killBeforeStep(run, tallyman, MONTH_BEFORE, writes, step);) step += 1;
    await tallyman.ok(...closeWords(MONTH_BEFORE));
    await tallyman.ok(...closeWords(MONTH_BEFORE));
    await publish(1_000);
    await judgeAll(run, installed, 4_000);
  },
  LONG,
);

fault(
  'killed at every step while closed months leave Redis: readers see no difference, and the next one ends it',
  async (run) => {
    const installed = await counting(run);
    const { tallyman, publish } = installed;
    await publish(2_000);
    await tallyman.ok(...closeWords(MONTH_BEFORE));
    await publish(1_000);
    await judgeAll(run, installed, 3_000);

    const shown = async (): Promise<string> => {
      const months = MONTHS.map((month) => tallyman.ok('totals', '--all', '--month', month, '--json'));
      return (await Promise.all(months)).join('');
    };
    const before = await shown();
    const env = { ...tallyman.proxied.env, TALLYMAN_KEEP_CLOSED: '1s' };
    const early: FaultInstallation = { ...tallyman, proxied: installation(env) };
    const writes = await writesTo(run.world.redis);
    for (let step = 0; await killBeforeStep(run, early, MONTH, writes, step); step += 1)
      expect(await shown()).toBe(before);
    expect(await shown()).toBe(before);
    expect(await totalsIn(run, tallyman)).toEqual([]);
    expect(await tallyman.run(['verify'])).toMatchObject({ code: 0 });
  },
  LONG,
);

/** The closed months of which Redis holds something. */
async function totalsIn({ world }: FaultRun, { prefix }: FaultInstallation): Promise<string[]> {
  const { totals } = await readContent(world.direct.REDIS_URL, prefix);
  return MONTHS.filter((month) => [...totals.keys()].some((name) => name.includes(` ${month} `)));
}

fault(
  'killed at random moments while events pour in and the group changes hands',
  async (run) => {
    const tallyman = await run.install(4);
    await setPlans(tallyman);
    const load = run.load(tallyman, { events: 1_000_000, perSecond: 1_500, monthBefore: 0.2 });
    const consumers = [run.consume(tallyman), run.consume(tallyman)];
    await run.progress(tallyman);
    for (let round = 0; round < scaled(8, 3); round += 1) {
      const closing = run.start(tallyman, ...closeWords(MONTH_BEFORE));
      consumers.push(run.consume(tallyman));
      await run.kill(consumers.shift()!);
      await delay(run.random.between(0, 4_000));
      await run.kill(closing);
    }
    const both = await Promise.all([
      tallyman.run(closeWords(MONTH_BEFORE)),
      tallyman.run(closeWords(MONTH_BEFORE)),
    ]);
    expectOneToEnd(both);
    await run.progress(tallyman); // Late usage, too.
    await load.stop();
    await tallyman.ok(...closeWords(MONTH));
    run.note(await judgeInvoices(run.world, tallyman, MONTHS));
    await run.judge(tallyman, load.published);
  },
  LONG,
);

fault(
  'Redis loses a close with its tail while consumers run: late usage stays late, no invoice changes',
  async (run) => {
    const tallyman = await run.install(2);
    await setPlans(tallyman, FEW);
    const consumers = [run.supervise(tallyman)];
    const first = run.load(tallyman, { events: 3_000, projects: FEW, monthBefore: 0.3 });
    await first.done;
    await run.settle(tallyman, first.published);

    // All but the close is kept: no cursor goes back, and nothing tells the consumers that
    // something is lost.
    const { bytes } = appendOnlyFile(run.world.redis);
    await tallyman.ok(...closeWords(MONTH_BEFORE));
    await loseTail(run.world.redis, bytes);
    run.kills += 1;
    const late = run.load(tallyman, { seed: run.seed + 1, events: 3_000, projects: FEW, monthBefore: 0.3 });
    await late.done;
    await run.settle(tallyman, first.published + late.published);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    await run.judge(tallyman, 6_000);

    await tallyman.ok(...closeWords(MONTH_BEFORE));
    await tallyman.ok(...closeWords(MONTH));
    run.note(await judgeInvoices(run.world, tallyman, MONTHS, FEW));
  },
  LONG,
);
