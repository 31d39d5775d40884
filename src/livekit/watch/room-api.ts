import { createHmac } from 'node:crypto';

/** A participant in the server's list. Zeros are left out, as in webhooks. */
export interface ListedParticipant {
  readonly sid: string;
  readonly joinedAt?: string;
  readonly joinedAtMs?: string;
  readonly kind?: string;
  readonly state?: string;
}

export interface ListedRoom {
  readonly sid: string;
  readonly name: string;
  readonly metadata?: string;
}

/** The part of a LiveKit server's API that the watch uses. */
export interface RoomApi {
  listRooms(): Promise<readonly ListedRoom[]>;
  /** Empty if the room does not exist. */
  listParticipants(room: string): Promise<readonly ListedParticipant[]>;
}

const REQUEST_TIMEOUT_MS = 5_000;
const TOKEN_SECONDS = 60;

/**
 * Queries a LiveKit server through its room service (Twirp over JSON).
 *
 * @param url the server's URL as clients use it, `http(s)://` or `ws(s)://`
 */
export function createRoomApi(url: string, [key, secret]: readonly [string, string]): RoomApi {
  const base = url.replace(/^ws/, 'http').replace(/\/+$/, '');
  const ask = async <T>(method: string, grant: object, body: object): Promise<T | undefined> => {
    const response = await fetch(`${base}/twirp/livekit.RoomService/${method}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${tokenOf(key, secret, grant)}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (response.status === 404) return undefined;
    if (!response.ok) throw new Error(`${method} answered ${response.status}`);
    return (await response.json()) as T;
  };
  return {
    async listRooms() {
      const answer = await ask<{ rooms?: ListedRoom[] }>('ListRooms', { roomList: true }, {});
      return answer?.rooms ?? [];
    },
    async listParticipants(room) {
      const grant = { roomAdmin: true, room };
      const answer = await ask<{ participants?: ListedParticipant[] }>('ListParticipants', grant, { room });
      return answer?.participants ?? [];
    },
  };
}

function tokenOf(key: string, secret: string, video: object): string {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: key, nbf: nowSeconds - 10, exp: nowSeconds + TOKEN_SECONDS, video };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
