import { KafkaJSNonRetriableError } from 'kafkajs';
import Batch from 'kafkajs/src/consumer/batch';
import BrokerPool from 'kafkajs/src/cluster/brokerPool';
import ConsumerGroup from 'kafkajs/src/consumer/consumerGroup';
import Runner from 'kafkajs/src/consumer/runner';
import Connection from 'kafkajs/src/network/connection';
import RequestQueue from 'kafkajs/src/network/requestQueue';
import SocketRequest from 'kafkajs/src/network/requestQueue/socketRequest';
import Encoder from 'kafkajs/src/protocol/encoder';
import fetchRequest from 'kafkajs/src/protocol/requests/fetch';
import metadataRequest from 'kafkajs/src/protocol/requests/metadata';
import { TallymanError } from '../../lib/errors';
import { closedFor, noteRequests } from '../sockets';
import { decodeFetchResponse } from '../wire/fetch-response';

/**
 * How often an overloaded queue that is not throttled checks again. This is kafkajs's own value.
 */
const PENDING_CHECK_MS = 10;
/** The size field before every response. */
const RESPONSE_SIZE_BYTES = 4;
/** The highest version that kafkajs speaks. Every broker since Kafka 2.3 supports it. */
const FETCH_VERSION = 11;
/** The first version with the field that keeps the broker from creating topics. */
const METADATA_VERSION = 4;

let installed = false;

/**
 * Fixes kafkajs 2.2.4 at run time, once per process. Each fix has its test in
 * `test/scenarios/kafka/kafkajs/`.
 */
export function installWorkarounds(): void {
  if (installed) return;
  installed = true;
  sleepWhenNothingIsPending();
  connectOnce();
  failForTheReason();
  closeSocketOnTimeout();
  decodeFetchesOurselves();
  describeNamedTopicsOnly();
  showFilteredBatches();
  stopAfterJoining();
  measureBySteadyClock();
}

/**
 * kafkajs sets its timer again whether or not a request waits, about 2,600 times per second in an
 * idle process. It also computes a negative delay, about which newer versions of Node warn.
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
 * If several requests meet a closed connection, kafkajs opens a socket for each and forgets all but
 * the last one. The others keep the process alive. If a socket breaks in the middle of a response,
 * kafkajs keeps the first half, and takes the bytes of the next socket for the second one. It would
 * also connect again after its client was closed.
 */
function connectOnce(): void {
  const connecting = new WeakMap<Connection, Promise<boolean>>();
  wrap(
    Connection.prototype,
    'connect',
    (connect) =>
      function (this: Connection) {
        const reason = closedFor(this.socketFactory);
        if (reason) return Promise.reject(closedError(reason));
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
        const note = (): void => noteRequests(this.socketFactory, this.requestQueue);
        connected.then(note, () => undefined);
        return connected;
      },
  );
}

/**
 * kafkajs sends a request again whose connection broke. If its client was closed because Kafka does
 * not answer, it fails for this reason instead.
 */
function failForTheReason(): void {
  wrap(
    Connection.prototype,
    'rejectRequests',
    (rejectRequests) =>
      function (this: Connection, error: Error) {
        const reason = closedFor(this.socketFactory);
        rejectRequests.call(this, reason instanceof TallymanError ? closedError(reason) : error);
      },
  );
}

/** kafkajs does not try again after it. */
const closedError = (reason: Error): Error =>
  Object.assign(new KafkaJSNonRetriableError(reason), { cause: reason });

const timedOut = Symbol('timedOut');
type TimedQueue = RequestQueue & { [timedOut]?: () => void };

/**
 * kafkajs leaves the socket open when a request times out, so all later requests wait for the same
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
 * A connection that has no topics of its own yet, such as the admin's, asks for brokers only.
 * kafkajs writes its empty list as null, which means all topics of the cluster, and fails if any
 * partition of any of them has no leader.
 */
function describeNamedTopicsOnly(): void {
  wrap(metadataRequest, 'protocol', (protocol) => (options) => {
    const build = protocol(options);
    return (request) => {
      const built = build(request);
      if (request.topics.length > 0 || options.version < METADATA_VERSION) return built;
      const encode = (): Promise<Encoder> => Promise.resolve(new Encoder().writeInt32(0).writeBoolean(false));
      return { ...built, request: { ...built.request, encode } };
    };
  });
}

/**
 * kafkajs skips a batch that holds only transaction markers or aborted records, without a call to
 * `eachBatch`. The cursor would then lag behind the end of the log forever, and the next batch
 * would look like a gap. If `eachBatch` gets it, it is an empty range like any other.
 */
function showFilteredBatches(): void {
  Batch.prototype.isEmpty = function (this: Batch) {
    return this.rawMessages.length === 0;
  };
  Batch.prototype.isEmptyDueToFiltering = () => false;
}

/**
 * kafkajs does not stop a runner that is still joining its group, as every runner does after a
 * breakdown. It disconnects, and the runner continues over new connections, which nothing closes
 * any more. They keep its process alive, and its place in the group. So a stop waits until the
 * runner has joined, or failed to join.
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
        // The runner sees the end of a promise before this code does, so its next step has begun by
        // now.
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
 * kafkajs measures time by the wall clock. If that is set back by an hour, kafkajs sends no
 * heartbeat for an hour, so that the group removes its member, which does not notice. No request
 * times out, throttling does not end, and new partitions are not noticed. These moments are kept by
 * a monotonic clock here, and are converted to the current wall clock when they are read.
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
