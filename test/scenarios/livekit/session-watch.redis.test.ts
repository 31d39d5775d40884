import { createLogger } from '../../../src/lib/logger';
import { DEFAULT_PROJECT_PATTERN } from '../../../src/livekit/project-of-room';
import type { ListedParticipant, ServerApi } from '../../../src/livekit/watch/server-api';
import { createLook } from '../../../src/livekit/watch/room-census';
import { createSessionWatch } from '../../../src/livekit/watch/session-watch';
import type { Endings, Watch } from '../../../src/livekit/watch/watch';
import { noteEnded } from '../../../src/redis/livekit/open-sessions';
import { openStore, type Store } from '../../../src/redis/store';
import { testRedisUrl, uniquePrefix } from '../../kit/services';

const START_SECONDS = 1_795_000_000;
const SECOND_MS = 1_000;

let store: Store;
let prefix: string;
let nowMs: number;
let asked: ServerApi;
/** Room name -> who is in it; undefined: the server does not answer. */
let server: Map<string, ListedParticipant[]> | undefined;
/** Identities that the server lists although their node is gone. */
let onKilledNode: Set<string>;
let watch: Watch;

beforeEach(async () => {
  prefix = uniquePrefix();
  store = await openStore({ url: testRedisUrl(), prefix });
  nowMs = START_SECONDS * SECOND_MS;
  server = new Map();
  onKilledNode = new Set();
  asked = api as ServerApi;
  watch = createWatch();
});
afterEach(async () => {
  const keys = await store.redis.keys(`${prefix}:*`);
  if (keys.length > 0) await store.redis.unlink(keys);
  await store.close();
});

/** Steers who is there; LiveKit's API itself is not what is tested here. */
const api: Pick<ServerApi, 'listRooms' | 'listParticipants' | 'isConnected'> = {
  listRooms: () =>
    server === undefined
      ? Promise.reject(new Error('away'))
      : Promise.resolve([...server.keys()].map((name) => ({ sid: `RM_${name}`, name }))),
  listParticipants: (room) =>
    server === undefined ? Promise.reject(new Error('away')) : Promise.resolve(server.get(room) ?? []),
  isConnected: (_, identity) => Promise.resolve(!onKilledNode.has(identity)),
};

const createWatch = (): Watch =>
  createSessionWatch({
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

const webhook = (event: string, sid: string, atSeconds = 0, room = 'acme.x'): Record<string, unknown> => ({
  event,
  createdAt: String(START_SECONDS + atSeconds),
  room: { sid: `RM_${room}`, name: room, turnPassword: 'secret' },
  participant: { sid, joinedAtMs: String(START_SECONDS * SECOND_MS) },
});
const listed = (sid: string): ListedParticipant => ({
  ...{ sid, identity: `of ${sid}` },
  state: 'ACTIVE',
  joinedAtMs: String(START_SECONDS * SECOND_MS),
});
const ended = ({ usages }: Endings): unknown[] =>
  usages.map(({ id, subject, data }) => [id, subject, data['endedBy'], seconds(data)]);
const seconds = (data: Readonly<Record<string, unknown>>): number =>
  (Date.parse(data['endedAt'] as string) - Date.parse(data['startedAt'] as string)) / SECOND_MS;

async function lookAfter(afterSeconds: number): Promise<Endings> {
  nowMs += afterSeconds * SECOND_MS;
  return watch.look(createLook(asked, nowMs));
}

async function settle({ places }: Endings): Promise<void> {
  for (const place of places) await noteEnded(store, place);
}

test('a session of a server that was killed ends when it was last seen, once', async () => {
  await watch.note(webhook('participant_joined', 'PA_1'));
  server = new Map([['acme.x', [listed('PA_1')]]]);
  expect(ended(await lookAfter(30))).toEqual([]);
  server = new Map(); // Begun again: it knows nothing of the room.
  expect(ended(await lookAfter(30))).toEqual([]);
  const endings = await lookAfter(30);
  expect(ended(endings)).toEqual([['PA_1', 'acme', 'watch', 30]]);
  // Killed before it was settled, the watch ends it again, under the same id.
  expect(ended(await lookAfter(30))).toEqual([['PA_1', 'acme', 'watch', 30]]);
  await settle(endings);
  expect(ended(await lookAfter(30))).toEqual([]);
});

test('a session of a killed node, which LiveKit lists for a day, ends when it was last seen, and is not opened again', async () => {
  await watch.note(webhook('participant_joined', 'PA_1'));
  server = new Map([['acme.x', [listed('PA_1'), listed('PA_2')]]]);
  await lookAfter(30);
  onKilledNode = new Set(['of PA_1', 'of PA_3']);
  server.get('acme.x')!.push(listed('PA_3')); // Its start was missed.
  await lookAfter(30);
  const endings = await lookAfter(30);
  expect(ended(endings)).toEqual([['PA_1', 'acme', 'watch', 30]]);
  await settle(endings);
  for (let look = 0; look < 3; look += 1) expect(ended(await lookAfter(30))).toEqual([]);
});

test('a session was last seen when the server was asked, however long it takes to answer', async () => {
  const isConnected: ServerApi['isConnected'] = async (...of) => {
    const answer = await api.isConnected(...of);
    nowMs += 20 * SECOND_MS;
    return answer;
  };
  asked = { ...api, isConnected } as ServerApi;
  await watch.note(webhook('participant_joined', 'PA_1'));
  server = new Map([['acme.x', [listed('PA_1'), listed('PA_2')]]]); // The start of PA_2 was missed.
  await lookAfter(30);
  server = new Map();
  await lookAfter(30);
  expect(new Set(ended(await lookAfter(30)))).toEqual(
    new Set([
      ['PA_1', 'acme', 'watch', 30],
      ['PA_2', 'acme', 'watch', 30],
    ]),
  );
});

test('a session that began after the server was asked is not moved back', async () => {
  server = new Map([['acme.x', [listed('PA_1')]]]);
  await watch.note(webhook('participant_joined', 'PA_1', 40));
  await lookAfter(30);
  server = new Map();
  await lookAfter(30);
  expect(ended(await lookAfter(30))).toEqual([['PA_1', 'acme', 'watch', 40]]);
});

test('a session that is back at the second look goes on', async () => {
  await watch.note(webhook('participant_joined', 'PA_1'));
  await lookAfter(30);
  server = new Map([['acme.x', [listed('PA_1')]]]);
  await lookAfter(30);
  server = new Map();
  expect(ended(await lookAfter(30))).toEqual([]);
});

test('two looks at once, of two bridges, are one', async () => {
  await watch.note(webhook('participant_joined', 'PA_1'));
  await lookAfter(30);
  expect(ended(await lookAfter(1))).toEqual([]);
  expect(ended(await lookAfter(30))).toHaveLength(1);
});

test('a server that does not answer ends nothing before the limit', async () => {
  await watch.note(webhook('participant_joined', 'PA_1', 10));
  server = undefined;
  expect(ended(await lookAfter(3_000))).toEqual([]);
  expect(ended(await lookAfter(3_000))).toEqual([['PA_1', 'acme', 'limit', 10]]);
});

test('the end of a room ends what is open in it, and nothing of another room', async () => {
  await watch.note(webhook('participant_joined', 'PA_1'));
  await watch.note(webhook('participant_joined', 'PA_2', 0, 'globex.y'));
  expect(ended(await watch.note(webhook('room_finished', 'PA_9', 45)))).toEqual([
    ['PA_1', 'acme', 'room_finished', 45],
  ]);
});

test.each(['participant_left', 'participant_connection_aborted'])(
  'a session that has ended with %s is not opened by a start that comes late',
  async (event) => {
    await watch.note(webhook(event, 'PA_1', 20));
    await watch.note(webhook('participant_joined', 'PA_1'));
    server = new Map([['acme.x', [listed('PA_1')]]]); // Not heard of it yet.
    await lookAfter(30);
    server = new Map();
    await lookAfter(30);
    expect(ended(await lookAfter(30))).toEqual([]);
  },
);

test('a session whose start was missed is found, and ended like any other', async () => {
  server = new Map([['acme.x', [listed('PA_1'), { ...listed('PA_2'), state: 'JOINING' }]]]);
  await lookAfter(30);
  server = new Map();
  await lookAfter(30);
  expect(ended(await lookAfter(30))).toEqual([['PA_1', 'acme', 'watch', 30]]);
});

test('no secret of a room is noted', async () => {
  await watch.note(webhook('participant_joined', 'PA_1'));
  expect(JSON.stringify(await store.redis.hgetall(store.keys.openSessions('RM_acme.x')))).not.toContain(
    'secret',
  );
});

test('ten thousand sessions, half of them of a killed server, all end once and at the right second', async () => {
  const count = 10_000;
  const roomOf = (i: number): string => `${i % 3 === 0 ? 'globex' : 'acme'}.${i % 100}`;
  const sidOf = (i: number): string => `PA_${i}`;
  /** Seconds after the start of the test; each joined at a moment of its own. */
  const joinedAt = (i: number): number => (i * 7919) % 25;
  const joined = (i: number, event: string, atSeconds: number): Record<string, unknown> => ({
    ...webhook(event, sidOf(i), atSeconds, roomOf(i)),
    participant: { sid: sidOf(i), joinedAtMs: String((START_SECONDS + joinedAt(i)) * SECOND_MS) },
  });
  const all = Array.from({ length: count }, (_, i) => i);
  await Promise.all(all.map((i) => watch.note(joined(i, 'participant_joined', joinedAt(i)))));
  server = new Map();
  for (const i of all) server.set(roomOf(i), [...(server.get(roomOf(i)) ?? []), listed(sidOf(i))]);
  await lookAfter(30);
  // Odd sessions were on the server that dies; the others leave in order.
  await Promise.all(all.filter((i) => i % 2 === 0).map((i) => watch.note(joined(i, 'participant_left', 40))));
  server = new Map();
  await lookAfter(30);
  const endings = await lookAfter(30);
  await settle(endings);
  const found = new Map(endings.usages.map((usage) => [usage.id, [usage.subject, seconds(usage.data)]]));
  // All were last seen 30 s after the start.
  const expected = all
    .filter((i) => i % 2 === 1)
    .map((i) => [sidOf(i), [roomOf(i).split('.')[0], 30 - joinedAt(i)]] as const);
  expect(endings.usages).toHaveLength(count / 2);
  expect(found).toEqual(new Map(expected));
  expect(ended(await lookAfter(30))).toEqual([]);
});
