import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import builtIn from '../../../src/billing/catalog/livekit-cloud.json';
import { createRandom, type Random } from '../../../src/oracle/random';
import { installation, type Answer, type Installation } from '../../kit/tallyman';
import { onRedis } from '../support/proxy/redis-faults';
import { startTallyman, type ProcessEnd, type TallymanProcess } from '../support/tallyman-process';
import { Consumers } from './consumers';
import { FAULTS, type FaultName } from './faults';
import { judgeSeed } from './judge';
import { AofWatch } from './redis-files';
import { codeOf, errorLine, remediesIn, stackIn } from './remedies';
import { Producing } from './traffic';
import { Acknowledged, UNPRICED_MODEL, UsageSource } from './usage';
import type { ChaosWorld } from './world';

const TOPICS = ['session', 'transfer', 'agent', 'inference'] as const;
const PREFIX = 'chaos';
const MOVE_CLOCK = join(__dirname, 'move-clock.js');
const HOUR_MS = 3_600_000;
const VERB_TIMEOUT_MS = 240_000;
const MEMBERS_GONE_MS = 60_000;
const FINALE_ROUNDS = 12;
const CAUGHT_UP_TIMEOUT_MS = 20_000;

/** The running month comes last: usage of it is counted, and never closed here. */
export const MONTHS = [4, 3, 2, 1, 0].map((back) => monthsBack(back));
/** What is closed amid the faults. The last month that is over is closed when they have ended. */
export const CLOSED_AMID = MONTHS.slice(0, 3);
export const TO_CLOSE = MONTHS.slice(0, 4);

const [SHIP, SCALE, BUILD] = ['ship', 'scale', 'build'] as const;
export const CREDIT = { project: 'umbrella', month: MONTHS[1]!, cents: 1_200n };
const EXPERIMENTER = 'hooli';
const DEFAULT_PLAN_PROJECT = 'constructor';
/** Their plans change while Redis dies. */
export const CHANGING = ['soylent', 'stark'];

export interface ChaosOptions {
  readonly seed: number;
  /** Faults continue until this many processes were killed. */
  readonly kills: number;
  readonly faults: readonly FaultName[];
}

/** What the oracle knows of a project: the plan from the first of each month on, and its name. */
export interface KnownProject {
  readonly plans: Map<string, string>;
  name?: string;
}

/**
 * One seed: usage pours in, faults are chosen by its random numbers, and in the end all must be
 * exact.
 */
export class Chaos {
  kills = 0;
  partitions = 2;
  /** How many of CLOSED_AMID have been asked to close. */
  closesBegun = 0;
  /** Clean restarts that a torn tail is still to be followed by. */
  restartsOwed = 0;
  readonly random: Random;
  readonly acknowledged = new Acknowledged();
  readonly projects = new Map<string, KnownProject>();
  readonly source: UsageSource;
  readonly consumers: Consumers;
  readonly aof: AofWatch;
  private readonly tallyman: Installation;
  private readonly running = new Set<TallymanProcess>();
  private readonly complaints: string[] = [];
  private isOver = false;
  private producing: Producing | undefined;
  private clock: { readonly offsetMs: number; readonly afterMs: number } | undefined;

  constructor(
    readonly world: ChaosWorld,
    private readonly options: ChaosOptions,
  ) {
    this.random = createRandom(options.seed);
    this.aof = new AofWatch(world.redis);
    this.tallyman = installation({
      KAFKA_BROKERS: world.kafka.address,
      REDIS_URL: `redis://${world.redis.address}`,
      TALLYMAN_PREFIX: PREFIX,
      TALLYMAN_CATALOG: this.catalogFile,
      LOG_LEVEL: 'info',
    });
    this.consumers = new Consumers(
      this.random,
      () => this.installation(),
      (end) => this.inspect(['consume'], end),
    );
    const names = ['acme', 'globex', 'initech', DEFAULT_PLAN_PROJECT, EXPERIMENTER, CREDIT.project];
    // Of its own: faults do not change what is published, nor its timing what happens.
    this.source = new UsageSource(createRandom(options.seed ^ 0x5eed), {
      projects: [...names, ...CHANGING],
      months: MONTHS,
      experimenter: EXPERIMENTER,
    });
  }

  private get catalogFile(): string {
    return join(this.world.folder, 'catalog.json');
  }

  /** The whole of it. @returns every difference, and every remedy that did not work */
  async run(): Promise<string[]> {
    await this.begin();
    this.producing = new Producing(this.world.kafka.address, PREFIX, this.source, this.acknowledged);
    this.consumers.start(2);
    await this.caughtUp();
    for (let step = 0; this.kills < this.options.kills; step += 1) {
      await this.step();
      if (step % 3 === 2) await this.caughtUp();
    }
    await this.end();
    this.complaints.push(...(await judgeSeed(this, this.tallyman)));
    return this.complaints;
  }

  private async begin(): Promise<void> {
    writeFileSync(this.catalogFile, JSON.stringify(builtIn));
    await this.tallyman.ok('init', '--partitions', String(this.partitions));
    const plans: Record<string, string> = { acme: SHIP, globex: SCALE, initech: BUILD };
    for (const project of [EXPERIMENTER, CREDIT.project, ...CHANGING]) plans[project] = SHIP;
    const from = `${MONTHS[0]}-01`;
    const documents = Object.entries(plans).map(([project, plan]) => {
      this.projects.set(project, { plans: new Map([[from, plan]]) });
      const credits = [{ month: CREDIT.month, description: 'Goodwill', amount: '12.00' }];
      return { project, plans: [{ plan, from }], ...(project === CREDIT.project && { credits }) };
    });
    this.projects.set(DEFAULT_PLAN_PROJECT, { plans: new Map() });
    const file = join(this.world.folder, 'projects.ndjson');
    writeFileSync(file, documents.map((document) => JSON.stringify(document)).join('\n'));
    await this.tallyman.ok('projects', 'import', file);
  }

  private async step(): Promise<void> {
    const name = this.random.pick(this.weighted);
    this.tell(`fault ${name} (${this.kills} kills so far)`);
    await FAULTS[name](this);
    if (this.restartsOwed > 0 && this.random.chance(0.5)) await this.restartRedisCleanly();
    await delay(this.random.between(100, 1_200));
    await this.followConsumers();
    this.source.hasFrozen(await this.frozen());
  }

  /** Of Redis's view, which gets a month when its freeze stands in the ledger. */
  private async frozen(): Promise<number> {
    return onRedis(this.world.redis, (redis) => redis.hlen(`${PREFIX}:billing:closes`)).catch(() => 0);
  }

  /** Often what is quick and kills much, seldom what takes long. */
  private get weighted(): FaultName[] {
    return this.options.faults.flatMap((name) => {
      const weight = /closes/.test(name) ? 4 : /emptied|stands still|clock/.test(name) ? 1 : 2;
      return Array.from({ length: weight }, () => name);
    });
  }

  tell(line: string): void {
    this.world.tell(line);
  }

  complain(line: string): void {
    this.tell(`COMPLAINT ${line}`);
    this.complaints.push(line);
  }

  killed(count: number): void {
    this.kills += count;
  }

  /** Consumers that are started from now on have a clock that is wrong. */
  moveClock(offsetMs: number, afterMs = 0): void {
    this.clock = offsetMs === 0 ? undefined : { offsetMs, afterMs };
  }

  private installation(clock = this.clock): Installation {
    if (!clock) return this.tallyman;
    return installation({
      ...this.tallyman.env,
      NODE_OPTIONS: `--require ${MOVE_CLOCK}`,
      MOVE_CLOCK_MS: String(clock.offsetMs),
      MOVE_CLOCK_AFTER_MS: String(clock.afterMs),
    });
  }

  /** Looks at how any process ended: whatever happened, there is one line that tells. */
  private inspect(words: readonly string[], { code, signal, stderr }: ProcessEnd | Answer): void {
    const line = errorLine(stderr);
    this.tell(`  ended: ${words.join(' ')}: ${signal ?? code} ${line}`);
    // Those are sent from here; one that has only begun ends by SIGTERM itself.
    if (code === 0 || signal === 'SIGKILL' || signal === 'SIGTERM') return;
    const stack = stackIn(stderr);
    if (stack !== undefined) this.complain(`${words.join(' ')} showed a stack: ${stack}`);
    else if (line === '' && !['doctor', 'close', 'verify'].includes(words[0]!))
      this.complain(
        `${words.join(' ')} ended with ${signal ?? code} and said nothing: ${stderr.slice(-400)}`,
      );
  }

  start(
    words: readonly string[],
    clock?: { readonly offsetMs: number; readonly afterMs: number },
  ): TallymanProcess {
    if (this.isOver) throw new Error('the seed is over');
    const child = startTallyman(this.installation(clock ?? undefined), words);
    this.tell(
      `  ${child.pid}: ${words.join(' ')}${clock ? ` with its clock off by ${clock.offsetMs / HOUR_MS} h` : ''}`,
    );
    this.running.add(child);
    void child.ended().then((end) => {
      this.running.delete(child);
      this.inspect(words, end);
    });
    return child;
  }

  /** Runs a verb to its end. */
  async verb(...words: string[]): Promise<ProcessEnd> {
    const child = this.start(words);
    const end = await Promise.race([child.ended(), delay(VERB_TIMEOUT_MS, undefined, { ref: false })]);
    if (end) return end;
    await child.kill();
    this.complain(`${words.join(' ')} had not ended after ${VERB_TIMEOUT_MS / 1_000} s`);
    return await child.ended();
  }

  /** Starts a verb and kills it, unless it ends before. @returns its end */
  async killedVerb(afterMs: number, ...words: string[]): Promise<ProcessEnd> {
    const child = this.start(words);
    await Promise.race([child.ended(), delay(afterMs)]);
    if (!child.end) {
      await child.kill();
      this.killed(1);
    }
    return child.ended();
  }

  /** Nothing is published before `work` is done. */
  async held<T>(work: () => Promise<T> | T): Promise<T> {
    await this.producing?.hold();
    try {
      return await work();
    } finally {
      this.producing?.release();
    }
  }

  async reconnectProducer(): Promise<void> {
    await this.producing?.reconnect();
  }

  async withAdmin<T>(work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
    const kafka = new Kafka({
      ...{ brokers: [this.world.kafka.address], clientId: 'chaos-admin', logLevel: logLevel.NOTHING },
    });
    const admin = kafka.admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }

  usageTopics(): string[] {
    return TOPICS.map((topic) => `${PREFIX}.usage.${topic}`);
  }

  private async logEnd(): Promise<number> {
    return this.withAdmin(async (admin) => {
      const offsets = await Promise.all(this.usageTopics().map((topic) => admin.fetchTopicOffsets(topic)));
      return offsets.flat().reduce((sum, { high }) => sum + Number(high), 0);
    });
  }

  private async applied(): Promise<number> {
    return onRedis(this.world.redis, async (redis) => {
      let sum = 0;
      for (let shard = 0; shard < this.partitions; shard += 1) {
        for (const cursor of await redis.hvals(`${PREFIX}:usage:{${shard}}:cursor`)) sum += Number(cursor);
      }
      return sum;
    });
  }

  /**
   * Waits a while for all that is published now to be applied; consumers may be busy to come back.
   */
  async caughtUp(timeoutMs = CAUGHT_UP_TIMEOUT_MS): Promise<boolean> {
    const deadline = Date.now() + timeoutMs;
    const end = await this.logEnd();
    while (Date.now() < deadline) {
      if ((await this.applied().catch(() => 0)) >= end) return true;
      if (this.isOver) throw new Error('the seed is over');
      await delay(100);
      await this.followConsumers();
    }
    this.tell(`  not caught up: ${await this.applied().catch(() => -1)} of ${end}`);
    return false;
  }

  async restartRedisCleanly(): Promise<void> {
    this.tell('  Redis is restarted in an orderly way');
    this.restartsOwed = Math.max(0, this.restartsOwed - 1);
    await this.world.redis.restart();
  }

  /** Does what consumers that ended told to do. */
  async followConsumers(): Promise<void> {
    const ends = this.consumers.ends.splice(0);
    const telling = ends.find(({ stderr }) => remediesIn(errorLine(stderr)).length > 0);
    if (telling) await this.follow(errorLine(telling.stderr));
  }

  /**
   * Types what a message says, and what the messages of that say.
   *
   * @param killsRebuild how often a rebuild is killed half-way before it may end
   */
  async follow(message: string, killsRebuild = 0, depth = 0): Promise<boolean> {
    const remedies = remediesIn(message);
    if (remedies.length === 0 || depth > 4) {
      this.complain(`no remedy, or none that works: ${message}`);
      return false;
    }
    for (const words of remedies) {
      this.tell(`  remedy: tallyman ${words.join(' ')} <- ${message.slice(0, 300)}`);
      const isRebuild = words[0] === 'rebuild';
      // Its own help says so.
      if (isRebuild) await this.consumers.stop();
      if (isRebuild) {
        for (let kill = 0; kill < killsRebuild; kill += 1) {
          await this.killedVerb(this.random.between(500, 4_000), ...words);
        }
      }
      const more = words[0] === 'close' ? ['--stall', '30s'] : [];
      const end = await this.verbWithoutMembers(...words, ...more);
      if (isRebuild) {
        this.consumers.ends.length = 0;
        this.consumers.start(2);
      }
      if (end.code === 0) return true;
      const said = errorLine(end.stderr);
      if (remediesIn(said).some((next) => next.join(' ') !== words.join(' ')))
        return this.follow(said, killsRebuild, depth + 1);
    }
    this.complain(`the remedy did not work: ${message}`);
    return false;
  }

  /**
   * Kafka lists a killed consumer as a member for some seconds, and Redis is not emptied meanwhile.
   */
  private async verbWithoutMembers(...words: string[]): Promise<ProcessEnd> {
    const deadline = Date.now() + MEMBERS_GONE_MS;
    for (;;) {
      const end = await this.verb(...words);
      if (codeOf(end.stderr) !== 'CONSUMERS_RUNNING' || Date.now() > deadline) return end;
      await delay(1_000);
    }
  }

  /** All faults end; what was told is typed until all is well. */
  private async end(): Promise<void> {
    this.tell('all faults end');
    this.moveClock(0);
    await this.producing?.stop();
    while (this.restartsOwed > 0) await this.restartRedisCleanly();
    writeFileSync(this.catalogFile, JSON.stringify(pricedCatalog()));
    await this.consumers.stop();
    this.consumers.ends.length = 0;
    this.consumers.start(2);
    await this.caughtUp();
    // The last closes are killed too, and run by two at once.
    for (let kill = 0; kill < 2; kill += 1) await this.killedVerb(this.random.between(500, 5_000), 'close');
    await Promise.all([this.verb('close'), this.verb('close')]);

    let isWell = false;
    for (let round = 0; round < FINALE_ROUNDS && !isWell; round += 1) {
      isWell = await this.round();
    }
    if (!isWell) this.complain(`not all is well after ${FINALE_ROUNDS} rounds of doing what was told`);
    await this.caughtUp();
    await this.consumers.stop();
    const finish = await this.verb('consume', '--until-caught-up');
    if (finish.code !== 0) this.complain(`consume --until-caught-up: ${errorLine(finish.stderr)}`);
    const doctor = await this.verb('doctor', '--json');
    if (doctor.code !== 0) this.complain(`doctor in the end: ${doctor.stdout}`);
    const verify = await this.verb('verify', '--json');
    if (verify.code !== 0)
      this.complain(`verify: ${verify.stdout.slice(0, 2_000)} ${errorLine(verify.stderr)}`);
  }

  /** Doctor and close once. @returns whether both are content */
  private async round(): Promise<boolean> {
    await this.followConsumers();
    await this.caughtUp();
    const doctor = await this.verb('doctor', '--json');
    const findings = findingsOf(doctor);
    if (doctor.code !== 0) {
      const errors = findings.filter(({ level }) => level === 'error');
      this.tell(`  doctor: ${JSON.stringify(errors)}`);
      const [first] = errors;
      if (first) await this.follow(`${first.subject}: ${first.problem} -> ${first.remedy}`);
      else if (!/UNAVAILABLE/.test(codeOf(doctor.stderr))) await this.follow(errorLine(doctor.stderr));
      return false;
    }
    const close = await this.verb('close', '--stall', '30s');
    if (close.code === 0) return true;
    const said = errorLine(close.stderr);
    if (/run (it|the close|`tallyman close`) again/i.test(said) || said === '') return false;
    await this.follow(said);
    return false;
  }

  /** Ends whatever still runs. */
  async abandon(): Promise<void> {
    this.isOver = true;
    this.aof.stop();
    await this.consumers.abandon();
    await Promise.all([...this.running].map((child) => child.kill()));
    this.world.kafka.resume();
    this.world.redis.resume();
    void this.producing?.stop();
  }
}

interface Finding {
  readonly level: string;
  readonly subject: string;
  readonly problem: string;
  readonly remedy: string;
}

function findingsOf({ stdout }: ProcessEnd): Finding[] {
  try {
    return (JSON.parse(stdout) as { findings: Finding[] }).findings;
  } catch {
    return [];
  }
}

export function pricedCatalog(): typeof builtIn {
  const { llm } = builtIn.inference;
  const model = {
    model: UNPRICED_MODEL,
    from: '2024-01-01',
    input: '3.00',
    cachedInput: '0.75',
    output: '9.00',
  };
  return { ...builtIn, inference: { ...builtIn.inference, llm: { ...llm, models: [...llm.models, model] } } };
}

function monthsBack(months: number): string {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString().slice(0, 7);
}
