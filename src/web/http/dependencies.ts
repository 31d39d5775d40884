import type { Registry } from 'prom-client';
import type { Catalog } from '../../billing/catalog/catalog';
import type { Config } from '../../lib/config';
import type { Logger } from '../../lib/logger';
import type { BillingCalendar } from '../../rating/billing-calendar';
import type { KafkaClient } from '../../kafka/client';
import type { Store } from '../../redis/store';
import type { PdfRenderer } from '../../pdf/pdf-renderer';
import type { LedgerWatch } from '../../installation/ledgers/watch-ledgers';
import type { LogWatch } from '../../ingest/health/log-position';
import type { Tokens } from './tokens';

/** The parts that all routes of the web server use. */
export interface WebDependencies {
  readonly config: Config;
  readonly logger: Logger;
  readonly calendar: BillingCalendar;
  readonly catalog: Catalog;
  readonly kafka: KafkaClient;
  readonly store: Store;
  readonly logWatch: LogWatch;
  readonly ledgerWatch: Pick<LedgerWatch, 'problem'>;
  readonly tokens: Tokens;
  readonly pdfs: Pick<PdfRenderer, 'render'>;
  /** Where the routes register what they count. */
  readonly registry: Registry;
  /** Signs the proof that a session's forms carry besides the cookie. */
  readonly authSecret: string;
  readonly nowMs: () => number;
}
