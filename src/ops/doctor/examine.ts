import { usageConsumers } from '../../../consumers';
import { groupOf } from '../../ingest/run-consumers';
import type { Context } from '../../installation/context';
import { ALL_LEDGERS, EMPTIED_PROBLEM, isRedisEmptied } from '../../installation/redis-emptied';
import { checkGroups } from '../../kafka/checks/check-groups';
import { checkTopics } from '../../kafka/checks/check-topics';
import { missingTopics } from '../../kafka/topics/topics';
import type { Finding } from '../../lib/finding';
import { checkRedis } from '../../redis/checks/check-redis';
import { checkBrokerClock } from './check-broker-clock';
import { checkCursors } from './check-cursors';
import { checkLedgers } from './check-ledgers';
import { checkLeft } from './check-left';
import { checkMissingTopics } from './check-missing-topics';
import { checkSettings } from './check-settings';
import { checkTransactions } from './check-transactions';
import { checkFilled, checkTorn } from './check-redis-complete';

/** Checks everything that exact totals depend on. Writes nothing. */
export async function examine(context: Context): Promise<Finding[]> {
  const { config, kafka } = context;
  const { prefix } = config;
  const store = await context.store();
  const redis = await checkRedis(store);
  const missing = await missingTopics(kafka(), prefix);
  // The following checks query the topics, which must exist.
  if (missing.length > 0) return [...redis, ...(await checkMissingTopics(context, store, missing))];
  const topics = await checkTopics(kafka(), prefix);
  // Other findings about Redis would only follow from this one, and hide it.
  if (redis.some(({ code }) => code === 'REDIS_EVICTED')) return [...redis, ...topics];
  if (await isRedisEmptied(kafka(), store, prefix, ALL_LEDGERS)) {
    const found = { code: 'REDIS_EMPTIED', problem: EMPTIED_PROBLEM, remedy: 'tallyman rebuild' } as const;
    return [...redis, ...topics, { level: 'error', subject: 'Redis', ...found }];
  }
  return [
    ...redis,
    ...topics,
    ...(await checkBrokerClock(context)),
    ...(await checkSettings(context)),
    ...(await checkFilled(store)),
    ...(await checkTorn(context)),
    ...(await checkCursors(context)),
    ...(await checkLedgers(context)),
    ...(await checkLeft(context)),
    ...(await checkTransactions(context)),
    ...(await checkGroups(
      kafka(),
      usageConsumers.map(({ name }) => groupOf(prefix, name)),
    )),
  ];
}
