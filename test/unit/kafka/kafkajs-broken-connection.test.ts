import { installWorkarounds } from '../../../src/kafka/patches/install';
import { TallymanError } from '../../../src/lib/errors';
import { createSockets } from '../../../src/kafka/sockets';
import { eventually } from '../../kit/eventually';
import { rawRequest, response, startFakeBroker, type FakeBroker } from '../../kit/kafka/fake-broker';

let broker: FakeBroker;
beforeAll(() => installWorkarounds());
beforeEach(async () => (broker = await startFakeBroker()));
afterEach(() => broker.close());

it('a request that times out closes its socket: what follows does not wait on a dead peer', async () => {
  const connection = broker.connection(300);
  await connection.connect();
  await expect(connection.send(rawRequest)).rejects.toThrow(/timed out/);
  await eventually(() => !connection.isConnected());
  await eventually(() => broker.sockets[0]?.destroyed);

  broker.onRequest = (id, socket) => void socket.write(response(id, Buffer.from('alive')));
  await connection.connect();
  expect(String(await connection.send(rawRequest))).toBe('alive');
  expect(broker.sockets).toHaveLength(2);
  await connection.disconnect();
});

it('half a response is forgotten with its socket: the next one is not read as the other half', async () => {
  broker.onRequest = (id, socket) => {
    const whole = response(id, Buffer.alloc(1_000, 'a'));
    socket.write(whole.subarray(0, 500), () => socket.resetAndDestroy());
  };
  const connection = broker.connection(1_000);
  await connection.connect();
  await expect(connection.send(rawRequest)).rejects.toThrow();
  await eventually(() => !connection.isConnected());

  broker.onRequest = (id, socket) => void socket.write(response(id, Buffer.from('b')));
  await connection.connect();
  expect(String(await connection.send(rawRequest))).toBe('b');
  await connection.disconnect();
});

it('requests that meet a closed connection together open one socket, not one each', async () => {
  broker.onRequest = (id, socket) => void socket.write(response(id, Buffer.from('a')));
  const connection = broker.connection(1_000);
  await Promise.all([connection.connect(), connection.connect(), connection.connect()]);
  expect(String(await connection.send(rawRequest))).toBe('a');
  expect(broker.sockets).toHaveLength(1);
  await connection.disconnect();
});

it('a connection that failed is tried again', async () => {
  const connection = broker.connection(1_000);
  await broker.close();
  await expect(connection.connect()).rejects.toThrow(/ECONNREFUSED/);
  await expect(connection.connect()).rejects.toThrow(/ECONNREFUSED/);
});

it('a dead socket that is disconnected again and again collects no listeners, of which Node warns', async () => {
  const connection = broker.connection(1_000, createSockets().factory);
  await connection.connect();
  await eventually(() => broker.sockets.length === 1);
  broker.sockets[0]!.resetAndDestroy();
  await eventually(() => connection.socket?.destroyed);
  const before = connection.socket!.listenerCount('connect');
  for (let time = 0; time < 12; time += 1) await connection.disconnect();
  expect(connection.socket!.listenerCount('connect')).toBe(before);
});

it('a client that was closed for a reason fails its requests for this reason', async () => {
  const sockets = createSockets();
  const connection = broker.connection(1_000, sockets.factory);
  await connection.connect();
  const reason = new TallymanError('KAFKA_UNAVAILABLE', 'nobody answers');
  const asked = expect(connection.send(rawRequest)).rejects.toMatchObject({
    retriable: false,
    cause: reason,
  });
  await eventually(() => sockets.isUnanswered());
  sockets.close(reason);
  await asked;
});

it('a request without an answer is noticed, and an answer ends that', async () => {
  const sockets = createSockets();
  const connection = broker.connection(1_000, sockets.factory);
  let answer!: () => unknown;
  broker.onRequest = (id, socket) => (answer = () => socket.write(response(id, Buffer.from('a'))));
  await connection.connect();
  const asked = connection.send(rawRequest);
  await eventually(() => answer !== undefined && sockets.isUnanswered());
  expect(sockets.isUnanswered()).toBe(true);
  answer();
  await asked;
  expect([sockets.isUnanswered(), sockets.isUnanswered()]).toEqual([false, false]);
  await connection.disconnect();
});
