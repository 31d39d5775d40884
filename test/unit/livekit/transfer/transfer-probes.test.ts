import { createTransferProbes } from '../../../../src/livekit/transfer/transfer-probes';

const [FIRST, SECOND] = ['http://10.0.0.4:6789/metrics', 'http://10.0.0.5:6789/metrics'];

test('it is ready while every node was counted at its last reading', () => {
  const probes = createTransferProbes([FIRST, SECOND], () => 0);
  const notCounted = (subject: string, detail: string): object => ({
    ...{ code: 'NODE_NOT_COUNTED', subject, detail },
  });
  probes.noteReading(FIRST, undefined);
  expect(probes.readiness()).toEqual({ ready: false, problems: [notCounted(SECOND, 'it was not read yet')] });
  probes.noteReading(SECOND, undefined);
  expect(probes.readiness()).toEqual({ ready: true, problems: [] });
  probes.noteReading(FIRST, 'the node answered 503');
  expect(probes.readiness()).toEqual({
    ready: false,
    problems: [notCounted(FIRST, 'the node answered 503')],
  });
});

test('the metrics tell when each node was last counted, and how many readings failed', async () => {
  let nowMs = 1_000;
  const probes = createTransferProbes([FIRST, SECOND], () => nowMs);
  nowMs = 61_000;
  probes.noteReading(FIRST, undefined);
  probes.noteReading(SECOND, 'fetch failed');
  const metrics = await probes.registry.metrics();
  const name = 'tallyman_livekit_transfer';
  expect(metrics).toContain(`${name}_counted_timestamp_seconds{address="${FIRST}"} 61`);
  expect(metrics).toContain(`${name}_counted_timestamp_seconds{address="${SECOND}"} 1`);
  expect(metrics).toContain(`${name}_readings_total{outcome="counted"} 1`);
  expect(metrics).toContain(`${name}_readings_total{outcome="failed"} 1`);
});
