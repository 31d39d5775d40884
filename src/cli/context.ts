import { readConfig, type Config } from '../config';
import { createLog, type Log } from '../log';
import { createBillingCalendar, type BillingCalendar } from '../rating/billing-calendar';
import { openKafka, type KafkaClient } from '../stream/kafka';
import { openStore, type Store } from '../totals/store';

/** What a verb works with. Kafka and Redis are opened when first asked for: `keys` needs neither. */
export interface Context {
  readonly config: Config;
  readonly log: Log;
  readonly calendar: BillingCalendar;
  readonly kafka: () => KafkaClient;
  readonly store: () => Promise<Store>;
}

/** Runs a verb and closes what it opened, whether it succeeds or not: an open socket would keep the process alive. */
export async function withContext<T>(
  run: (context: Context) => Promise<T>,
  { logLevel }: { readonly logLevel?: Config['logLevel'] } = {},
): Promise<T> {
  const config = readConfig(process.env);
  const log = createLog(logLevel ?? config.logLevel);
  let kafka: KafkaClient | undefined;
  let store: Promise<Store> | undefined;
  try {
    return await run({
      config,
      log,
      calendar: createBillingCalendar(config.billingZone),
      kafka: () => (kafka ??= openKafka(config.kafka, log)),
      store: () => (store ??= openStore({ url: config.redisUrl, prefix: config.prefix })),
    });
  } finally {
    await (await store?.catch(() => undefined))?.close();
    await kafka?.close();
  }
}
