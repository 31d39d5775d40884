import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { ISocketFactory } from 'kafkajs';
import Connection from 'kafkajs/src/network/connection';
import Encoder from 'kafkajs/src/protocol/encoder';

export interface TestConnection extends Connection {
  send(request: object): Promise<Buffer>;
  disconnect(): Promise<unknown>;
}

/** A peer that takes kafkajs's requests and answers them, or does not, as a test has it. */
export interface FakeBroker {
  readonly sockets: Socket[];
  /** Called with each request's correlation id. */
  onRequest: (correlationId: number, socket: Socket) => void;
  connection(requestTimeoutMs: number, socketFactory?: ISocketFactory): TestConnection;
  close(): Promise<void>;
}

export async function startFakeBroker(): Promise<FakeBroker> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    let pending = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      pending = Buffer.concat([pending, data]);
      while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
        const size = pending.readInt32BE(0);
        // After the size: the API's key and version, then the correlation id.
        broker.onRequest(pending.readInt32BE(8), socket);
        pending = pending.subarray(4 + size);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const Constructor = Connection as unknown as new (options: object) => TestConnection;
  const broker: FakeBroker = {
    sockets,
    onRequest: () => undefined,
    connection: (
      requestTimeoutMs,
      socketFactory = ({ onConnect }) => connect({ host: '127.0.0.1', port }, onConnect),
    ) =>
      new Constructor({
        host: '127.0.0.1',
        port,
        clientId: 'test',
        logger: {
          namespace: () => ({ debug: () => undefined, warn: () => undefined, error: () => undefined }),
        },
        socketFactory,
        connectionTimeout: 1_000,
        requestTimeout: requestTimeoutMs,
      }),
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
  return broker;
}

/** A response as it goes over the wire. */
export function response(correlationId: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(4 + payload.length, 0);
  head.writeInt32BE(correlationId, 4);
  return Buffer.concat([head, payload]);
}

/** A request whose answer is its raw payload. */
export const rawRequest = {
  request: {
    apiKey: 3,
    apiVersion: 0,
    apiName: 'Metadata',
    encode: () => Promise.resolve(new Encoder()),
  },
  response: {
    decode: (payload: Buffer) => Promise.resolve({ payload, clientSideThrottleTime: null }),
    parse: ({ payload }: { payload: Buffer }) => Promise.resolve(payload),
  },
};
