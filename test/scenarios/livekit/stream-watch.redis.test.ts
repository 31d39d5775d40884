import fc from 'fast-check';
import { createLogger } from '../../../src/lib/logger';
import { DEFAULT_PROJECT_PATTERN } from '../../../src/livekit/project-of-room';
import type { ListedStream, ServerApi } from '../../../src/livekit/watch/server-api';
import { createLook } from '../../../src/livekit/watch/room-census';
import { createSessionWatch } from '../../../src/livekit/watch/session-watch';
import { createStreamWatch } from '../../../src/livekit/watch/stream-watch';
import type { Endings, Watch, WatchOptions } from '../../../src/livekit/watch/watch';
import { noteEnded } from '../../../src/redis/livekit/open-sessions';
import { openStore, type Store } from '../../../src/redis/store';
import { testRedisUrl, uniquePrefix } from '../../kit/services';

const START_SECONDS = 1_795_000_000;
const SECOND_MS = 1_000;
const EGRESS = 'EG_1';

let store: Store;
let prefix: string;
let nowMs: number;
let asked: ServerApi | undefined;
/** What the server has, ended or not; undefined: it does not answer. */
let server: { egress: ListedStream[]; ingress: ListedStream[]; rooms: Map<string, string[]> } | undefined;
let watch: Watch;

beforeEach(async () => {
  prefix = uniquePrefix();
  store = await openStore({ url: testRedisUrl(), prefix });
  nowMs = START_SECONDS * SECOND_MS;
  server = { egress: [], ingress: [], rooms: new Map() };
  asked = api as object as ServerApi;
  watch = createStreamWatch(options());
});
afterEach(async () => {
  const keys = await store.redis.keys(`${prefix}:*`);
  if (keys.length > 0) await store.redis.unlink(keys);
  await store.close();
});

const answer = <T>(value: T | undefined): Promise<T> =>
  value === undefined ? Promise.reject(new Error('away')) : Promise.resolve(value);

/** Steers what goes on; LiveKit's API itself is not what is tested here. */
const api = {
  listActiveEgress: () =>
    answer(server?.egress.filter(({ status }) => status !== 'EGRESS_COMPLETE' && status !== 'EGRESS_FAILED')),
  findEgress: (id) => Promise.resolve(server?.egress.find(({ egressId }) => egressId === id)),
  listIngress: () => answer(server?.ingress),
  listParticipants: (room) =>
    answer(server?.rooms.get(room)?.map((identity) => ({ sid: 'PA', identity })) ?? (server && [])),
  isConnected: () => Promise.resolve(true),
} satisfies Partial<ServerApi>;

const options = (): WatchOptions => ({
  store,
  rules: {
    source: '/livekit',
    projects: { pattern: DEFAULT_PROJECT_PATTERN, usesMetadata: false, unattributed: 'unattributed' },
    sipVariants: new Map(),
    agentsAre: 'agent',
    connectorsAre: 'connector',
    agentUsageFrom: 'participant',
  },
  limitMs: 3_600 * SECOND_MS,
  onEnded: () => undefined,
  logger: createLogger('silent'),
});

const nanos = (afterSeconds: number): string => String(BigInt(START_SECONDS + afterSeconds) * 1_000_000_000n);
const egress = (status: string, fields: object = {}): ListedStream => ({
  ...{ egressId: EGRESS, roomId: 'RM_1', roomName: 'acme.x', status, startedAt: nanos(0) },
  ...{ roomComposite: { roomName: 'acme.x', audioOnly: true }, ...fields },
});
const ingress = (status: string, resourceId = 'RS_1', state: object = {}): ListedStream => ({
  ...{ ingressId: 'IN_1', inputType: 'WHIP_INPUT', roomName: 'acme.x', participantIdentity: 'cam' },
  ...{ streamKey: 'a secret', state: { status, startedAt: nanos(0), resourceId, ...state } },
});
const webhook = (event: string, info: ListedStream, atSeconds = 0): Record<string, unknown> => ({
  event,
  createdAt: String(START_SECONDS + atSeconds),
  room: { name: 'acme.x' },
  [event.startsWith('egress') ? 'egressInfo' : 'ingressInfo']: info,
});
const running = (...identities: string[]): Map<string, string[]> => new Map([['acme.x', identities]]);

const ended = ({ usages }: Endings): unknown[] =>
  usages.map(({ id, subject, data }) => [id, subject, data['variant'], data['endedBy'], seconds(data)]);
const seconds = (data: Readonly<Record<string, unknown>>): number =>
  (Date.parse(data['endedAt'] as string) - Date.parse(data['startedAt'] as string)) / SECOND_MS;

async function lookAfter(afterSeconds: number): Promise<Endings> {
  nowMs += afterSeconds * SECOND_MS;
  return watch.look(createLook(asked, nowMs));
}

/** Begun and seen in its room after half a minute. */
async function seenEgress(): Promise<void> {
  await watch.note(webhook('egress_started', egress('EGRESS_STARTING', { startedAt: '0' })));
  await watch.note(webhook('egress_updated', egress('EGRESS_ACTIVE')));
  server = { egress: [egress('EGRESS_ACTIVE')], ingress: [], rooms: running(EGRESS) };
  expect(ended(await lookAfter(30))).toEqual([]);
}

test('an egress whose end was lost ends when LiveKit says that it ended, once', async () => {
  await seenEgress();
  server!.egress = [egress('EGRESS_COMPLETE', { endedAt: nanos(42) })];
  expect(ended(await lookAfter(30))).toEqual([]);
  // LiveKit forgets it in between.
  server!.egress = [];
  const endings = await lookAfter(30);
  expect(ended(endings)).toEqual([[EGRESS, 'acme', 'audio_only', 'watch', 42]]);
  // Killed before it was settled, the watch ends it again, under the same id.
  expect(ended(await lookAfter(30))).toEqual([[EGRESS, 'acme', 'audio_only', 'watch', 42]]);
  for (const place of endings.places) await noteEnded(store, place);
  expect(ended(await lookAfter(30))).toEqual([]);
});

test('an egress that LiveKit has lost ends when it was last seen', async () => {
  await seenEgress();
  server!.egress = [];
  await lookAfter(30);
  expect(ended(await lookAfter(30))).toEqual([[EGRESS, 'acme', 'audio_only', 'watch', 30]]);
});

test('an egress that is still listed but has left its room, as after a kill, ends when it was last seen', async () => {
  await seenEgress();
  server!.rooms = running('somebody');
  await lookAfter(30);
  const endings = await lookAfter(30);
  expect(ended(endings)).toEqual([[EGRESS, 'acme', 'audio_only', 'watch', 30]]);
  for (const place of endings.places) await noteEnded(store, place);
  // It stays listed for good, and is not opened again when the note of its end expires.
  await store.redis.del(store.keys.endedSession(EGRESS));
  for (let look = 0; look < 3; look += 1) expect(ended(await lookAfter(30))).toEqual([]);
});

test('an egress that uploads its file goes on, although it has left the room', async () => {
  await seenEgress();
  server = { ...server!, egress: [egress('EGRESS_ENDING')], rooms: running() };
  for (let look = 0; look < 4; look += 1) expect(ended(await lookAfter(30))).toEqual([]);
});

test('an egress that is back at the second look goes on', async () => {
  await seenEgress();
  const { egress: listed } = server!;
  server!.egress = [];
  await lookAfter(30);
  server!.egress = listed;
  await lookAfter(30);
  server!.egress = [];
  expect(ended(await lookAfter(30))).toEqual([]);
});

test('an egress that never began ends without a usage', async () => {
  await watch.note(webhook('egress_started', egress('EGRESS_STARTING', { startedAt: '0' })));
  server!.egress = [egress('EGRESS_FAILED', { startedAt: '0', endedAt: nanos(5) })];
  await lookAfter(30);
  const endings = await lookAfter(30);
  expect([endings.usages, endings.places]).toEqual([[], [{ roomSid: undefined, id: EGRESS }]]);
});

test('an egress whose end arrives is closed, and neither a late start nor the list opens it', async () => {
  await seenEgress();
  await watch.note(webhook('egress_ended', egress('EGRESS_COMPLETE', { endedAt: nanos(42) }), 42));
  await watch.note(webhook('egress_started', egress('EGRESS_STARTING')));
  await lookAfter(30);
  server!.egress = [];
  await lookAfter(30);
  expect(ended(await lookAfter(30))).toEqual([]);
});

test('an egress whose start was missed is found, and ended like any other', async () => {
  server = { egress: [egress('EGRESS_ACTIVE')], ingress: [], rooms: running(EGRESS) };
  await lookAfter(30);
  server.egress = [];
  await lookAfter(30);
  expect(ended(await lookAfter(30))).toEqual([[EGRESS, 'acme', 'audio_only', 'watch', 30]]);
});

test('a use of an ingress ends with the state that LiveKit keeps of it', async () => {
  await watch.note(webhook('ingress_started', ingress('ENDPOINT_PUBLISHING')));
  server!.ingress = [ingress('ENDPOINT_INACTIVE', 'RS_1', { endedAt: nanos(61) })];
  await lookAfter(90);
  expect(ended(await lookAfter(30))).toEqual([['RS_1', 'acme', 'passthrough', 'watch', 61]]);
});

test('a use of an ingress ends when it was last seen, if the next one has begun', async () => {
  await watch.note(webhook('ingress_started', ingress('ENDPOINT_PUBLISHING')));
  server = { egress: [], ingress: [ingress('ENDPOINT_PUBLISHING')], rooms: running('cam') };
  await lookAfter(30);
  server.ingress = [ingress('ENDPOINT_PUBLISHING', 'RS_2')];
  await lookAfter(30);
  expect(ended(await lookAfter(30))).toEqual([['RS_1', 'acme', 'passthrough', 'watch', 30]]);
});

test('without an answer only the limit ends an egress, at the end of its room', async () => {
  asked = undefined;
  await watch.note(webhook('egress_updated', egress('EGRESS_ACTIVE')));
  await watch.note({ event: 'room_finished', createdAt: String(START_SECONDS + 50), room: { sid: 'RM_1' } });
  expect(ended(await lookAfter(3_600))).toEqual([]);
  expect(ended(await lookAfter(60))).toEqual([[EGRESS, 'acme', 'audio_only', 'limit', 50]]);
});

test('no secret is noted', async () => {
  await watch.note(webhook('ingress_started', ingress('ENDPOINT_PUBLISHING')));
  const noted = JSON.stringify(await store.redis.hgetall(store.keys.openStreams));
  expect(noted).toContain('IN_1');
  expect(noted).not.toContain('secret');
});

test('no JSON that is signed stops a watch: what is not a webhook opens nothing', async () => {
  const sessions = createSessionWatch(options());
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom('1795000000', 'RM_1', { sid: 'RM_1', name: 5 }, { toString: 5 }),
  );
  const events = [
    'room_finished',
    'participant_joined',
    'participant_left',
    'egress_updated',
    'ingress_started',
  ];
  const names = ['room', 'participant', 'egressInfo', 'ingressInfo', 'createdAt'];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...events),
      fc.record(Object.fromEntries(names.map((name) => [name, value])), { requiredKeys: [] }),
      async (event, fields) => {
        for (const one of [sessions, watch]) {
          await one.note({ event, ...fields });
          await one.look(createLook(undefined, nowMs));
        }
      },
    ),
    { numRuns: 200 },
  );
});
