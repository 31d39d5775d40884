/** Faults of kafkajs 2.2.4 that are mended from outside. Each has a test in test/stream that is named after it. */

interface RequestQueue {
  readonly pending: readonly unknown[];
  readonly throttledUntil: number;
  scheduleCheckPendingRequests(): void;
}

let applied = false;

export function installWorkarounds(): void {
  if (applied) return;
  applied = true;
  stopIdleTimer();
}

/**
 * A request queue sets a timer after every answer, and each firing sets the next: thousands a second and some percent
 * of a core with nothing to do (tulios/kafkajs#1556, #1704); on newer Node also with a negative delay, which warns
 * (#1751). It is needed only while a request waits or the broker throttles.
 */
function stopIdleTimer(): void {
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const Queue = require('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };
  const schedule = Queue.prototype.scheduleCheckPendingRequests;
  Queue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
  };
}
