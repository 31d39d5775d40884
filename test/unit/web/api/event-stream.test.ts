import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { openEventStream, type EventStream } from '../../../../src/web/api/event-stream';
import type { Session } from '../../../../src/web/http/tokens';

test.each(['gzip', 'identity'])('what is offered after the end is not sent (%s)', async (encoding) => {
  const app = Fastify();
  app.decorateRequest('endTurn', () => undefined);
  app.decorateRequest('isStillGood', () => Promise.resolve(true));
  let stream: EventStream | undefined;
  let stops = 0;
  const ended = new Promise<void>((resolve) => {
    app.get('/', async (request, reply) => {
      const session = { expiresAtMs: Date.now() + 3_600_000 } as Session;
      await openEventStream(request, reply, session, (opened) => {
        stream = opened;
        return () => (stops += 1);
      });
      resolve();
    });
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const headers = { 'accept-encoding': encoding };
  const [answer] = (await once(get({ port, headers, agent: false }), 'response')) as [IncomingMessage];
  answer.resume();
  stream!.end();
  stream!.offer(() => 'event: late\n\n');
  stream!.end();
  await Promise.all([once(answer, 'end'), ended]);
  expect(stops).toBe(1);
  await app.close();
});
