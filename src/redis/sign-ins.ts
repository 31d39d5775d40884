import { createHash } from 'node:crypto';
import type { Store } from './store';

/**
 * A mark outlives its link by more than the clocks of Redis and of a server may differ. The link is
 * refused by its own time then.
 */
const CLOCKS_MS = 10 * 60_000;
/** A token has its time in whole seconds. */
const SECOND_MS = 1_000;

/** A sign-in link, by the token in it. */
export interface SignInLink {
  readonly id: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

/** Begins to keep marks, so that links made from now on are accepted. */
export async function keepLinkMarks({ redis, keys }: Store): Promise<void> {
  await redis.redeemLink(keys.linksSince, keys.usedLink(''), 0, 0);
}

/**
 * Uses a sign-in link up. Only one of all servers gets `REDEEMED` for it.
 *
 * @returns `OLD` if Redis has lost what it knew of links this old
 */
export async function redeemLink(
  { redis, keys }: Store,
  { id, issuedAtMs, expiresAtMs }: SignInLink,
): Promise<'REDEEMED' | 'USED' | 'OLD'> {
  const latestMs = issuedAtMs + SECOND_MS - 1;
  const mark = keys.usedLink(id);
  const [answer] = await redis.redeemLink(keys.linksSince, mark, latestMs, expiresAtMs + CLOCKS_MS);
  return answer as 'REDEEMED' | 'USED' | 'OLD';
}

/** Keeps the token of a session under its cookie, of which Redis holds the hash only. */
export async function saveSession(
  { redis, keys }: Store,
  cookie: string,
  token: string,
  expiresAtMs: number,
): Promise<void> {
  await redis.set(keys.session(hashOf(cookie)), token, 'PXAT', expiresAtMs);
}

/** The token of a session; undefined if it has ended. */
export async function findSession({ redis, keys }: Store, cookie: string): Promise<string | undefined> {
  return (await redis.get(keys.session(hashOf(cookie)))) ?? undefined;
}

export async function endSession({ redis, keys }: Store, cookie: string): Promise<void> {
  await redis.del(keys.session(hashOf(cookie)));
}

const hashOf = (cookie: string): string => createHash('sha256').update(cookie).digest('base64url');
