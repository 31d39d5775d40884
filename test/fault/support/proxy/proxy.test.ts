import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePort } from '../../../../src/dev/services/free-port';
import { eventually } from '../../../kit/eventually';
import { Proxy } from './proxy';
import { redisProtocol } from './redis-protocol';

/** A server that answers each command with its number, and notes what reached it. */
let server: Server;
let proxy: Proxy;
let reached = '';
beforeEach(async () => {
  reached = '';
  let answers = 0;
  server = createServer((socket) => {
    const split = redisProtocol.splitter();
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      reached += bytes.toString();
      for (const _ of split(bytes)) socket.write(`$6\r\nNo. ${String((answers += 1)).padStart(2, '0')}\r\n`);
    });
  });
  const [port, targetPort] = await Promise.all([freePort(), freePort()]);
  server.listen(targetPort, '127.0.0.1');
  await once(server, 'listening');
  proxy = await Proxy.open({ port, targetPort, protocol: redisProtocol });
});
afterEach(async () => {
  await proxy.close();
  server.close();
});

interface Client {
  readonly socket: Socket;
  /** All that it was answered. */
  readonly answers: () => string;
  readonly isClosed: () => boolean;
}

function client(): Client {
  const socket = connect(proxy.port, '127.0.0.1');
  let answers = '';
  let isClosed = false;
  socket.on('data', (bytes: Buffer) => (answers += bytes.toString()));
  socket.on('error', () => undefined);
  socket.on('close', () => (isClosed = true));
  return { socket, answers: () => answers, isClosed: () => isClosed };
}

const command = (name: string): string => `*1\r\n$${name.length}\r\n${name}\r\n`;
const [ONE, TWO] = ['$6\r\nNo. 01\r\n', '$6\r\nNo. 02\r\n'];

test('messages pass whole and in order, however they are cut into packets', async () => {
  const { socket, answers } = client();
  const both = command('GET') + command('SET');
  socket.write(both.slice(0, 7));
  await eventually(() => socket.bytesWritten === 7);
  socket.write(both.slice(7));
  await eventually(() => answers() === ONE + TWO);
  expect(reached).toBe(both);
  expect([proxy.seen('GET'), proxy.seen('SET'), proxy.seen('DEL')]).toEqual([1, 1, 0]);
});

test('a reply is caught when its request has reached the server, and cut', async () => {
  const { socket, answers, isClosed } = client();
  const caught = proxy.catch('reply', ({ name }) => name === 'SET');
  socket.write(command('GET') + command('SET') + command('DEL'));
  const { exchange, answer, cut } = await caught;
  expect([exchange.request.toString(), String(answer)]).toEqual([command('SET'), TWO]);
  expect(reached).toContain(command('SET'));
  cut();
  await eventually(isClosed);
  expect(answers()).toBe(ONE);
});

test('a request that is caught does not reach the server, nor what comes behind it, until it may', async () => {
  const { socket, answers } = client();
  const caught = proxy.catch('request', ({ name }) => name === 'SET');
  socket.write(command('GET') + command('SET') + command('DEL'));
  const { pass } = await caught;
  await eventually(() => answers() === ONE);
  expect(reached).toBe(command('GET'));
  socket.destroy(); // Its sender may die: what was sent arrives all the same.
  pass();
  await eventually(() => reached === command('GET') + command('SET') + command('DEL'));
});

test('a message is cut in its middle', async () => {
  const { socket, isClosed } = client();
  const caught = proxy.catch('request', () => true);
  socket.write(command('SET'));
  (await caught).cutMidway();
  await eventually(isClosed);
  await eventually(() => reached === command('SET').slice(0, 6));
});

test('a pause and a delay hold messages back, and break nothing', async () => {
  const { socket, answers } = client();
  proxy.pause();
  socket.write(command('GET'));
  await eventually(() => proxy.seen('GET') === 1);
  expect(reached).toBe('');
  proxy.resume();
  await eventually(() => answers() === ONE);

  proxy.delay(100);
  const sentAt = Date.now();
  socket.write(command('SET'));
  await eventually(() => answers() === ONE + TWO);
  expect(Date.now() - sentAt).toBeGreaterThanOrEqual(195);
  socket.destroy();
});

test('away it takes nobody; back again it does, and a cut breaks all who are there', async () => {
  const first = client();
  await once(first.socket, 'connect');
  await proxy.goAway();
  await eventually(first.isClosed);
  const refused = client();
  await eventually(refused.isClosed);
  await proxy.comeBack();
  const again = client();
  again.socket.write(command('GET'));
  await eventually(() => again.answers() === ONE);
  expect(proxy.cut()).toBe(1);
  await eventually(again.isClosed);
});
