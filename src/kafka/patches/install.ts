import { KafkaJSNonRetriableError } from 'kafkajs';
import Batch from 'kafkajs/src/consumer/batch';
import BrokerPool from 'kafkajs/src/cluster/brokerPool';
import ConsumerGroup from 'kafkajs/src/consumer/consumerGroup';
import Runner from 'kafkajs/src/consumer/runner';
import Connection from 'kafkajs/src/network/connection';
import RequestQueue from 'kafkajs/src/network/requestQueue';
import SocketRequest from 'kafkajs/src/network/requestQueue/socketRequest';
import fetchRequest from 'kafkajs/src/protocol/requests/fetch';
import { isClosed } from '../sockets';
import { decodeFetchResponse } from '../wire/fetch-response';

/** An overloaded queue that is not throttled looks again after this long, as kafkajs has it. */
const PENDING_CHECK_MS = 10;
/** The size field in front of every response. */
const RESPONSE_SIZE_BYTES = 4;
/** The highest version that kafkajs speaks, and what every broker since Kafka 2.3 answers. */
const FETCH_VERSION = 11;

let installed = false;

/**
 * Mends kafkajs 2.2.4 at run time, once a process. Each repair has its test,
 * `test/scenarios/kafka/kafkajs/`.
 */
export function installWorkarounds(): void {
  if (installed) return;
  installed = true;
  sleepWhenNothingIsPending();
  connectOnce();
  closeSocketOnTimeout();
  decodeFetchesOurselves();
  showFilteredBatches();
  stopAfterJoining();
  measureBySteadyClock();
}

/**
 * kafkajs sets its timer anew whether or not a request waits: some 2,600 calls a second in an idle
 * process. And it computes a negative delay, of which newer Nodes warn.
 */
function sleepWhenNothingIsPending(): void {
  RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length === 0 || this.throttleCheckTimeoutId) return;
    const throttledMs = this.throttledUntil - Date.now();
    this.throttleCheckTimeoutId = setTimeout(
      () => {
        this.throttleCheckTimeoutId = null;
        this.checkPendingRequests();
      },
      throttledMs > 0 ? throttledMs : PENDING_CHECK_MS,
    );
  };
}

/**
 * kafkajs opens a socket for each of several requests that meet a closed connection, and forgets
 * all but the last: the others keep the process alive. And it keeps the half of a response that it
 * had read when a socket broke, and reads the next socket's bytes as the other half. And it would
 * connect again after its client was closed.
 */
function connectOnce(): void {
  const connecting = new WeakMap<Connection, Promise<boolean>>();
  wrap(
    Connection.prototype,
    'connect',
    (connect) =>
      function (this: Connection) {
        if (isClosed(this.socketFactory))
          return Promise.reject(new KafkaJSNonRetriableError('the client was closed'));
        const underWay = connecting.get(this);
        if (underWay) return underWay;
        if (!this.isConnected()) {
          this.chunks = [];
          this.bytesBuffered = 0;
          this.bytesNeeded = RESPONSE_SIZE_BYTES;
          (this.requestQueue as TimedQueue)[timedOut] = () =>
            this.socket?.destroy(new Error('request timed out'));
        }
        const connected = connect.call(this).finally(() => connecting.delete(this));
        connecting.set(this, connected);
        return connected;
      },
  );
}

const timedOut = Symbol('timedOut');
type TimedQueue = RequestQueue & { [timedOut]?: () => void };

/**
 * kafkajs leaves the socket open when a request times out, so all that follows waits on the same
 * dead peer.
 */
function closeSocketOnTimeout(): void {
  wrap(
    RequestQueue.prototype,
    'createSocketRequest',
    (createSocketRequest) =>
      function (this: TimedQueue, pushed: object) {
        const request = createSocketRequest.call(this, pushed);
        const { timeoutHandler } = request;
        request.timeoutHandler = () => {
          timeoutHandler();
          this[timedOut]?.();
        };
        return request;
      },
  );
}

function decodeFetchesOurselves(): void {
  wrap(fetchRequest, 'protocol', (protocol) => (options) => {
    const build = protocol(options);
    if (options.version !== FETCH_VERSION) return build;
    return (request) => {
      const built = build(request);
      return { ...built, response: { ...built.response, decode: decodeFetchResponse } };
    };
  });
}

/**
 * kafkajs goes over a batch that holds only transaction markers or aborted records without a call
 * to `eachBatch`. The cursor would then lag behind the log's end for ever, and the next batch would
 * look like a gap. Shown to `eachBatch`, it is an empty range like any other.
 */
function showFilteredBatches(): void {
  Batch.prototype.isEmpty = function (this: Batch) {
    return this.rawMessages.length === 0;
  };
  Batch.prototype.isEmptyDueToFiltering = () => false;
}

/**
 * kafkajs stops no runner that is still on its way into its group, as each is after a breakdown: it
 * disconnects, and the runner goes on over new connections, which nobody closes any more. They keep
 * its process alive, and its place in the group. So a stop waits until the runner has joined, or
 * failed to.
 */
function stopAfterJoining(): void {
  const joining = new WeakMap<ConsumerGroup, Promise<unknown>>();
  for (const step of ['connect', 'joinAndSync'] as const) {
    wrap(
      ConsumerGroup.prototype,
      step,
      (original) =>
        function (this: ConsumerGroup) {
          const done = original.call(this);
          const over: Promise<unknown> = done
            .catch(() => undefined)
            .finally(() => {
              if (joining.get(this) === over) joining.delete(this);
            });
          joining.set(this, over);
          return done;
        },
    );
  }
  wrap(
    Runner.prototype,
    'stop',
    (stop) =>
      async function (this: Runner) {
        // A promise's end reaches the runner before it gets here: what it does next has begun by
        // then.
        for (;;) {
          const over = joining.get(this.consumerGroup);
          if (!over || this.running) break;
          await over;
        }
        await stop.call(this);
      },
  );
}

/**
 * kafkajs measures by the wall clock. Set back by an hour, it sends no heartbeat for an hour, so
 * that its member is thrown out of the group and does not notice; lets no request time out; stays
 * throttled; and does not see new partitions. These moments are kept by a clock that nobody sets,
 * and told in the terms of the wall clock as it is when they are asked for.
 */
function measureBySteadyClock(): void {
  keepSteady(ConsumerGroup.prototype, 'lastRequest');
  keepSteady(SocketRequest.prototype, 'sentAt');
  keepSteady(RequestQueue.prototype, 'throttledUntil');
  keepSteady(BrokerPool.prototype, 'metadataExpireAt');
}

function keepSteady<T extends object>(owner: T, name: keyof T): void {
  const moments = new WeakMap<object, number | null>();
  Object.defineProperty(owner, name, {
    configurable: true,
    get(this: object) {
      const moment = moments.get(this);
      return typeof moment === 'number' ? moment - performance.now() + Date.now() : moment;
    },
    set(this: object, atMs: number | null) {
      moments.set(this, typeof atMs === 'number' ? atMs - Date.now() + performance.now() : atMs);
    },
  });
}

function wrap<T, K extends keyof T>(owner: T, name: K, make: (original: T[K]) => T[K]): void {
  owner[name] = make(owner[name]);
}
