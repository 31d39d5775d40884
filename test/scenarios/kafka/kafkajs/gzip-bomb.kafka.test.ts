import { CompressionTypes, Partitioners } from 'kafkajs';
import { MAX_BATCH_BYTES } from '../../../../src/kafka/wire/codecs';
import { eventually } from '../../../kit/eventually';
import { countTo, fatalOf, MemoryTotals, testTopic } from '../../../kit/kafka/kafka-harness';

/**
 * tulios/kafkajs#1795: what a batch comes to when decompressed has no limit, and one message can
 * end a process.
 */
it('a batch that would take all memory stops the consumer, and says where it lies', async () => {
  const usage = await testTopic(1);
  const { topic } = usage;
  try {
    await usage.fill(0, 5);
    const producer = usage.client.kafkajs.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    const value = Buffer.alloc(MAX_BATCH_BYTES);
    await producer.send({
      topic,
      compression: CompressionTypes.GZIP,
      messages: [{ key: null, value, partition: 0 }],
    });
    await producer.disconnect();

    const totals = new MemoryTotals(1);
    const runner = usage.runner(totals);
    await runner.start();
    expect(await fatalOf(runner)).toMatchObject({
      code: 'UNDECODABLE_BATCH',
      fields: { topic, partition: 0, offset: 5, reason: expect.stringContaining('134217728') as string },
    });
    await eventually(() => totals.offsets(0).length === 5 || totals.offsets(0).length === 0);
    expect(countTo(5)).toEqual(expect.arrayContaining(totals.offsets(0)));
  } finally {
    await usage.close();
  }
});
