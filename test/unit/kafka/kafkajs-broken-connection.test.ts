import { installWorkarounds } from '../../../src/kafka/patches/install';
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
