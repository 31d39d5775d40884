import type { TransferCount } from '../../../schemas/types';
import { parseCopy } from '../../lib/document';
import type { BillingCalendar } from '../../rating/billing-calendar';
import type { Logger } from '../../lib/logger';
import type { Publisher } from '../../kafka/producer';
import { topicName } from '../../kafka/topics/topics';
import { readTransferCounts, swapTransferCount } from '../../redis/livekit/transfer-counts';
import type { Store } from '../../redis/store';
import { nodeBytesIn, type NodeBytes } from './node-bytes';
import { countUp, usagesOf } from './transfer-days';

export interface TransferMeterOptions {
  /** Addresses of the nodes' Prometheus pages. */
  readonly urls: readonly string[];
  readonly project: string;
  readonly source: string;
  readonly prefix: string;
  readonly store: Store;
  readonly publisher: Publisher;
  readonly calendar: BillingCalendar;
  readonly logger: Logger;
  /** Reports the reading of an address. @param problem why it was not counted, if so */
  readonly onReading: (address: string, problem: string | undefined) => void;
  readonly nowMs: () => number;
}

/** Counts what LiveKit's nodes transfer, for a deployment with one project. */
export interface TransferMeter {
  /** The addresses of the nodes, without passwords. */
  readonly addresses: readonly string[];
  /** Reads every node once, and publishes the days that are over. */
  read(): Promise<void>;
}

const REQUEST_TIMEOUT_MS = 5_000;

export function createTransferMeter(options: TransferMeterOptions): TransferMeter {
  const { urls, project, source, prefix, store, publisher, calendar, logger, onReading, nowMs } = options;
  const targets = new Map(urls.map((url) => [withoutPassword(url), url]));

  const publish = async (count: TransferCount): Promise<void> => {
    const usages = usagesOf(count, { source, project });
    if (usages.length === 0) return;
    await publisher.publish(
      topicName(prefix, 'usage.transfer'),
      usages.map((usage) => ({
        key: project,
        value: JSON.stringify(usage),
        headers: { 'content-type': 'application/cloudevents+json' },
      })),
    );
  };

  /** @returns why the node was not read, if so */
  const readOne = async (address: string, before: string | undefined): Promise<string | undefined> => {
    const url = targets.get(address);
    let reading: NodeBytes | 'none' | undefined;
    let problem: string | undefined;
    try {
      reading = url === undefined ? undefined : await scrape(url);
    } catch (error) {
      problem = describe(error);
      logger.warn({ err: error, address }, 'a node did not return its counters: they are read again');
    }
    const atMs = nowMs();
    const { day } = calendar.dayOf({ seconds: Math.floor(atMs / 1000), nanos: 0 });
    const count =
      before === undefined
        ? undefined
        : parseCopy('transfer-count.v1.json', before, `the count of ${address}`);
    const next = countUp(count, { day, atMs }, reading);
    if (next === undefined) return problem;
    // First Redis, then Kafka: a day changes no more once anybody may have published it.
    const text = JSON.stringify(next);
    if (!(await swapTransferCount(store, address, before, text)) || next.finished.length === 0)
      return problem;
    await publish(next);
    await swapTransferCount(store, address, text, JSON.stringify({ ...next, finished: [] }));
    return problem;
  };

  return {
    addresses: [...targets.keys()],
    async read() {
      // Before the nodes are asked: an answer that is older than what another process noted is
      // dropped.
      const counts = await readTransferCounts(store);
      const addresses = new Set([...targets.keys(), ...counts.keys()]);
      await Promise.all(
        [...addresses].map(async (address) => {
          const problem = await readOne(address, counts.get(address));
          if (targets.has(address)) onReading(address, problem);
        }),
      );
    },
  };
}

async function scrape(url: string): Promise<NodeBytes | 'none'> {
  const { username, password } = new URL(url);
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers =
    username === '' ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
  const response = await fetch(withoutPassword(url), {
    headers,
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  if (!response.ok) throw new Error(`the node answered ${response.status}`);
  return nodeBytesIn(await response.text()) ?? 'none';
}

/** `fetch failed` alone says nothing: the cause has the reason. */
function describe(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}

function withoutPassword(url: string): string {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  return bare.href;
}
