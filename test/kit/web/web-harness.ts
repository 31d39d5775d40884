import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { createInstallationMetrics, type InstallationMetrics } from '../../../src/ops/installation-metrics';
import { installationHealth } from '../../../src/ops/installation-health';
import type { Invoice, Seller } from '../../../src/billing/invoice/invoice';
import { loadCatalog } from '../../../src/installation/catalog-file';
import { invoiceOf } from '../../../src/close/issue-invoices';
import { renderInvoicePdf } from '../../../src/pdf/invoice-pdf';
import { readConfig } from '../../../src/lib/config';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import type { ProjectDocument } from '../../../src/billing/project/project';
import type { RatedEvent } from '../../../src/rating/usage';
import { openKafka } from '../../../src/kafka/client';
import { apply } from '../../../src/redis/apply/apply-chunk';
import { initCursor } from '../../../src/redis/cursors';
import { writeInvoices } from '../../../src/redis/views/write-invoices';
import { beginning, projectsView } from '../../../src/redis/views/ledger-view';
import { writeShardCount } from '../../../src/redis/usage/read-usage';
import { saveSession } from '../../../src/redis/sign-ins';
import { openStore, type Store } from '../../../src/redis/store';
import { createLogger, type Logger } from '../../../src/lib/logger';
import type { WebDependencies } from '../../../src/web/http/dependencies';
import { usageTopics } from '../../../src/kafka/topics/topics';
import type { Health } from '../../../src/ingest/health/check-health';
import { watchLog } from '../../../src/ingest/health/log-position';
import { createServer } from '../../../src/web/http/server';
import { createTokens, type Role, type TokenRequest } from '../../../src/web/http/tokens';
import { testRedisUrl, uniquePrefix } from '../services';
import { chunk, event } from '../redis/rated-events';
import { ask, type HttpAnswer, type HttpQuestion } from './http-client';

export const SECRET = 'a secret of the tests, more than 32 bytes long';
/** The clock of the tests: in the middle of the month that `event` is of. */
export const NOW = '2026-07-16T12:00:00.000Z';
const TOPIC = 'usage.session';

/** A web server on the run's Redis, with a Kafka that does not answer. */
export interface WebHarness {
  readonly app: FastifyInstance;
  /** Asks the server over a socket. */
  inject(question: HttpQuestion | string): Promise<HttpAnswer>;
  readonly store: Store;
  readonly web: WebDependencies;
  readonly metrics: InstallationMetrics;
  token(projects: Record<string, Role>, more?: Partial<TokenRequest>): string;
  bearer(projects: Record<string, Role>, more?: Partial<TokenRequest>): { authorization: string };
  /** The cookie of a session that has just begun, as `name=value`. */
  cookie(projects: Record<string, Role>, more?: Partial<TokenRequest>): Promise<string>;
  /** Sets a project, as the ledger's view shows it. */
  set(document: ProjectDocument): Promise<void>;
  /** Counts usages, one event each. */
  count(...events: Partial<RatedEvent>[]): Promise<void>;
  /** Shows a credit note of a month, beside its invoice or alone. */
  credit(project: string, month: string, number: string): Promise<Invoice>;
  /** Issues a month's invoice, as a close does. */
  issue(project: string, month: string, number: string, seller?: Seller): Promise<Invoice>;
  close(): Promise<void>;
}

export async function webHarness(
  logger: Logger = createLogger('silent'),
  settings: Readonly<Record<string, string>> = {},
): Promise<WebHarness> {
  const prefix = uniquePrefix();
  const config = readConfig({ ...settings, TALLYMAN_PREFIX: prefix, KAFKA_BROKERS: '127.0.0.1:1' });
  const store = await openStore({ url: testRedisUrl(), prefix });
  await writeShardCount(store, 2);
  for (const shard of [0, 1]) await initCursor(store, shard, TOPIC, 0);
  const kafka = openKafka(config.kafka);
  const calendar = createBillingCalendar('UTC');
  const { catalog } = loadCatalog();
  const tokens = createTokens(SECRET);
  const logWatch = watchLog({ kafka, store, topics: usageTopics(prefix) }, createLogger('silent'));
  const ledgerWatch = { problem: () => undefined };
  const nowMs = (): number => Date.parse(NOW);
  const health = (): Health => installationHealth({ config, logWatch, ledgerWatch });
  const metrics = createInstallationMetrics(store, calendar, logWatch, health, nowMs);
  const web: WebDependencies = {
    ...{ config, logger, calendar, catalog, kafka, store, logWatch, ledgerWatch, tokens },
    pdfs: { render: (document) => renderInvoicePdf(JSON.parse(document) as Invoice) },
    ...{ registry: metrics.registry, authSecret: SECRET, nowMs },
  };
  const app = await createServer(web);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const view = projectsView(store);
  const set = async (document: ProjectDocument): Promise<void> => {
    const record = { key: document.project, value: JSON.stringify(document), offset: 0 };
    await view.show(await view.find(), beginning(undefined), [record]);
  };
  await set({ project: 'acme', plans: [{ plan: 'ship', from: '2026-01-01' }] });
  await set({ project: 'small', plans: [{ plan: 'build', from: '2026-01-01' }] });

  let offset = 0;
  const token = (projects: Record<string, Role>, more: Partial<TokenRequest> = {}): string =>
    tokens.sign({ subject: 'someone', projects, expiresAtMs: Date.now() + 60_000, ...more });
  return {
    ...{ app, store, web, metrics, token, set },
    async cookie(projects, more) {
      const cookie = randomUUID();
      await saveSession(store, cookie, token(projects, more), more?.expiresAtMs ?? Date.now() + 60_000);
      return `tallyman_session=${cookie}`;
    },
    inject: (question) => ask(app.server, question),
    bearer: (projects, more) => ({ authorization: `Bearer ${token(projects, more)}` }),
    async count(...events) {
      const from = offset;
      const rated = events.map((changes) => event(offset++, changes));
      await apply(store, 1, chunk(TOPIC, from, rated));
    },
    async issue(project, month, number, seller) {
      const issuedAt = new Date(calendar.monthEnd(month) + 3_600_000).toISOString();
      const terms = { store, calendar, catalog, month, issuedAt, seller };
      const { invoice } = await invoiceOf(terms, project, number);
      await store.redis.hset(
        store.keys.closes,
        month,
        JSON.stringify({ month, closedAt: issuedAt, cursors: {} }),
      );
      await writeInvoices(store, [{ project, entry: month, json: JSON.stringify(invoice) }]);
      return invoice;
    },
    async credit(project, month, number) {
      const issuedAt = new Date(calendar.monthEnd(month) + 3_600_000).toISOString();
      const { invoice } = await invoiceOf({ store, calendar, catalog, month, issuedAt }, project, number);
      const line = { ...invoice.lines[0]!, kind: 'late' as const, period: '2025-12', amount: '-3.50' };
      const note: Invoice = {
        ...{ ...invoice, id: `${project}-${month}-CN`, kind: 'credit_note', number },
        ...{ corrects: [{ month: '2025-12', invoice: `${project}-0001` }], lines: [line] },
        ...{ subtotal: '-3.50', total: '-3.50' },
      };
      await writeInvoices(store, [{ project, entry: `${month}-CN`, json: JSON.stringify(note) }]);
      return note;
    },
    async close() {
      await app.close();
      logWatch.stop();
      await kafka.close();
      const keys = await store.redis.keys(`${prefix}:*`);
      if (keys.length > 0) await store.redis.unlink(keys);
      await store.close();
    },
  };
}
