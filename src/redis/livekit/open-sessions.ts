import type { Store } from '../store';

/**
 * A webhook about the start of a session may come after the one about its end, but not a day after.
 */
const ENDED_SECONDS = 86_400;

/** Where a session is noted. */
export interface SessionPlace {
  readonly roomSid: string;
  readonly sid: string;
}

/** Notes a session as open, unless it is noted already or has ended. */
export async function noteOpenSession(store: Store, place: SessionPlace, json: string): Promise<void> {
  const { redis, keys } = store;
  if ((await redis.exists(keys.endedSession(place.sid))) === 1) return;
  // In this order: a room that is named and holds nothing does no harm.
  await redis.sadd(keys.openRooms, place.roomSid);
  await redis.hsetnx(keys.openSessions(place.roomSid), place.sid, json);
}

/** Replaces what is noted of an open session. */
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

/** The open sessions of a room, by their participants' sids. */
export async function readOpenSessions(store: Store, roomSid: string): Promise<Map<string, string>> {
  return new Map(Object.entries(await store.redis.hgetall(store.keys.openSessions(roomSid))));
}

/** Forgets a room in which nobody is any more. */
export async function forgetOpenRoom(store: Store, roomSid: string): Promise<void> {
  await store.redis.srem(store.keys.openRooms, roomSid);
}
