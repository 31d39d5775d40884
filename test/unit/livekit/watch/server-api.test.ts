import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServerApi, type ServerApi } from '../../../../src/livekit/watch/server-api';

/** What a livekit-server 1.13.5 answered, shortened. */
const ANSWERS: Readonly<Record<string, string>> = {
  '/twirp/livekit.Egress/ListEgress':
    '{"items":[{"egress_id":"EG_a", "room_id":"RM_x", "room_name":"acme.x", "status":"EGRESS_ACTIVE", "started_at":"1795851502000000000", "ended_at":"0", "room_composite":{"room_name":"acme.x", "layout":"", "audio_only":true, "file_outputs":[]}, "stream_results":[], "error":""}], "next_page_token":null}',
  '/twirp/livekit.RoomService/UpdateSubscriptions':
    '{"code":"unavailable","msg":"twirp error unknown: no response from servers"}',
  '/twirp/livekit.RoomService/ListParticipants':
    '{"participants":[{"sid":"PA_1", "identity":"ana", "state":"ACTIVE", "tracks":[], "joined_at":"1795851502", "joined_at_ms":"1795851502123", "kind":"STANDARD", "attributes":{"shirt_size":"l"}, "kind_details":[]}]}',
};

let server: Server;
let api: ServerApi;
/** The status of an UpdateSubscriptions. */
let updated = 200;
let asked: { path: string; body: string; grants: unknown }[];

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      const [, claims = ''] = (request.headers.authorization ?? '').split('.');
      const { video } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { video: unknown };
      asked.push({ path, body: Buffer.concat(chunks).toString(), grants: video });
      const answer = ANSWERS[path];
      const status = path.endsWith('UpdateSubscriptions') ? updated : answer === undefined ? 404 : 200;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(answer ?? '{"code":"not_found","msg":"twirp error unknown: egress does not exist"}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  api = createServerApi(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, ['key', 'secret']);
});
beforeEach(() => (asked = []));
afterAll(() => new Promise((resolve) => server.close(resolve)));

test('fields are named as in webhooks, and attributes as the application named them', async () => {
  expect(await api.listParticipants('acme.x')).toEqual([
    {
      ...{ sid: 'PA_1', identity: 'ana', state: 'ACTIVE', kind: 'STANDARD', kindDetails: [], tracks: [] },
      ...{ joinedAt: '1795851502', joinedAtMs: '1795851502123', attributes: { shirt_size: 'l' } },
    },
  ]);
  expect(await api.listActiveEgress()).toEqual([
    {
      ...{ egressId: 'EG_a', roomId: 'RM_x', roomName: 'acme.x', status: 'EGRESS_ACTIVE', error: '' },
      ...{ startedAt: '1795851502000000000', endedAt: '0', streamResults: [] },
      roomComposite: { roomName: 'acme.x', layout: '', audioOnly: true, fileOutputs: [] },
    },
  ]);
});

test('each query has the grant that LiveKit asks for', async () => {
  await api.listParticipants('acme.x');
  await api.listActiveEgress();
  expect(asked.map(({ body, grants }) => [body, grants])).toEqual([
    ['{"room":"acme.x"}', { roomAdmin: true, room: 'acme.x' }],
    ['{"active":true}', { roomRecord: true }],
  ]);
});

test('what the server does not have is empty', async () => {
  expect(await api.listRooms()).toEqual([]);
  expect(await api.listIngress()).toEqual([]);
});

test.each([
  ['its node answers', 200, true],
  ['no node has it', 503, false],
  ['LiveKit refuses the query', 429, true],
])('a participant is connected or not: %s', async (_, status, isConnected) => {
  updated = status;
  expect(await api.isConnected('acme.x', 'ana')).toBe(isConnected);
  expect(asked[0]!.body).toBe('{"room":"acme.x","identity":"ana","trackSids":[],"subscribe":false}');
});
