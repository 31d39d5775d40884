import type { Store } from '../store';

/**
 * The webhook about the start of a session may arrive after the one about its end, but not a day
 * after.
 */
const ENDED_SECONDS = 86_400;

export interface SessionPlace {
  readonly roomSid: string;
  readonly sid: string;
}

/** Stores a session as open, unless it is stored already or has ended. */
export async function noteOpenSession(store: Store, place: SessionPlace, json: string): Promise<void> {
  const { redis, keys } = store;
  if ((await redis.exists(keys.endedSession(place.sid))) === 1) return;
  // In this order, because a room that is listed and holds nothing does no harm.
  await redis.sadd(keys.openRooms, place.roomSid);
  await redis.hsetnx(keys.openSessions(place.roomSid), place.sid, json);
}

export async function updateOpenSession(
  store: Store,
  { roomSid, sid }: SessionPlace,
  json: string,
): Promise<void> {
  await store.redis.hset(store.keys.openSessions(roomSid), sid, json);
}

/**
 * In this order: a process that is killed in between leaves a session that is open, and ends it
 * once more.
 */
export async function noteEndedSession(store: Store, { roomSid, sid }: SessionPlace): Promise<void> {
  await store.redis.set(store.keys.endedSession(sid), '1', 'EX', ENDED_SECONDS);
  await store.redis.hdel(store.keys.openSessions(roomSid), sid);
}

/** The sids of the rooms that may hold open sessions. */
export function readOpenRooms(store: Store): Promise<string[]> {
  return store.redis.smembers(store.keys.openRooms);
}

/** By their participants' sids. */
export async function readOpenSessions(store: Store, roomSid: string): Promise<Map<string, string>> {
  return new Map(Object.entries(await store.redis.hgetall(store.keys.openSessions(roomSid))));
}

/** Forgets a room that is empty. */
export async function forgetOpenRoom(store: Store, roomSid: string): Promise<void> {
  await store.redis.srem(store.keys.openRooms, roomSid);
}
