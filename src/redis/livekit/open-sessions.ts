import type { Store } from '../store';

/**
 * The webhook about the start of a session may arrive after the one about its end, but not a day
 * after.
 */
const ENDED_SECONDS = 86_400;

/** Where an open session, egress or ingress is noted. */
export interface OpenPlace {
  /** undefined for an egress or ingress, which may have no room. */
  readonly roomSid: string | undefined;
  /** The id of its usage. */
  readonly id: string;
}

const hashOf = ({ keys }: Store, roomSid: string | undefined): string =>
  roomSid === undefined ? keys.openStreams : keys.openSessions(roomSid);

/** Notes that something is open, unless it is noted already or has ended. */
export async function noteOpen(store: Store, place: OpenPlace, json: string): Promise<void> {
  const { redis, keys } = store;
  // The server may list what has ended for as long as it likes, so the mark is renewed.
  if ((await redis.expire(keys.endedSession(place.id), ENDED_SECONDS)) === 1) return;
  // In this order, because a room that is listed and holds nothing does no harm.
  if (place.roomSid !== undefined) await redis.sadd(keys.openRooms, place.roomSid);
  await redis.hsetnx(hashOf(store, place.roomSid), place.id, json);
}

/** Replaces what is noted of something open. */
export async function updateOpen(store: Store, { roomSid, id }: OpenPlace, json: string): Promise<void> {
  await store.redis.hset(hashOf(store, roomSid), id, json);
}

/**
 * In this order: a process that is killed in between leaves something that is open, and ends it
 * once more.
 */
export async function noteEnded(store: Store, { roomSid, id }: OpenPlace): Promise<void> {
  await store.redis.set(store.keys.endedSession(id), '1', 'EX', ENDED_SECONDS);
  await store.redis.hdel(hashOf(store, roomSid), id);
}

/** The sids of the rooms that may hold open sessions. */
export function readOpenRooms(store: Store): Promise<string[]> {
  return store.redis.smembers(store.keys.openRooms);
}

/** What is open in a room; every open egress and ingress if it is undefined. By the ids. */
export async function readOpen(store: Store, roomSid: string | undefined): Promise<Map<string, string>> {
  return new Map(Object.entries(await store.redis.hgetall(hashOf(store, roomSid))));
}

/** Forgets a room that is empty. */
export async function forgetOpenRoom(store: Store, roomSid: string): Promise<void> {
  await store.redis.srem(store.keys.openRooms, roomSid);
}
