import { setTimeout as delay } from 'node:timers/promises';
import { openKafka } from '../../src/kafka/client';
import { readTopic } from '../kit/kafka/read-topic';
import { eventually } from '../kit/eventually';
import { faultSuite, scaled, type FaultRun } from './support/fault-suite';
import { isRequest } from './support/proxy/kafka-protocol';
import type { Caught } from './support/proxy/proxy';
import { isApply, partitionOf } from './support/proxy/redis-protocol';
import type { TallymanProcess } from './support/tallyman-process';

const fault = faultSuite('consumers');

const KILLS = scaled(100, 8);
const EVENTS_OF_KILLS = scaled(2_000_000, 100_000);
const CONSUMERS = ['session', 'transfer', 'agent', 'inference'];

fault(
  'SIGKILL at random moments under load, all four groups at once, of one member or of two',
  async (run) => {
    const tallyman = await run.install(6);
    const load = run.load(tallyman, { events: 4 * EVENTS_OF_KILLS, perSecond: 6_500 });
    const isEnough = (): boolean => run.kills >= KILLS && load.published >= EVENTS_OF_KILLS;

    // Each group by itself: after a kill its partitions wait ten seconds for the dead member's
    // session.
    const killOver = async (consumer: string): Promise<void> => {
      const members: TallymanProcess[] = [];
      while (!isEnough()) {
        for (const size = run.random.between(1, 2); members.length < size;)
          members.push(run.consume(tallyman, consumer));
        await run.progress(tallyman, `usage.${consumer}`);
        await delay(run.random.between(0, 1_500));
        const [victim] = members.splice(run.random.between(0, members.length - 1), 1);
        await run.kill(victim!);
      }
    };
    await Promise.all(CONSUMERS.map(killOver));
    await load.stop();
    await run.finish(tallyman);
    await run.judge(tallyman, load.published);
  },
  1_200_000,
);

/** Where a consumer is killed, and how it is held there until it is dead. */
const POINTS: readonly {
  readonly point: string;
  readonly hold: (run: FaultRun) => Promise<Caught>;
}[] = [
  {
    point: 'the apply is on its way to Redis',
    hold: ({ world }) => world.redisProxy.catch('request', isApply),
  },
  {
    point: 'Redis has applied, its reply is on the way',
    hold: ({ world }) => world.redisProxy.catch('reply', isApply),
  },
  {
    point: 'applied and told, the commit is on its way to Kafka',
    hold: ({ world }) => world.kafkaProxy.catch('request', isRequest('OffsetCommit')),
  },
  {
    point: 'the dead letter is on its way to Kafka, its event not applied',
    hold: ({ world }) => world.kafkaProxy.catch('request', isRequest('Produce')),
  },
  {
    point: 'the dead letter is in Kafka, its event not applied',
    hold: ({ world }) => world.kafkaProxy.catch('reply', isRequest('Produce')),
  },
];

fault(
  'SIGKILL at each exact point between Kafka, dead letter, apply, reply and commit',
  async (run) => {
    const tallyman = await run.install();
    const load = run.load(tallyman, { events: 1_000_000, perSecond: 1_500, malformed: 0.01 });
    const { redisProxy, kafkaProxy } = run.world;
    for (const { hold } of [...POINTS, ...POINTS]) {
      const victim = run.consume(tallyman.proxied);
      await run.progress(tallyman);
      await delay(run.random.between(0, 500));
      const caught = await hold(run);
      await run.kill(victim);
      // Either it never arrives, or it does so late: when its sender is dead and another may have
      // gone on.
      if (run.random.chance(0.5)) caught.cut();
      else caught.pass();
      await Promise.all([redisProxy.restore(), kafkaProxy.restore()]);
    }
    await load.stop();
    await run.finish(tallyman);
    await run.judge(tallyman, load.published);
  },
  600_000,
);

fault('each exact point is where it says', async (run) => {
  const tallyman = await run.install(1);
  const load = run.load(tallyman, { events: 300, malformed: 0.1 });
  await load.done;
  const { redisProxy, kafkaProxy } = run.world;
  const lettersOf = async (): Promise<number> => {
    const client = openKafka({ brokers: [run.world.kafka.address], clientId: 'letters' });
    let letters = 0;
    await readTopic(client, `${tallyman.prefix}.usage.dead-letters`, () => void (letters += 1));
    await client.close();
    return letters;
  };
  const state = async (): Promise<readonly number[]> => [
    await run.applied(tallyman, 'usage.session'),
    await lettersOf(),
  ];

  // One topic, one partition, one chunk: nothing is there before the first point.
  const stopAt = async (caught: Promise<Caught>, goOn: 'cut' | 'cutMidway'): Promise<void> => {
    const victim = run.consume(tallyman.proxied, 'session');
    const held = await caught;
    await run.kill(victim);
    held[goOn]();
    await Promise.all([redisProxy.restore(), kafkaProxy.restore()]);
  };
  await stopAt(kafkaProxy.catch('request', isRequest('Produce')), 'cutMidway');
  expect(await state()).toEqual([0, 0]);
  await stopAt(kafkaProxy.catch('reply', isRequest('Produce')), 'cut');
  const [, letters] = await state();
  expect(letters).toBeGreaterThan(0);
  expect(await state()).toEqual([0, letters]);
  await stopAt(redisProxy.catch('request', isApply), 'cutMidway');
  expect(await state()).toEqual([0, 2 * letters!]);
  await stopAt(redisProxy.catch('reply', isApply), 'cut');
  expect(await state()).toEqual([expect.any(Number), 3 * letters!]);
  expect((await state())[0]).toBeGreaterThan(0);
  await run.finish(tallyman);
  await run.judge(tallyman, load.published);
});

fault(
  'SIGSTOP past the session, another takes over, SIGCONT: its apply arrives late',
  async (run) => {
    const tallyman = await run.install();
    const load = run.load(tallyman, { events: 1_000_000, perSecond: 1_500 });
    const { redisProxy } = run.world;
    const lateness: string[] = [];
    for (const isOnItsWay of [true, false]) {
      const zombie = run.consume(tallyman.proxied);
      await run.progress(tallyman);
      const held = isOnItsWay ? await redisProxy.catch('request', isApply) : undefined;
      zombie.pause();

      // The next owner gets the partitions when the session is over, and goes beyond what the
      // zombie holds.
      const heir = run.consume(tallyman);
      const place = held ? partitionOf(held.exchange) : 'usage.session/0';
      const before = await run.applied(tallyman, place);
      await eventually(async () => (await run.applied(tallyman, place)) > before, {
        timeoutMs: 60_000,
        what: `another takes over ${place}`,
      });
      const reply = held && redisProxy.catch('reply', (exchange) => exchange === held.exchange);
      held?.pass();
      const told = await reply;
      if (told) lateness.push(told.answer!.toString());
      told?.pass();
      zombie.resume();
      await run.progress(tallyman);

      await Promise.all([zombie, heir].map((consumer) => consumer.stop()));
    }
    expect(lateness).toEqual([expect.stringMatching(/ALREADY_APPLIED|OVERLAP/)]);
    await load.stop();
    await run.finish(tallyman);
    await run.judge(tallyman, load.published);
  },
  600_000,
);

fault(
  'one consumer, three, one again; then each of three replaced in turn, twice',
  async (run) => {
    const tallyman = await run.install(6);
    const load = run.load(tallyman, { events: 1_000_000, perSecond: 2_000 });
    const orderly = async (consumer: TallymanProcess): Promise<void> => {
      await run.joined(consumer);
      expect(await consumer.stop()).toMatchObject({ code: 0 });
    };
    const first = run.consume(tallyman);
    await run.progress(tallyman);
    const others = [run.consume(tallyman), run.consume(tallyman)];
    await Promise.all(others.map((consumer) => run.joined(consumer)));
    await delay(run.random.between(0, 2_000));
    for (const consumer of others) await orderly(consumer);
    await run.progress(tallyman);

    const running = [first, run.consume(tallyman), run.consume(tallyman)];
    for (let turn = 0; turn < 6; turn += 1) {
      await run.progress(tallyman);
      running.push(run.consume(tallyman));
      await delay(run.random.between(0, 1_000));
      await orderly(running.shift()!);
    }
    await load.stop();
    await run.settle(tallyman, load.published);
    for (const consumer of running) await orderly(consumer);
    await run.judge(tallyman, load.published);
  },
  600_000,
);
