import type { RatedEvent } from '../../../src/rating/usage';
import type { Chunk } from '../../../src/redis/apply/chunk';

/** One minute of WebRTC in July 2026, unless told otherwise. */
export function event(offset: number, changes: Partial<RatedEvent> = {}): RatedEvent {
  return {
    offset,
    project: 'acme',
    source: '/sfu/1',
    id: `id-${offset}`,
    month: '2026-07',
    day: '2026-07-15',
    usages: [{ meter: 'session.webrtc', quantity: '60' }],
    ...changes,
  };
}

/** A chunk of events one behind the other. */
export function chunk(topic: string, from: number, events: readonly RatedEvent[], next?: number): Chunk {
  return { topic, from, next: next ?? (events.at(-1)?.offset ?? from - 1) + 1, events };
}
