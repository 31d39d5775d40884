import type { Socket } from 'node:net';
import type { ISocketFactory } from 'kafkajs';
import createSocketFactory from 'kafkajs/src/network/socketFactory';

/** All sockets of one client. */
export interface Sockets {
  readonly factory: ISocketFactory;
  /**
   * Whether a request or an attempt to connect has no answer, and no broker has sent anything since
   * the last call.
   */
  isUnanswered(): boolean;
  /** Cuts the open sockets. Whatever waits for an answer fails. No socket is opened any more. */
  close(reason?: Error): void;
}

/** The requests of one connection. */
interface Requests {
  /** Those without an answer. */
  readonly inflight: { readonly size: number };
  isConnected(): boolean;
}

interface State {
  readonly connections: Set<Requests>;
  closed?: Error;
}

/** More than the longest pause of kafkajs between two attempts to connect. */
const ATTEMPT_AGE_MS = 5_000;

const states = new WeakMap<ISocketFactory, State>();

/**
 * kafkajs loses track of sockets: of those to a broker that it forgot when a connection broke, and
 * of those that a late heartbeat of an earlier group membership opens again. One such socket keeps
 * its process alive, so the client tracks all of them itself.
 */
export function createSockets(): Sockets {
  const open = createSocketFactory();
  const sockets = new Set<Socket>();
  const state: State = { connections: new Set() };
  let attemptedAt: number | undefined;
  let isHeard = false;
  const factory: ISocketFactory = (target) => {
    const socket = open(target);
    attemptedAt = performance.now();
    sockets.add(socket);
    socket.on('data', () => {
      attemptedAt = undefined;
      isHeard = true;
    });
    socket.once('close', () => sockets.delete(socket));
    // kafkajs disconnects a dead socket again and again. Each time, Node would add a listener, and
    // from the eleventh on print a warning.
    const unref = socket.unref.bind(socket);
    socket.unref = () => (socket.destroyed ? socket : unref());
    return socket;
  };
  states.set(factory, state);
  return {
    factory,
    isUnanswered() {
      const hasAnswer = isHeard;
      isHeard = false;
      if (hasAnswer) return false;
      if ([...state.connections].some(({ inflight }) => inflight.size > 0)) return true;
      return attemptedAt !== undefined && performance.now() - attemptedAt < ATTEMPT_AGE_MS;
    },
    close(reason = new Error('the client was closed')) {
      state.closed ??= reason;
      for (const socket of sockets) socket.destroy(reason);
    },
  };
}

/** Why the client of these sockets was closed. It must not connect again then. */
export const closedFor = (factory: ISocketFactory): Error | undefined => states.get(factory)?.closed;

/** Counts the requests of a connection that was just made among those of its client. */
export function noteRequests(factory: ISocketFactory, requests: Requests): void {
  const connections = states.get(factory)?.connections ?? new Set();
  // kafkajs makes a new one at each attempt, and an outage may last for days.
  for (const one of connections) if (!one.isConnected()) connections.delete(one);
  connections.add(requests);
}
