import { setTimeout as delay } from 'node:timers/promises';
import { within } from '../../src/lib/process/poller';

const ASK_INTERVAL_MS = 20;

/**
 * Asks until the answer is truthy, and returns it. A throw counts as "not yet", so assertions may
 * be the condition. One that has no answer at the deadline counts as false, so that the error names
 * what hangs.
 *
 * @throws Error after `timeoutMs`, caused by the last throw
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 15_000, what = condition.toString() }: { timeoutMs?: number; what?: string } = {},
): Promise<NonNullable<T>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const answer = await within(Math.max(1, deadline - Date.now()), Promise.resolve(condition()));
      if (answer) return answer;
    } catch (error) {
      cause = error;
    }
    if (Date.now() > deadline) throw new Error(`Not true within ${timeoutMs} ms: ${what}`, { cause });
    await delay(ASK_INTERVAL_MS);
  }
}
