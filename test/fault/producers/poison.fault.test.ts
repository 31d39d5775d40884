import { readFileSync } from 'node:fs';
import { CompressionCodecs, CompressionTypes, Partitioners, type Producer } from 'kafkajs';
import { logEnds } from '../../../src/kafka/topics/topics';
import { eventually } from '../../kit/eventually';
import { faultSuite, scaled, type FaultInstallation, type FaultRun } from '../support/fault-suite';
import { withKafka } from '../support/kafka-client';
import { readContent } from '../support/redis-content';
import type { TallymanProcess } from '../support/tallyman-process';

/** What costs a consumer memory or time, sent on purpose. */
const fault = faultSuite('producers: bombs');

const MIB = 1_048_576;
const PARTITIONS = 6;
const BATCHES = 2;
const SESSION = 'usage.session';
/** It takes a while to pack that much. */
const TIMEOUT_MS = 300_000;

/**
 * Zstd that knows runs of one byte alone (RFC 8878, 3.1.1.2): all that a bomb needs. We read zstd
 * and never write it.
 */
function zstdRuns(buffer: Buffer): Buffer {
  const [BLOCK_BYTES, RAW, RUN] = [131_072, 0, 1];
  // Magic number, no checksum, a window of one block.
  const parts: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38])];
  for (let at = 0; at < buffer.length; at += BLOCK_BYTES) {
    const block = buffer.subarray(at, at + BLOCK_BYTES);
    const isRun = block.equals(Buffer.alloc(block.length, block[0]));
    const isLast = at + BLOCK_BYTES >= buffer.length;
    const header = Buffer.alloc(3);
    header.writeUIntLE((block.length << 3) | ((isRun ? RUN : RAW) << 1) | Number(isLast), 0, 3);
    parts.push(header, isRun ? block.subarray(0, 1) : block);
  }
  return Buffer.concat(parts);
}

async function withProducer(run: FaultRun, use: (producer: Producer) => Promise<void>): Promise<void> {
  await withKafka(run.world, async ({ kafkajs }) => {
    (CompressionCodecs as unknown as Record<CompressionTypes, () => object>)[CompressionTypes.ZSTD] = () => ({
      compress: ({ buffer }: { buffer: Buffer }) => Promise.resolve(zstdRuns(buffer)),
    });
    const producer = kafkajs.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    await use(producer);
    await producer.disconnect();
  });
}

/** The most memory that a process has had so far. */
function peakMib({ pid }: TallymanProcess): number {
  const [, kib] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return Number(kib) / 1_024;
}

/** Waits until a topic is applied to its end; returns the consumer's peak memory. */
async function appliedBy(
  run: FaultRun,
  consumer: TallymanProcess,
  tallyman: FaultInstallation,
): Promise<number> {
  const topic = `${tallyman.prefix}.${SESSION}`;
  const ends = (await withKafka(run.world, (client) => logEnds(client, [topic]))).get(topic)!;
  let peak = 0;
  await eventually(
    async () => {
      if (consumer.end) throw new Error(`the consumer ended: ${consumer.end.stderr}`);
      peak = peakMib(consumer);
      const { cursors } = await readContent(run.world.direct.REDIS_URL, tallyman.prefix);
      return ends.every((end, partition) => cursors.get(`${topic}/${partition}`) === end);
    },
    { timeoutMs: 120_000, what: 'all is applied' },
  );
  return peak;
}

for (const [name, compression] of [
  ['gzip', CompressionTypes.GZIP],
  ['lz4', CompressionTypes.LZ4],
  ['snappy', CompressionTypes.Snappy],
  ['zstd', CompressionTypes.ZSTD],
] as const) {
  fault(
    `${name}: batches just below the limit, in every partition, are taken one after the other`,
    async (run) => {
      const tallyman = await run.install(PARTITIONS);
      await withProducer(run, async (producer) => {
        // Snappy is not that good at zeros: 20 to 1.
        const bytes = compression === CompressionTypes.Snappy ? 30 * MIB : 120 * MIB;
        for (let partition = 0; partition < PARTITIONS; partition += 1) {
          for (let batch = 0; batch < BATCHES; batch += 1) {
            const messages = [{ key: null, value: Buffer.alloc(bytes), partition }];
            await producer.send({ topic: `${tallyman.prefix}.${SESSION}`, compression, messages });
          }
        }
      });
      const consumer = run.consume(tallyman);
      const peak = await appliedBy(run, consumer, tallyman);
      await consumer.stop();
      await run.judge(tallyman, BATCHES * PARTITIONS);
      process.stdout.write(`${name}: peak ${Math.round(peak)} MiB\n`);
      expect(peak).toBeLessThan(1_100);
    },
    TIMEOUT_MS,
  );
}

fault(
  'a batch above the limit, or of too many headers: stopped, with its place, and not killed',
  async (run) => {
    const hundredThousand = Array<string>(100_000).fill('');
    for (const messages of [
      [{ key: null, value: Buffer.alloc(128 * MIB), partition: 0 }],
      Array.from({ length: 11 }, () => ({
        key: null,
        value: 'x',
        partition: 0,
        headers: { a: hundredThousand },
      })),
    ]) {
      const tallyman = await run.install(1);
      const load = run.load(tallyman, { events: 500 });
      await load.done;
      await run.finish(tallyman);
      const before = await readContent(run.world.direct.REDIS_URL, tallyman.prefix);
      const topic = `${tallyman.prefix}.${SESSION}`;
      await withProducer(run, async (producer) => {
        await producer.send({ topic, compression: CompressionTypes.GZIP, messages });
      });
      const at = before.cursors.get(`${topic}/0`)!;
      const { code, signal, stderr } = await tallyman.run(['consume', 'session']);
      expect({ code, signal }).toEqual({ code: 1, signal: null });
      const last = at + messages.length - 1;
      expect(stderr).toContain('[UNDECODABLE_BATCH]');
      expect(stderr).toContain(`${topic} partition 0 offset ${at} to ${last} `);
      expect(await readContent(run.world.direct.REDIS_URL, tallyman.prefix)).toEqual(before);
    }
  },
);

fault('a log with 20 % poison costs a few times the CPU of a clean one, no more', async (run) => {
  const cpuMs = async (malformed: number): Promise<number> => {
    const tallyman = await run.install();
    const load = run.load(tallyman, { events: scaled(10_000), malformed });
    await load.done;
    const consumer = run.start(tallyman, 'consume', '--until-caught-up');
    let ticks = 0;
    while (!consumer.end) {
      ticks = cpuTicks(consumer) ?? ticks;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(consumer.end.code).toBe(0);
    await run.judge(tallyman, load.published);
    return ticks * 10;
  };
  const clean = await cpuMs(0);
  const poisoned = await cpuMs(0.2);
  process.stdout.write(`CPU of ${scaled(10_000)} events: clean ${clean} ms, 20 % poison ${poisoned} ms\n`);
  expect(poisoned).toBeLessThan(4 * clean + 2_000);
});

/** User and system time of a process, in hundredths of a second. */
function cpuTicks({ pid }: TallymanProcess): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return undefined;
  }
}
