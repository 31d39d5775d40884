import type { TransferData } from '../schemas/types';
import { isInteger, isService } from './decode/precheck';
import { usageConsumer } from './usage-consumer';

const METERS = { downstream: 'transfer.downstream', upstream: 'transfer.upstream' } as const;

export const transferConsumer = usageConsumer<TransferData>({
  name: 'transfer',
  topic: 'usage.transfer',
  eventType: 'usage.transfer.v1',
  passesPrecheck: ({ service, direction, bytes }) =>
    isService(service) && (direction === 'downstream' || direction === 'upstream') && isInteger(bytes),
  usagesOf: ({ direction, bytes }) => [{ meter: METERS[direction], used: Number(bytes) }],
});
