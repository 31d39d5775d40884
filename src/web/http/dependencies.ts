import type { Catalog } from '../../billing/catalog/catalog';
import type { Config } from '../../lib/config';
import type { Logger } from '../../lib/logger';
import type { BillingCalendar } from '../../rating/billing-calendar';
import type { KafkaClient } from '../../kafka/client';
import type { Store } from '../../redis/store';
import type { LogWatch } from '../../ingest/health/log-position';
import type { Tokens } from './tokens';

/** What every part of the web server works with. */
export interface WebDependencies {
  readonly config: Config;
  readonly logger: Logger;
  readonly calendar: BillingCalendar;
  readonly catalog: Catalog;
  readonly kafka: KafkaClient;
  readonly store: Store;
  readonly logWatch: LogWatch;
  readonly tokens: Tokens;
  /** For what a session's cookie needs beside its token: the forms' own proof. */
  readonly authSecret: string;
  readonly nowMs: () => number;
}
