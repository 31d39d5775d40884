import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { BillingCalendar } from '../rating/billing-calendar';
import { readCloses } from '../redis/views/closes';
import { countProjects } from '../redis/usage/read-usage';
import type { Store } from '../redis/store';
import { readVerified } from '../redis/views/verified';
import type { Health } from '../ingest/health/check-health';
import type { LogWatch } from '../ingest/health/log-position';
import { registerLogMetrics } from '../ingest/health/log-metrics';

export interface InstallationMetrics {
  readonly registry: Registry;
  /** Reads the values. Call it before the registry is read. */
  refresh(): Promise<void>;
}

/** The metrics of the whole installation. docs/operating/monitor.md lists the names. */
export function createInstallationMetrics(
  store: Store,
  calendar: BillingCalendar,
  logWatch: LogWatch,
  health: () => Health,
  nowMs: () => number,
): InstallationMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];

  registerLogMetrics(registry, () => logWatch.position(), health);

  const byMonth = (name: string, help: string): Gauge<'month'> =>
    new Gauge({ name, help, labelNames: ['month'], registers });
  const projects = byMonth('tallyman_close_projects', 'Projects with totals');
  const invoices = byMonth('tallyman_close_invoices', 'Projects with an invoice or a credit note');
  const closedMonth = byMonth('tallyman_last_closed_month_info', 'The last month that is closed');
  const conflicts = byMonth('tallyman_conflicts', 'Duplicates with other data, by the last verification');
  const differences = byMonth('tallyman_verify_differences', 'Differences found by the last verification');
  const up = new Gauge({ name: 'tallyman_up', help: '1 while Redis answers the server', registers });
  return {
    registry,
    async refresh() {
      try {
        const last = [...(await readCloses(store)).keys()].sort().at(-1);
        closedMonth.reset();
        if (last !== undefined) closedMonth.set({ month: last }, 1);
        projects.reset();
        invoices.reset();
        for (const month of new Set([...(last === undefined ? [] : [last]), calendar.monthOfMs(nowMs())])) {
          projects.set({ month }, await countProjects(store, month));
          invoices.set({ month }, await store.redis.scard(store.keys.invoiced(month)));
        }
        for (const { month, ...found } of await readVerified(store)) {
          conflicts.set({ month }, found.conflicts);
          differences.set({ month }, found.differences);
        }
        up.set(1);
      } catch {
        up.set(0); // The scrape itself must not fail, because the lag matters most when something else is wrong.
      }
    },
  };
}
