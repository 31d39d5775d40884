import type * as DeletedTopics from './deleted-topics';
import { TallymanError } from '../lib/errors';
import type * as Emptied from './redis-emptied';
import type * as Kafka from '../kafka/client';
import type * as Totals from '../redis/store';
import type * as Calendar from '../rating/billing-calendar';
import type * as Logging from '../lib/logger';
import { readConfig, type Config } from '../lib/config';
import { deferred } from '../lib/process/deferred';
import { within } from '../lib/process/poller';

/**
 * What a verb works with. Each part is opened, and its library loaded, at its first use: a verb
 * that reads Redis does not wait for the client of Kafka.
 */
export interface Context {
  readonly config: Config;
  readonly logger: Logging.Logger;
  readonly calendar: Calendar.BillingCalendar;
  readonly kafka: () => Kafka.KafkaClient;
  readonly store: () => Promise<Totals.Store>;
}

/** A Redis that does not answer shall not keep a verb that has failed. */
const LAST_COMMANDS_MS = 2_000;

interface ContextOptions {
  readonly logLevel?: Config['logLevel'];
  readonly onlyReads?: true;
  /** For a verb that runs on: it waits for a Kafka that is away. Any other one gives up. */
  readonly waitsForKafka?: boolean;
}

/**
 * Runs a verb and closes what it opened, whether it succeeds or not, because an open socket would
 * keep the process alive.
 */
export async function withContext<T>(
  run: (context: Context) => Promise<T>,
  { logLevel, onlyReads, waitsForKafka }: ContextOptions = {},
): Promise<T> {
  const config = readConfig();
  const silence = deferred<never>();
  let logger: Logging.Logger | undefined;
  let calendar: Calendar.BillingCalendar | undefined;
  let kafka: Kafka.KafkaClient | undefined;
  let store: Promise<Totals.Store> | undefined;
  /* eslint-disable @typescript-eslint/no-require-imports -- `import()` would make what is asked for a promise */
  const context: Context = {
    config,
    get logger() {
      return (logger ??= (require('../lib/logger') as typeof Logging).createLogger(
        logLevel ?? config.logLevel,
      ));
    },
    get calendar() {
      const { createBillingCalendar } = require('../rating/billing-calendar') as typeof Calendar;
      return (calendar ??= createBillingCalendar(config.billingZone));
    },
    kafka() {
      const { openKafka } = require('../kafka/client') as typeof Kafka;
      return (kafka ??= openKafka(config.kafka, context.logger, waitsForKafka ? undefined : silence.reject));
    },
    store() {
      const { openStore } = require('../redis/store') as typeof Totals;
      return (store ??= openStore({
        ...{ url: config.redisUrl, tls: config.redisTls, prefix: config.prefix },
        ...(onlyReads && { onlyReads }),
        kafka: context.kafka,
        onWait: (text) => context.logger.warn(text),
      }));
    },
  };
  let hasFailed = false;
  try {
    return await Promise.race([run(context), silence.promise]);
  } catch (error) {
    hasFailed = true;
    throw await explained(error, context);
  } finally {
    const closing = store?.catch(() => undefined).then((opened) => opened?.close());
    await (hasFailed && closing ? within(LAST_COMMANDS_MS, closing) : closing);
    await kafka?.close();
  }
  /* eslint-enable @typescript-eslint/no-require-imports */
}

/**
 * Adds to the error about a missing topic whether it was deleted, and to that about a missing
 * cursor whether Redis was emptied. `init` is not a remedy then. If a store is away, the first
 * error stays.
 */
async function explained(error: unknown, { config, kafka, store }: Context): Promise<unknown> {
  if (!(error instanceof TallymanError)) return error;
  /* eslint-disable @typescript-eslint/no-require-imports -- as above */
  if (error.code === 'TOPICS_MISSING') {
    const { missingOrDeleted } = require('./deleted-topics') as typeof DeletedTopics;
    return store()
      .then((opened) => missingOrDeleted(error, kafka(), opened, config.prefix))
      .catch(() => error);
  }
  if (error.code === 'UNINITIALISED') {
    const { tellIfEmptied } = require('./redis-emptied') as typeof Emptied;
    return store()
      .then((opened) => tellIfEmptied(error, kafka(), opened, config.prefix))
      .catch(() => error);
  }
  /* eslint-enable @typescript-eslint/no-require-imports */
  return error;
}
