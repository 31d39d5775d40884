import { Gauge, type Registry } from 'prom-client';
import { processMetrics } from '../lib/health-server';
import type { BillingCalendar } from '../rating/billing-calendar';
import { readCloses } from '../redis/views/closes';
import { countProjects } from '../redis/usage/read-usage';
import type { Store } from '../redis/store';
import { readRedisMemory } from '../redis/checks/redis-memory';
import { parseCopy } from '../lib/document';
import { readVerified } from '../redis/views/verified';
import type { Health } from '../ingest/health/check-health';
import type { LogWatch } from '../ingest/health/log-position';
import { registerLogMetrics } from '../ingest/health/log-metrics';

export interface InstallationMetrics {
  readonly registry: Registry;
  readonly contentType: string;
  /** Reads the values, and returns the registry's text. */
  metrics(): Promise<string>;
}

interface WaitingMonth {
  readonly month: string;
  readonly state: 'due' | 'unfinished';
}

/** The metrics of the whole installation. docs/operating/monitor.md lists the names. */
export function createInstallationMetrics(
  store: Store,
  calendar: BillingCalendar,
  logWatch: LogWatch,
  health: () => Health,
  nowMs: () => number,
): InstallationMetrics {
  const registry = processMetrics();
  registerLogMetrics(registry, () => logWatch.position(), health);
  const gauges = [
    monthGauges(registry, store, calendar, nowMs),
    waitingGauge(registry, store, calendar, nowMs),
    memoryGauges(registry, store),
  ];
  return {
    registry,
    contentType: registry.contentType,
    metrics: async () => {
      // The scrape itself must not fail, because the lag matters most when something else is wrong.
      await Promise.allSettled(gauges.map((refresh) => refresh()));
      return registry.metrics();
    },
  };
}

/** Reads the values of some gauges. */
type Refresh = () => Promise<void>;

function monthGauges(
  registry: Registry,
  store: Store,
  calendar: BillingCalendar,
  nowMs: () => number,
): Refresh {
  const registers = [registry];
  const byMonth = (name: string, help: string): Gauge<'month'> =>
    new Gauge({ name, help, labelNames: ['month'], registers });
  const projects = byMonth('tallyman_close_projects', 'Projects with totals');
  const invoices = byMonth('tallyman_close_invoices', 'Projects with an invoice or a credit note');
  const closedMonth = byMonth('tallyman_last_closed_month_info', 'The last month that is closed');
  const conflicts = byMonth('tallyman_conflicts', 'Duplicates with other data, by the last verification');
  const differences = byMonth('tallyman_verify_differences', 'Differences found by the last verification');
  const up = new Gauge({ name: 'tallyman_up', help: '1 while Redis answers the server', registers });
  return async () => {
    try {
      const closes = await readCloses(store);
      const last = [...closes.keys()].at(-1);
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
      up.set(0);
    }
  };
}

function waitingGauge(
  registry: Registry,
  store: Store,
  calendar: BillingCalendar,
  nowMs: () => number,
): Refresh {
  const waiting = new Gauge({
    name: 'tallyman_close_waiting_seconds',
    help: 'Time since the end of a month that is not closed (due), or has invoices left (unfinished)',
    labelNames: ['month', 'state'],
    registers: [registry],
  });
  return async () => {
    const months = await waitingMonths(store, calendar, nowMs());
    waiting.reset();
    for (const { month, state } of months)
      waiting.set({ month, state }, (nowMs() - calendar.monthEnd(month)) / 1000);
  };
}

function memoryGauges(registry: Registry, store: Store): Refresh {
  const byNode = (name: string, help: string): Gauge<'node'> =>
    new Gauge({ name, help, labelNames: ['node'], registers: [registry] });
  const used = byNode('tallyman_redis_memory_used_bytes', 'Memory that Redis uses');
  const limit = byNode(
    'tallyman_redis_memory_limit_bytes',
    'maxmemory of Redis, or the memory of its machine',
  );
  return async () => {
    const nodes = await readRedisMemory(store);
    used.reset();
    limit.reset();
    for (const { node, usedBytes, limitBytes } of nodes) {
      used.set({ node }, usedBytes);
      limit.set({ node }, limitBytes);
    }
  };
}

/**
 * The months that wait for a close. Before the first close, only the month that ended last is
 * looked at: `close` itself finds older ones.
 */
async function waitingMonths(
  store: Store,
  calendar: BillingCalendar,
  nowMs: number,
): Promise<WaitingMonth[]> {
  const closes = await readCloses(store);
  const waiting = [...closes]
    .filter(([month, json]) => !parseCopy('close.v1.json', json, `the close of ${month}`).completed)
    .map(([month]): WaitingMonth => ({ month, state: 'unfinished' }));
  const current = calendar.monthOfMs(nowMs);
  const lastClosed = [...closes.keys()].at(-1);
  const lastOver = calendar.previousMonth(current);
  if (lastClosed === undefined && (await countProjects(store, lastOver)) === 0) return waiting;
  const firstDue = lastClosed === undefined ? lastOver : calendar.nextMonth(lastClosed);
  for (let month = firstDue; month < current; month = calendar.nextMonth(month))
    waiting.push({ month, state: 'due' });
  return waiting;
}
