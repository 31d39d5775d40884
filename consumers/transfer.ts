import { dataCheck } from './checked-data';
import type { UsageConsumer } from './usage-consumer';

const check = dataCheck('usage.transfer.v1');

/** Data transfer: bytes by direction. */
export const transferConsumer: UsageConsumer = {
  name: 'transfer',
  topic: 'usage.transfer',
  eventType: 'usage.transfer.v1',
  usagesOf(data) {
    const rejection = check(data);
    if (rejection) return rejection;
    const { direction, bytes } = data as { direction: 'downstream' | 'upstream'; bytes: number | string };
    const meter = direction === 'downstream' ? 'transfer.downstream' : 'transfer.upstream';
    return { ok: true, usages: [{ meter, used: Number(bytes) }] };
  },
};
