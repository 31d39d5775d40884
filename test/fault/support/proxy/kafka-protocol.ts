import { splitterBy, type Exchange, type Protocol } from './protocol';

/** By their number in the protocol. */
const API_NAMES = new Map([
  [0, 'Produce'],
  [1, 'Fetch'],
  [2, 'ListOffsets'],
  [3, 'Metadata'],
  [8, 'OffsetCommit'],
  [9, 'OffsetFetch'],
  [10, 'FindCoordinator'],
  [11, 'JoinGroup'],
  [12, 'Heartbeat'],
  [13, 'LeaveGroup'],
  [14, 'SyncGroup'],
  [18, 'ApiVersions'],
  [19, 'CreateTopics'],
]);

/** Kafka's frames: four bytes of length, then two that say which request it is. */
export const kafkaProtocol: Protocol = {
  splitter: () => splitterBy((buffer) => (buffer.length < 4 ? undefined : 4 + buffer.readInt32BE(0))),
  read(request): Exchange {
    const key = request.readInt16BE(4);
    return { name: API_NAMES.get(key) ?? `API ${key}`, request };
  },
};

/** Whether a request is of this name and, if a topic is given, speaks of it. */
export const isRequest =
  (name: string, topic?: string) =>
  (exchange: Exchange): boolean =>
    exchange.name === name && (topic === undefined || exchange.request.includes(topic));
