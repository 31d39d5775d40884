import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../kit/eventually';
import { CHANGING, CLOSED_AMID, TO_CLOSE, type Chaos } from './chaos';
import { removeFiles } from './redis-files';
import { errorLine } from './remedies';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PLANS = ['ship', 'scale', 'build'] as const;

/** Each chooses its details by the seed's random numbers, and ends with its cause gone. */
export const FAULTS = {
  'consumers killed': async (chaos: Chaos) => {
    chaos.killed(await chaos.consumers.kill(chaos.random.chance(0.6)));
    await delay(chaos.random.between(500, 2_500));
    chaos.killed(await chaos.consumers.kill(true));
  },

  'a consumer stands still': async (chaos: Chaos) => {
    const { consumers, random } = chaos;
    const isPastSession = random.chance(0.2);
    chaos.killed(
      await consumers.pause(isPastSession ? random.between(10_500, 12_500) : random.between(300, 3_000)),
    );
  },

  'Redis killed': async (chaos: Chaos) => {
    const { redis } = chaos.world;
    await redis.kill('SIGKILL');
    chaos.killed(1);
    await delay(chaos.random.between(0, 1_500));
    await redis.restart();
  },

  'Redis loses its tail': async (chaos: Chaos) => {
    await loseTail(chaos);
  },

  'Redis emptied': async (chaos: Chaos) => {
    const { redis } = chaos.world;
    await redis.kill('SIGKILL');
    chaos.killed(1);
    removeFiles(redis);
    await redis.restart();
    const doctor = await chaos.verb('doctor', '--json');
    const [finding] = (
      JSON.parse(doctor.stdout || '{"findings":[]}') as { findings: Record<string, string>[] }
    ).findings.filter(({ level }) => level === 'error');
    if (!finding) {
      chaos.complain(`doctor sees nothing on an emptied Redis: ${doctor.stdout} ${errorLine(doctor.stderr)}`);
      return;
    }
    await chaos.follow(`${finding['problem']} -> ${finding['remedy']}`, chaos.random.between(1, 4));
  },

  'Kafka killed': async (chaos: Chaos) => {
    const { kafka } = chaos.world;
    await kafka.kill('SIGKILL');
    chaos.killed(1);
    await delay(chaos.random.between(0, 1_500));
    await kafka.restart();
  },

  'Kafka stands still': async (chaos: Chaos) => {
    const { world, random } = chaos;
    world.kafka.pause();
    await delay(random.between(300, 3_000));
    chaos.killed(await chaos.consumers.kill(random.chance(0.5)));
    world.kafka.resume();
  },

  'closes at once': async (chaos: Chaos) => {
    await closesAtOnce(chaos, () => Promise.resolve());
  },

  'closes while Redis loses its tail': async (chaos: Chaos) => {
    await closesAtOnce(chaos, async () => {
      await delay(chaos.random.between(200, 2_500));
      await loseTail(chaos);
    });
  },

  'closes while Kafka dies': async (chaos: Chaos) => {
    await closesAtOnce(chaos, async () => {
      await delay(chaos.random.between(200, 2_500));
      await FAULTS['Kafka killed'](chaos);
    });
  },

  'plans set while Redis loses its tail': async (chaos: Chaos) => {
    await setPlans(chaos, async () => {
      await delay(chaos.random.between(200, 1_500));
      await loseTail(chaos, false);
    });
  },

  'two plans set at once': async (chaos: Chaos) => {
    await setPlans(chaos, () => Promise.resolve());
  },

  'partitions added': async (chaos: Chaos) => {
    if (chaos.partitions === 4) {
      await FAULTS['Redis loses its tail'](chaos);
      return;
    }
    await chaos.held(async () => {
      await chaos.withAdmin((admin) =>
        admin.createPartitions({
          topicPartitions: chaos.usageTopics().map((topic) => ({ topic, count: 4 })),
        }),
      );
      chaos.partitions = 4;
      await chaos.killedVerb(chaos.random.between(300, 1_200), 'init');
      const init = await chaos.verb('init');
      if (init.code !== 0) await chaos.follow(errorLine(init.stderr));
      chaos.source.moved();
      await chaos.reconnectProducer();
    });
    await delay(chaos.random.between(0, 1_000));
    await loseTail(chaos);
    // Those that run know the old partitions only.
    chaos.killed(await chaos.consumers.kill(true));
  },

  'a consumer with a wrong clock': async (chaos: Chaos) => {
    chaos.moveClock(chaos.random.pick([-HOUR_MS, 40 * DAY_MS]), chaos.random.pick([0, 3_000]));
    chaos.killed(await chaos.consumers.kill(false));
    await delay(chaos.random.between(2_000, 5_000));
    chaos.moveClock(0);
    chaos.killed(await chaos.consumers.kill(true));
  },

  'a close with a wrong clock': async (chaos: Chaos) => {
    const clock = { offsetMs: chaos.random.pick([-HOUR_MS, 40 * DAY_MS]), afterMs: 0 };
    // A clock that is an hour slow may close what is over.
    const words = clock.offsetMs > 0 ? ['close'] : ['close', TO_CLOSE[Math.max(0, chaos.closesBegun - 1)]!];
    if (clock.offsetMs < 0 && chaos.closesBegun === 0) return;
    const closing = chaos.start([...words, '--stall', '10s'], clock);
    await Promise.race([closing.ended(), delay(chaos.random.between(1_000, 15_000))]);
    if (!closing.end) {
      await closing.kill();
      chaos.killed(1);
    } else if (clock.offsetMs > 0 && closing.end.code === 0) {
      chaos.complain('a close with a clock 40 days ahead ended with 0');
    }
  },
} as const satisfies Record<string, (chaos: Chaos) => Promise<void>>;

export type FaultName = keyof typeof FAULTS;

/**
 * A power cut: Redis loses what it had not synced, and is restarted later once or twice more
 * without any fault.
 */
async function loseTail(chaos: Chaos, waits = true): Promise<void> {
  const { redis } = chaos.world;
  if (waits) {
    await eventually(() => chaos.aof.hasUnsynced, { timeoutMs: 8_000 }).catch(() => undefined);
  }
  await redis.kill('SIGKILL');
  chaos.killed(1);
  chaos.tell(`  ${chaos.aof.cut(chaos.random)}`);
  await redis.restart();
  chaos.restartsOwed = chaos.random.between(1, 2);
}

/** Two months at a time, by several processes, most of which are killed. */
async function closesAtOnce(chaos: Chaos, meanwhile: () => Promise<void>): Promise<void> {
  const { random } = chaos;
  const until = Math.min(CLOSED_AMID.length, Math.max(1, chaos.closesBegun + random.between(0, 2)));
  await chaos.held(() => {
    chaos.source.closing(until - chaos.closesBegun);
    chaos.closesBegun = until;
  });
  const months = CLOSED_AMID.slice(Math.max(0, until - 2), until);
  const count = random.between(3, 5);
  const closes = Array.from({ length: count }, async (_, number) => {
    await delay(random.between(0, 600));
    const closing = chaos.start(['close', months[number % months.length]!, '--stall', '15s']);
    if (random.chance(0.75)) await Promise.race([closing.ended(), delay(random.between(400, 5_000))]);
    else await Promise.race([closing.ended(), delay(40_000)]);
    if (!closing.end) {
      await closing.kill();
      chaos.killed(1);
    }
  });
  await Promise.all([...closes, meanwhile()]);
}

/** Two changes of one project at once: both must hold, whatever it takes. */
async function setPlans(chaos: Chaos, meanwhile: () => Promise<void>): Promise<void> {
  const { random } = chaos;
  const project = random.pick(CHANGING);
  const known = chaos.projects.get(project)!;
  // Months whose close has not been asked for, nor will be meanwhile.
  const open = TO_CLOSE.slice(Math.max(1, chaos.closesBegun));
  const name = `${project} ${random.between(1, 999)}`;
  const changes = [
    { from: `${random.pick(open)}-01`, plan: random.pick(PLANS), name: undefined },
    { from: `${random.pick(open)}-01`, plan: random.pick(PLANS), name },
  ];
  // Two changes of one day would leave open which one is the later.
  if (changes[0]!.from === changes[1]!.from) changes[0]!.plan = changes[1]!.plan;
  const set = async ({ from, plan, name: newName }: (typeof changes)[number]): Promise<void> => {
    const words = ['projects', 'set', project, '--plan', plan, '--from', from];
    if (newName !== undefined) words.push('--name', newName);
    for (let attempt = 0; attempt < 12; attempt += 1) {
      if (attempt > 0) await delay(random.between(100, 600));
      const end =
        attempt === 0 && random.chance(0.3)
          ? await chaos.killedVerb(random.between(200, 1_200), ...words)
          : await chaos.verb(...words);
      if (end.code === 0) return;
      if (/tallyman rebuild/.test(errorLine(end.stderr))) await chaos.follow(errorLine(end.stderr));
    }
    chaos.complain(`could not be set: ${words.join(' ')}`);
  };
  await Promise.all([...changes.map(set), meanwhile()]);
  for (const { from, plan } of changes) known.plans.set(from, plan);
  known.name = name;
}
