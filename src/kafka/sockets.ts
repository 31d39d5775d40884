import type { Socket } from 'node:net';
import type { ISocketFactory } from 'kafkajs';
import createSocketFactory from 'kafkajs/src/network/socketFactory';

/** All sockets of one client. */
export interface Sockets {
  readonly factory: ISocketFactory;
  /** Cuts the open sockets. Whatever waits for an answer fails. */
  close(): void;
}

const closed = new WeakSet<ISocketFactory>();

/**
 * kafkajs loses track of sockets: of those to a broker that it forgot when a connection broke, and
 * of those that a late heartbeat of an earlier group membership opens again. One such socket keeps
 * its process alive, so the client tracks all of them itself.
 */
export function createSockets(): Sockets {
  const open = createSocketFactory();
  const sockets = new Set<Socket>();
  const factory: ISocketFactory = (target) => {
    const socket = open(target);
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    return socket;
  };
  return {
    factory,
    close() {
      closed.add(factory);
      for (const socket of sockets) socket.destroy(new Error('the client was closed'));
    },
  };
}

/** Whether the client of these sockets was closed. It must not connect again. */
export const isClosed = (factory: ISocketFactory): boolean => closed.has(factory);
