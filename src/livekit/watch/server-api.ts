import { createHmac } from 'node:crypto';

/** A participant in the server's list. */
export interface ListedParticipant {
  readonly sid: string;
  readonly identity: string;
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

/** An egress or ingress as in its webhooks, but with the fields that are zero. */
export type ListedStream = Readonly<Record<string, unknown>>;

/** The part of a LiveKit server's API that the watch uses. */
export interface ServerApi {
  listRooms(): Promise<readonly ListedRoom[]>;
  /** Empty if the room does not exist. */
  listParticipants(room: string): Promise<readonly ListedParticipant[]>;
  /** Whether a node has the participant. If the server cannot tell, its list is believed. */
  isConnected(room: string, identity: string): Promise<boolean>;
  listActiveEgress(): Promise<readonly ListedStream[]>;
  /** Also an egress that has ended; undefined if the server has forgotten it, after a day. */
  findEgress(egressId: string): Promise<ListedStream | undefined>;
  /** Every ingress that exists, with the state of its last use. */
  listIngress(): Promise<readonly ListedStream[]>;
}

/** LiveKit waits 3 s for a node that is gone. */
const REQUEST_TIMEOUT_MS = 10_000;
const TOKEN_SECONDS = 60;

/**
 * Queries a LiveKit server through its API (Twirp over JSON).
 *
 * @param url the server's URL as clients use it, `http(s)://` or `ws(s)://`
 */
export function createServerApi(url: string, [key, secret]: readonly [string, string]): ServerApi {
  const base = url.replace(/^ws/, 'http').replace(/\/+$/, '');
  const post = (method: string, grant: object, body: object): Promise<Response> =>
    fetch(`${base}/twirp/livekit.${method}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${tokenOf(key, secret, grant)}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
  const ask = async <T extends object>(
    method: string,
    grant: object,
    body: object,
  ): Promise<T | undefined> => {
    const response = await post(method, grant, body);
    if (response.status === 404) return undefined;
    if (!response.ok) {
      throw new Error(`${method} was answered with ${response.status}: ${await response.text()}`);
    }
    return camelCased((await response.json()) as T);
  };
  const items = async (method: string, grant: object, body: object): Promise<readonly ListedStream[]> =>
    (await ask<{ items?: ListedStream[] }>(method, grant, body))?.items ?? [];
  return {
    async listRooms() {
      const answer = await ask<{ rooms?: ListedRoom[] }>('RoomService/ListRooms', { roomList: true }, {});
      return answer?.rooms ?? [];
    },
    async listParticipants(room) {
      const answer = await ask<{ participants?: ListedParticipant[] }>(
        'RoomService/ListParticipants',
        { roomAdmin: true, room },
        { room },
      );
      return answer?.participants ?? [];
    },
    async isConnected(room, identity) {
      // It changes nothing, and unlike the list it is answered by the participant's own node.
      const body = { room, identity, trackSids: [], subscribe: false };
      const response = await post('RoomService/UpdateSubscriptions', { roomAdmin: true, room }, body);
      if (response.status === 404) return false;
      return !(response.status === 503 && (await response.text()).includes('no response from servers'));
    },
    listActiveEgress: () => items('Egress/ListEgress', { roomRecord: true }, { active: true }),
    async findEgress(egressId) {
      return (await items('Egress/ListEgress', { roomRecord: true }, { egressId }))[0];
    },
    listIngress: () => items('Ingress/ListIngress', { ingressAdmin: true }, {}),
  };
}

/**
 * The names of fields as in webhooks: the API writes `joined_at_ms`. The names of a participant's
 * attributes are the application's own.
 */
function camelCased<T>(value: T): T {
  if (Array.isArray(value)) return value.map(camelCased) as T;
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([name, field]: [string, unknown]) => [
    name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
    name === 'attributes' ? field : camelCased(field),
  ]);
  return Object.fromEntries(fields) as T;
}

function tokenOf(key: string, secret: string, video: object): string {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = { iss: key, nbf: nowSeconds - 10, exp: nowSeconds + TOKEN_SECONDS, video };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
