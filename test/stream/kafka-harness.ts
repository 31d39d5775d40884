import { openKafka, type KafkaClient } from '../../src/stream/kafka';
import type { ApplyTarget } from '../../src/stream/apply-range';
import type { ApplyAnswer, Chunk } from '../../src/totals/apply';
import { testBrokers } from '../support/services';
import { createLog } from '../../src/log';

export const quietLog = createLog(process.env['TEST_LOG_LEVEL'] ?? 'silent');

export const openTestKafka = (clientId = 'test'): KafkaClient =>
  openKafka({ brokers: testBrokers(), clientId }, quietLog);

/** The totals' protocol in memory: a cursor a partition, and every event that was applied, in order. */
export class MemoryTotals implements ApplyTarget {
  readonly cursors = new Map<number, number>();
  readonly applied = new Map<number, number[]>();
  readonly chunks: Chunk[] = [];
  restores = 0;

  constructor(partitions: number, from = 0) {
    for (let partition = 0; partition < partitions; partition += 1) this.cursors.set(partition, from);
  }

  apply(shard: number, chunk: Chunk): Promise<ApplyAnswer> {
    return Promise.resolve(this.applyNow(shard, chunk));
  }

  readCursor(shard: number): Promise<number | undefined> {
    return Promise.resolve(this.cursors.get(shard));
  }

  restore(): Promise<void> {
    this.restores += 1;
    return Promise.resolve();
  }

  offsets(shard: number): number[] {
    return this.applied.get(shard) ?? [];
  }

  private applyNow(shard: number, chunk: Chunk): ApplyAnswer {
    const cursor = this.cursors.get(shard);
    if (cursor === undefined) return { answer: 'UNINITIALISED' };
    if (chunk.next <= cursor) return { answer: 'ALREADY_APPLIED', cursor };
    if (chunk.from < cursor) return { answer: 'OVERLAP', cursor };
    if (chunk.from > cursor) return { answer: 'GAP', cursor };
    this.chunks.push(chunk);
    this.cursors.set(shard, chunk.next);
    const offsets = this.offsets(shard);
    offsets.push(...chunk.events.map(({ offset }) => offset));
    this.applied.set(shard, offsets);
    return { answer: 'APPLIED', counted: chunk.events.length, duplicates: 0, late: 0 };
  }
}
