import { writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { once } from 'node:events';
import { createOracle } from '../src/oracle/usage-oracle';
import { createWorkload } from '../src/oracle/workload';
import { totalsOf } from './check-totals';
import { quantiles } from './quantiles';
import { projectNames, type BenchWorkload } from './workload';

/**
 * Posts a workload to a gateway in batches, over several connections, and writes what must come
 * out.
 */

export interface Posting extends BenchWorkload {
  readonly port: number;
  readonly token: string;
  readonly batch: number;
  readonly connections: number;
  /** Where the totals go. */
  readonly file: string;
}

/** What a posting process tells its parent: when it begins to post, and what it came to. */
export type Posted =
  { readonly begun: true } | { readonly seconds: number; readonly p50Ms: number; readonly p99Ms: number };

/** Batches that are posted once more, as by a client that got no answer. */
const REPEATED_SHARE = 50;

/**
 * The bodies of the requests, made before the clock runs, and the totals that they come to. No
 * event has the id of another: connections overtake each other, and which of two is the first would
 * be left to chance.
 */
function prepare({ seed, month, events, projects, batch }: Posting): { bodies: Buffer[]; totals: object } {
  const oracle = createOracle();
  const workload = createWorkload({
    ...{ seed, month, projects: projectNames(projects), duplicates: 0, malformed: 0 },
    events: events * 2,
  });
  const ids = new Set<string>();
  const bodies: Buffer[] = [];
  let texts: string[] = [];
  for (const record of workload) {
    if (record.headers !== undefined) continue; // In binary mode a request is one event.
    const text = String(record.value);
    const { id } = JSON.parse(text) as { id: string };
    if (ids.has(id)) continue;
    ids.add(id);
    oracle.add(record);
    texts.push(text);
    if (texts.length === batch) {
      bodies.push(Buffer.from(`[${texts.join()}]`));
      texts = [];
    }
    if (ids.size === events) break;
  }
  if (texts.length > 0) bodies.push(Buffer.from(`[${texts.join()}]`));
  return { bodies, totals: totalsOf(oracle) };
}

async function post(posting: Posting): Promise<void> {
  const { port, token, connections, file } = posting;
  const { bodies, totals } = prepare(posting);
  writeFileSync(file, JSON.stringify(totals));
  const queue = bodies.flatMap((body, at) => (at % REPEATED_SHARE === 0 ? [body, body] : [body]));
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/cloudevents-batch+json',
  };
  const times: number[] = [];
  const send = async (body: Buffer): Promise<void> => {
    const startedAt = performance.now();
    const asked = request({
      ...{ host: '127.0.0.1', port, agent, method: 'POST', path: '/v1/events' },
      headers: { ...headers, 'content-length': body.length },
    });
    asked.end(body);
    const [answer] = (await once(asked, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
    let text = '';
    for await (const chunk of answer) text += String(chunk);
    if (answer.statusCode !== 202 || !text.endsWith('"rejected":[]}')) {
      throw new Error(`${answer.statusCode}: ${text.slice(0, 500)}`);
    }
    times.push(performance.now() - startedAt);
  };
  let next = 0;
  const tell = (message: Posted): void => void process.send!(message);
  tell({ begun: true });
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (next < queue.length) await send(queue[next++]!);
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  agent.destroy();
  const at = quantiles(times);
  tell({ seconds, p50Ms: at(0.5), p99Ms: at(0.99) });
  process.disconnect();
}

void post(JSON.parse(process.argv[2] ?? '{}') as Posting);
