import { Partitioners, type Producer, type Transaction } from 'kafkajs';
import { createOracle } from '../../../src/oracle/usage-oracle';
import { createWorkload, type WorkloadRecord } from '../../../src/oracle/workload';
import type { KafkaClient } from '../../../src/kafka/client';
import { compare } from '../support/judge';
import { MONTH, PROJECTS } from '../support/load';
import type { FaultInstallation, FaultRun } from '../support/fault-suite';
import { readContent } from '../support/redis-content';

export async function transactionalProducer(
  { kafkajs }: KafkaClient,
  transactionalId: string,
  transactionTimeout = 60_000,
): Promise<Producer> {
  const producer = kafkajs.producer({
    ...{ transactionalId, transactionTimeout },
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  return producer;
}

interface Sent {
  readonly record: WorkloadRecord;
  readonly transaction: OpenTransaction;
}

interface OpenTransaction {
  readonly transaction: Transaction;
  left: number;
  committed: boolean;
}

/**
 * Publishes a workload in interleaved transactions of several producers, about half of which are
 * aborted. All that is sent is sent one after the other, so the log's order is known, and so is
 * what must be counted: nobody reads the log for it.
 *
 * @returns project, month and meter -> quantity
 */
export async function publishInTransactions(
  run: FaultRun,
  { prefix }: FaultInstallation,
  client: KafkaClient,
  events: number,
): Promise<Map<string, bigint>> {
  const { random } = run;
  const producers: Producer[] = [];
  for (const name of ['a', 'b', 'c'])
    producers.push(await transactionalProducer(client, `${prefix}.${name}`));
  const open = new Map<Producer, OpenTransaction>();
  const sent: Sent[] = [];
  const end = async (producer: Producer, commit: boolean): Promise<void> => {
    const one = open.get(producer);
    if (!one) return;
    open.delete(producer);
    await (commit ? one.transaction.commit() : one.transaction.abort());
    one.committed = commit;
  };

  const workload = createWorkload({
    seed: run.seed,
    month: MONTH,
    events,
    projects: PROJECTS,
    malformed: 0.01,
  });
  for (const record of workload) {
    const producer = random.pick(producers);
    let one = open.get(producer);
    if (!one) {
      one = { transaction: await producer.transaction(), left: random.between(1, 40), committed: false };
      open.set(producer, one);
    }
    const { topic, key, value, headers, timestampMs } = record;
    await one.transaction.send({
      topic: `${prefix}.${topic}`,
      acks: -1,
      messages: [{ key, value, timestamp: String(timestampMs), ...(headers && { headers }) }],
    });
    sent.push({ record, transaction: one });
    one.left -= 1;
    if (one.left === 0) await end(producer, random.chance(0.5));
  }
  // The log ends with aborted records, and with markers.
  for (const producer of producers) await end(producer, false);
  await Promise.all(producers.map((producer) => producer.disconnect()));

  const oracle = createOracle();
  for (const { record, transaction } of sent) if (transaction.committed) oracle.add(record);
  const totals = new Map<string, bigint>();
  for (const [project, months] of oracle.totals) {
    for (const [month, meters] of months) {
      for (const [meter, quantity] of meters) totals.set(`${project} ${month} ${meter}`, quantity);
    }
  }
  return totals;
}

/** Takes into the result where the totals are not those that were published and committed. */
export async function expectTotals(
  run: FaultRun,
  { prefix }: FaultInstallation,
  expected: ReadonlyMap<string, bigint>,
): Promise<void> {
  const { totals } = await readContent(run.world.direct.REDIS_URL, prefix);
  run.note(compare('total', totals, expected));
}
