import { createWorkload } from '../../../src/oracle/workload';

/**
 * Prints the bytes of heap in use after the first tenth of a million records, and after all. Needs
 * --expose-gc.
 */
const workload = createWorkload({ seed: 7, month: '2026-10', events: 1_000_000, projects: ['acme', 'beta'] });

function heapAfter(count: number): number {
  for (let taken = 0; taken < count; taken += 1) workload.next();
  globalThis.gc!();
  return process.memoryUsage().heapUsed;
}

console.log(JSON.stringify([heapAfter(100_000), heapAfter(900_000)]));
