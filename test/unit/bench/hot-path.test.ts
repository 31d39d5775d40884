import decodeWithKafkajs from 'kafkajs/src/protocol/recordBatch/v0/decoder';
import Decoder from 'kafkajs/src/protocol/decoder';
import { sessionConsumer } from '../../../consumers/session';
import { rateMessage } from '../../../consumers/decode/rate-message';
import { structured } from '../../../src/oracle/write-record';
import { draftEvent } from '../../../src/oracle/usage-draft';
import { createRandom } from '../../../src/oracle/random';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import { roundingTable } from '../../../src/rating/rounding';
import { decodeRecordBatch } from '../../../src/kafka/wire/record-batch';
import { createFingerprinter } from '../../../src/redis/apply/fingerprint';
import { FingerprintSet } from '../../../src/dedup/fingerprint-set';
import { FIRST_WINDOW } from '../../../src/redis/apply/dedup-index';
import { packChunk } from '../../../src/redis/apply/pack-chunk';
import { batchBytes } from '../../kit/kafka/batch-bytes';

/**
 * What an event costs the consumer, beside what the bare client costs: kafkajs's own decoding and
 * `JSON.parse`. Both run here in turn, on the same bytes, so a slow machine slows both. Measured:
 * 1.2. A lapse on the path of an event (a time zone, a compiled schema for every event, a copy of
 * every header) makes it several times that.
 */
const RATIO_MAX = 1.8;

const BATCHES = 20;
const RECORDS = 1_000;
const ROUNDS = 5;
const TIME_MS = Date.UTC(2026, 9, 14);
const rating = {
  rounding: roundingTable('per-minute'),
  calendar: createBillingCalendar('UTC'),
  limits: { futureMs: 3_600_000, pastMs: 400 * 86_400_000, durationMs: 31 * 86_400_000 },
};

test('the path of an event costs little more than the bare client', async () => {
  const fingerprinter = await createFingerprinter();
  const random = createRandom(1);
  const batches = Array.from({ length: BATCHES }, (_, batch) => {
    const first = batch * RECORDS;
    return batchBytes({
      offsets: Array.from({ length: RECORDS }, (_unused, i) => first + i),
      valueFor: (offset) =>
        Buffer.from(
          JSON.stringify(
            structured(draftEvent(random, 'usage.session', String(offset), `p_${offset % 997}`, TIME_MS)),
          ),
        ),
      firstTimestamp: TIME_MS,
    });
  });

  async function ours(batch: Buffer): Promise<number> {
    const { records } = await decodeRecordBatch(batch);
    const events = [];
    for (const record of records) {
      const rated = rateMessage(sessionConsumer, record, rating);
      if (rated.ok) events.push(rated.event);
    }
    const from = records[0]!.offset;
    const packed = packChunk(
      fingerprinter,
      { topic: 'usage.session', from, next: from + RECORDS, events },
      { own: { period: FIRST_WINDOW, ids: new FingerprintSet() }, previous: undefined },
    );
    if (typeof packed === 'string') throw new Error(packed);
    return events.length;
  }

  async function bare(batch: Buffer): Promise<number> {
    const { records } = await decodeWithKafkajs(new Decoder(batch));
    for (const { value } of records) JSON.parse(String(value));
    return records.length;
  }

  async function costMs(run: (batch: Buffer) => Promise<number>): Promise<number> {
    const start = process.cpuUsage();
    for (const batch of batches) expect(await run(batch)).toBe(RECORDS);
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  }

  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) ratios.push((await costMs(ours)) / (await costMs(bare)));
  // The first rounds are compiled while they run.
  expect(Math.min(...ratios)).toBeLessThan(RATIO_MAX);
}, 60_000); // It keeps a core busy for seconds.
