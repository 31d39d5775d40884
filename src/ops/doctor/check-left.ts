import type { Context } from '../../installation/context';
import { TallymanError } from '../../lib/errors';
import type { Finding } from '../../lib/finding';
import { eachRun, monthsThatLeft, readMonthIndex } from '../../redis/usage/left-months';
import { findShardCount } from '../../redis/usage/read-usage';

/** Finds the months that have left Redis, and are not where the ledger held them then. */
export async function checkLeft(context: Context): Promise<Finding[]> {
  const store = await context.store();
  const shardCount = (await findShardCount(store)) ?? 0;
  const findings: Finding[] = [];
  for (const month of await monthsThatLeft(store, shardCount)) {
    try {
      for (let shard = 0; shard < shardCount; shard += 1) {
        const index = await readMonthIndex(store, shard, month);
        // The first run is enough: a ledger that was restored holds none of them where it did.
        if (index !== undefined) await eachRun(store, shard, month, index).next();
      }
    } catch (error) {
      if (!(error instanceof TallymanError)) throw error;
      const { code, message: problem } = error;
      findings.push({ level: 'error', code, subject: month, problem, remedy: 'tallyman rebuild' });
    }
  }
  return findings;
}
