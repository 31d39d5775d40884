import { readLedger, type LedgerName } from '../../../src/kafka/ledger/ledger';
import type { KafkaClient } from '../../../src/kafka/client';
import { createPublisher, type Publisher } from '../../../src/kafka/producer';
import { createTopic, openTestKafka } from '../../kit/kafka/kafka-harness';
import { alertValue, invoiceValue, projectValue } from '../../kit/kafka/ledger-values';
import { uniquePrefix } from '../../kit/services';

let client: KafkaClient;
let publisher: Publisher;
beforeAll(async () => {
  client = openTestKafka();
  publisher = await createPublisher(client);
});
afterAll(async () => {
  await publisher.close();
  await client.close();
});

const close = JSON.stringify({
  month: '2026-07',
  closedAt: '2026-08-01T01:00:00.000Z',
  cursors: { '0': { t: 5 } },
});
const part = JSON.stringify({
  ...{ month: '2026-07', shard: 0, project: 'acme', part: 0 },
  ...{ totals: [['agent.session', '60']], daily: [] },
});
const letter = JSON.stringify({
  ...{ reason: 'malformed_json', detail: 'not JSON', topic: 'usage.session', partition: 0, offset: '1' },
  ...{ timestamp: 1_790_000_000_000, key: 'acme', value: 'ew==', headers: {} },
});
const LEDGERS: readonly (readonly [LedgerName, key: string, good: string, wrong: string])[] = [
  ['billing.projects', 'acme', projectValue('acme', 'ship'), projectValue('bolt', 'ship')],
  ['billing.closes', '2026-07', close, '{"month":"2026-07"}'],
  ['billing.invoices', 'acme-2026-07', invoiceValue('acme-2026-07', 'ship'), '{"id":"acme-2026-07"}'],
  ['billing.alerts', 'a', alertValue('a', 'ship'), '{"id":"a"}'],
  ['billing.totals', '2026-07/0/acme/0', part, '{"month":"2026-07"}'],
  ['billing.settings', 'settings', '{"TALLYMAN_ROUNDING":"per-minute"}', '{"TALLYMAN_ROUNDING":1}'],
  ['billing.settings', 'begin/0', '{"usage.session":5}', '{"usage.session":"5"}'],
  ['usage.dead-letters', 'usage.session/0/1', letter, '{"reason":"malformed_json"}'],
];

describe.each(LEDGERS)('%s, key %s', (ledger, key, good, wrong) => {
  test.each([
    ['is not JSON', '<html>'],
    ['is not an object', '7'],
    ['is of another kind', wrong],
  ])(
    'a foreign record that %s is named by its place, until its key is written again',
    async (_kind, foreign) => {
      const prefix = uniquePrefix();
      const topic = `${prefix}.${ledger}`;
      await createTopic(client, { topic, numPartitions: 1 });
      await publisher.publish(topic, [
        { key, value: good },
        { key, value: foreign },
      ]);
      const keys: string[] = [];
      const read = (): Promise<void> =>
        readLedger(client, prefix, ledger, (record) => void keys.push(record.key));
      await expect(read()).rejects.toMatchObject({
        code: 'LEDGER_DAMAGED',
        fields: { topic, partition: 0, offset: 1 },
        message: expect.stringMatching(/^[^\n]*$/) as string,
      });

      await publisher.publish(topic, [{ key, value: null }]);
      keys.length = 0;
      await read();
      expect(keys).toEqual([key, key]);
    },
  );
});
