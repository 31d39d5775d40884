import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { setPriority } from 'node:os';

/** A tenant that asks for as much as it can, in loops, until its parent stops it. */

export interface Noise {
  readonly port: number;
  readonly token: string;
  readonly project: string;
  readonly connections: number;
  readonly streams: number;
  /** The invoices whose PDFs are asked for, all at once, again and again. */
  readonly invoices: readonly string[];
}

/** Answers so far, by what was asked for and the status. */
export type Noisy = Readonly<Record<string, number>>;

// It must take nothing from the server that shares its machine.
setPriority(19);

const PATHS = ['/usage', '/invoices', '/quota', '/budget'];

const { port, token, project, connections, streams, invoices } = JSON.parse(process.argv[2] ?? '{}') as Noise;
const headers = { authorization: `Bearer ${token}`, 'accept-encoding': 'identity' };
const counts: Record<string, number> = {};

async function open(agent: Agent, path: string): Promise<IncomingMessage> {
  const asked = request({ host: '127.0.0.1', port, agent, path, headers });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return answer;
}

async function ask(agent: Agent, what: string, path: string): Promise<void> {
  const answer = await open(agent, path);
  answer.resume();
  const key = `${what} ${answer.statusCode}`;
  counts[key] = (counts[key] ?? 0) + 1;
  await once(answer, 'end');
}

const forever = async (turn: () => Promise<unknown>): Promise<never> => {
  for (;;) await turn();
};

const keepAlive = (maxSockets: number): Agent => new Agent({ keepAlive: true, maxSockets });
const own = `/v1/projects/${project}`;
const agents = [connections, streams, invoices.length].map(keepAlive);
let asked = 0;
void Promise.all([
  ...Array.from({ length: connections }, () =>
    forever(() => ask(agents[0]!, 'request', own + PATHS[(asked += 1) % PATHS.length]!)),
  ),
  // An open stream never ends, and one that is refused is asked for again.
  ...Array.from({ length: streams }, () => forever(() => ask(agents[1]!, 'stream', `${own}/usage/stream`))),
  forever(() => Promise.all(invoices.map((id) => ask(agents[2]!, 'pdf', `${own}/invoices/${id}.pdf`)))),
]);
process.on('message', () => process.send!(counts));
process.once('SIGTERM', () => process.exit(0));
