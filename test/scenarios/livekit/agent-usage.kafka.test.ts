import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readConfig } from '../../../src/lib/config';
import { openKafka } from '../../../src/kafka/client';
import { readRange } from '../../../src/kafka/read-range';
import { logEnds, topicName } from '../../../src/kafka/topics/topics';
import { createTokens } from '../../../src/web/http/tokens';
import { inNodesWords, recordedMetrics, recordedTotals, type AgentStep } from '../../kit/agents/agent-plans';
import { codeBlocks } from '../../kit/code-blocks';
import { eventually } from '../../kit/eventually';
import { needTestProgram } from '../../kit/servers/need-program';
import { installation } from '../../kit/tallyman';

/** The producers for livekit-agents against a gateway, Kafka and Redis as they are shipped. */

const SECRET = 'a secret of the tests, more than 32 bytes long';
const tallyman = installation({
  TALLYMAN_AUTH_SECRET: SECRET,
  TALLYMAN_HOST: '127.0.0.1',
});
const folder = mkdtempSync(join(tmpdir(), 'agents-'));
const PRODUCERS = [
  ['Python', ['python3', join(__dirname, '../../kit/agents/drive.py')]],
  ['Node', [process.execPath, join(__dirname, '../../kit/agents/drive.mjs')]],
] as const;
const NOVA_3 = { model: 'nova-3', provider: 'Deepgram' };

interface Plan {
  readonly steps: readonly AgentStep[];
  readonly stts?: readonly object[];
  readonly options?: object;
  readonly spool?: string;
  /** Metrics as dicts rather than as objects. Node has no such difference. */
  readonly areDicts?: boolean;
}

let gateway: ChildProcess;
let port: number;

async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return free;
}

async function startGateway(): Promise<ChildProcess> {
  Object.assign(tallyman.env, { TALLYMAN_PORT: String(port) });
  const started = tallyman.start('gateway');
  started.stdout?.resume();
  started.stderr?.resume();
  await eventually(() =>
    fetch(`http://127.0.0.1:${port}/v1/events`, { method: 'POST' }).then(({ status }) => status === 401),
  );
  return started;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'close');
}

beforeAll(async () => {
  await needTestProgram({ command: 'python3', versionArgument: '--version', debianPackage: 'python3' });
  port = await freePort();
  await tallyman.ok('init', '--partitions', '2');
  gateway = await startGateway();
});
afterAll(async () => {
  await kill(gateway);
  rmSync(folder, { recursive: true, force: true });
});

/**
 * Between a producer and the gateway: passes requests on and answers as `fates` say, then as the
 * gateway does.
 */
async function startProxy(
  ...fates: ('drop' | 'refuse')[]
): Promise<{ url: string; atMs: number[]; close(): void }> {
  const atMs: number[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      atMs.push(performance.now());
      const fate = fates.shift();
      if (fate === 'refuse') {
        response.writeHead(503, { 'retry-after': '2' }).end();
        return;
      }
      const { authorization, 'content-type': type } = request.headers;
      const headers = { authorization: authorization!, 'content-type': type! };
      void fetch(`http://127.0.0.1:${port}/v1/events`, {
        method: 'POST',
        headers,
        body: Buffer.concat(chunks),
      })
        .then(async (answer) => ({ status: answer.status, body: await answer.text() }))
        .then(({ status, body }) =>
          fate === 'drop' ? request.socket.destroy() : response.writeHead(status).end(body),
        );
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: own } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${own}`, atMs, close: () => void server.close() };
}

/** The events of a project in the log, as they were decoded from what the producer sent. */
async function eventsOf(project: string): Promise<{ id: string; source: string; data: object }[]> {
  const kafka = openKafka(readConfig(tallyman.env).kafka);
  const found: { id: string; source: string; data: object }[] = [];
  try {
    const topic = topicName(tallyman.prefix, 'usage.inference');
    const ends = (await logEnds(kafka, [topic])).get(topic)!;
    for (const [partition, to] of ends.entries()) {
      for await (const page of readRange(kafka, { topic, partition, from: 0, to })) {
        for (const { key, value } of page) {
          if (key?.toString() === project)
            found.push(JSON.parse(value!.toString()) as (typeof found)[number]);
        }
      }
    }
  } finally {
    await kafka.close();
  }
  return found;
}

/** What each project used by the end, if every event of its producers counts once. */
const expectedTotals: Record<string, object> = {};

const tokenOf = (project: string): string =>
  createTokens(SECRET).sign({
    subject: 'agent',
    expiresAtMs: Date.now() + 3_600_000,
    projects: { [project]: 'producer' },
  });

/** The sums of the recorded session. */
const oneSession = {
  'inference.llm.input/gpt-4.1-mini': '400',
  'inference.llm.cached_input/gpt-4.1-mini': '2000',
  'inference.llm.output/gpt-4.1-mini': '160',
  'inference.tts/sonic-3': '40',
};

let lastProject = 0;

describe.each(PRODUCERS)('%s', (language, [command, program]) => {
  const nextProject = (): string => `${language.toLowerCase()}-${(lastProject += 1)}`;

  /** Starts an agent's process. Its stdout has what was rejected. */
  function start(project: string, plan: Plan, more: NodeJS.ProcessEnv = {}): ChildProcess {
    const token = tokenOf(project);
    const file = join(folder, `${project}.json`);
    const { steps, stts = [NOVA_3], options = {}, spool, areDicts = false } = plan;
    const document = {
      stts,
      spool,
      objects: !areDicts,
      options: { project, session: 'AJ_1', ...options },
      steps: language === 'Node' ? steps.map(inNodesWords) : steps,
    };
    writeFileSync(file, JSON.stringify(document));
    return spawn(command, [program, file], {
      env: {
        PATH: process.env['PATH'],
        TALLYMAN_URL: `http://127.0.0.1:${port}`,
        TALLYMAN_TOKEN: token,
        ...more,
      },
    });
  }

  async function ended(child: ChildProcess): Promise<{ code: number | null; out: string; log: string }> {
    let out = '';
    let log = '';
    child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr!.on('data', (chunk: Buffer) => (log += chunk.toString()));
    await once(child, 'close');
    return { code: child.exitCode, out, log };
  }

  /** Runs an agent that must end well and have nothing rejected. */
  async function report(project: string, plan: Plan, more: NodeJS.ProcessEnv = {}): Promise<string> {
    const { code, out, log } = await ended(start(project, plan, more));
    expect({ code, out, log: code === 0 ? '' : log }).toEqual({ code: 0, out: '', log: '' });
    return log;
  }

  const dataOf = async (project: string): Promise<Map<string, object>> =>
    new Map((await eventsOf(project)).map(({ id, data }) => [id, data]));

  test.each([true, false])('of the running sums the last one counts (dicts: %s)', async (areDicts) => {
    const project = nextProject();
    const steps = [...recordedTotals.slice(0, 3), { streamMs: 61_500 }, ...recordedTotals.slice(3)];
    await report(project, { steps, areDicts });
    expect(await dataOf(project)).toEqual(
      new Map([
        ['AJ_1/stt/1', { kind: 'stt', model: 'nova-3', provider: 'Deepgram', durationMs: 61_500 }],
        [
          'AJ_1/llm/api.openai.com/gpt-4.1-mini',
          {
            ...{ kind: 'llm', model: 'gpt-4.1-mini', provider: 'api.openai.com' },
            ...{ inputTokens: 2_400, cachedInputTokens: 2_000, outputTokens: 160 },
          },
        ],
        [
          'AJ_1/tts/cartesia/sonic-3',
          { kind: 'tts', model: 'sonic-3', provider: 'cartesia', characters: 40 },
        ],
      ]),
    );
    expectedTotals[project] = { 'inference.stt/nova-3': '62', ...oneSession };
  });

  test('requests that share a request id, or have none, are events of their own', async () => {
    const project = nextProject();
    const none = { ...recordedMetrics[1]!.metrics, request_id: '' };
    const cancelled = { ...recordedMetrics[2]!.metrics, cancelled: true };
    const realtime = {
      ...{ type: 'realtime_model_metrics', request_id: '', input_tokens: 90, output_tokens: 7 },
      input_token_details: { cached_tokens: 50 },
      metadata: { model_name: 'gpt-realtime', model_provider: 'openai' },
    };
    const steps = [...recordedMetrics, { metrics: none }, { metrics: cancelled }, { metrics: realtime }];
    await report(project, { steps, options: { per: 'request' } });
    const ids = (await eventsOf(project)).map(({ id }) => id);
    expect(ids.sort()).toEqual([
      ...['AJ_1/llm/1', 'AJ_1/llm/2', 'AJ_1/llm/3', 'AJ_1/llm/4'],
      ...['AJ_1/tts/1', 'AJ_1/tts/2', 'AJ_1/tts/3'],
    ]);
    expectedTotals[project] = {
      'inference.llm.input/gpt-4.1-mini': '600',
      'inference.llm.cached_input/gpt-4.1-mini': '3000',
      'inference.llm.output/gpt-4.1-mini': '240',
      'inference.llm.input/gpt-realtime': '40',
      'inference.llm.cached_input/gpt-realtime': '50',
      'inference.llm.output/gpt-realtime': '7',
      'inference.tts/sonic-3': '60',
    };
  });

  test('each stream of an STT is rounded up by itself, under the price of its languages', async () => {
    const project = nextProject();
    const inference = { model: 'deepgram/nova-3', provider: 'livekit' };
    const stts = [inference, { ...inference, language: 'multi' }, { ...inference, language: 'en' }];
    const steps = [
      { streamMs: 1_500 },
      { streamMs: 1_500 },
      { streamMs: 10, language: 'multi' },
      { streamMs: 2_000, stt: 1 },
      { streamMs: 3_000.9, stt: 1, isLeftOpen: true },
      { streamMs: 500, stt: 1, language: 'de' },
      { streamMs: 500, stt: 2 },
    ];
    await report(project, { steps, stts });
    // The stream that is left open ends with the session, after 4,000.9 ms.
    expectedTotals[project] = {
      'inference.stt/deepgram/nova-3': '6',
      'inference.stt/deepgram/nova-3-multilingual': '8',
    };
  });

  test('recognition without a stream is counted by its audio, in the same milliseconds', async () => {
    const project = nextProject();
    const recognized = { type: 'stt_metrics', audio_duration: 1.0999999999999999, streamed: false };
    const pushed = { recognized: { ...recognized, streamed: true, audio_duration: 900 } };
    await report(project, { steps: [{ recognized }, pushed, { recognized }] });
    const durations = (await eventsOf(project)).map(
      ({ data }) => (data as { durationMs: number }).durationMs,
    );
    expect(durations).toEqual([1_100, 1_100]);
    expectedTotals[project] = { 'inference.stt/nova-3': '4' };
  });

  test('an STT that nobody passed to the reporter is named', async () => {
    const project = nextProject();
    const log = await report(project, { steps: [recordedTotals.at(-1)!], stts: [] });
    expect(log).toMatch(/STT (Deepgram\/)?nova-3 .*is not counted/);
    expect((await eventsOf(project)).map(({ id }) => id)).toHaveLength(2);
  });

  test('only the providers that are asked for count', async () => {
    const project = nextProject();
    const steps = [...recordedTotals, { streamMs: 1 }];
    await report(project, { steps, options: { providers: ['cartesia'] } });
    expectedTotals[project] = { 'inference.tts/sonic-3': '40' };
  });

  test('events whose answer is lost are sent again under their ids, and count once', async () => {
    const project = nextProject();
    const proxy = await startProxy('drop', 'drop');
    await report(project, { steps: [recordedTotals.at(-1)!] }, { TALLYMAN_URL: proxy.url });
    proxy.close();
    const events = await eventsOf(project);
    // Two events, and what came with the two lost answers.
    expect(events.length).toBeGreaterThanOrEqual(4);
    expect(new Set(events.map((event) => JSON.stringify(event))).size).toBe(2);
    expectedTotals[project] = oneSession;
  });

  test('a gateway that asks for time gets it', async () => {
    const project = nextProject();
    const proxy = await startProxy('refuse');
    await report(project, { steps: [recordedTotals.at(-1)!] }, { TALLYMAN_URL: proxy.url });
    proxy.close();
    expect(proxy.atMs[1]! - proxy.atMs[0]!).toBeGreaterThan(1_900);
    expect(await eventsOf(project)).toHaveLength(2);
  });

  test('a killed gateway is waited for', async () => {
    const project = nextProject();
    await kill(gateway);
    const agent = start(project, { steps: [recordedTotals.at(-1)!] });
    const end = ended(agent);
    await once(agent.stderr!, 'data');
    gateway = await startGateway();
    expect((await end).code).toBe(0);
    expectedTotals[project] = oneSession;
  });

  test('what a killed agent could not send, the next one sends', async () => {
    const project = nextProject();
    const spool = join(folder, `${project}-spool`);
    await kill(gateway);
    const agent = start(project, { steps: [recordedTotals.at(-1)!], spool });
    await once(agent.stderr!, 'data');
    await kill(agent);
    expect(readdirSync(spool)).not.toEqual([]);
    gateway = await startGateway();
    await report(project, { steps: [], spool });
    expect(readdirSync(spool)).toEqual([]);
    expectedTotals[project] = oneSession;
  });

  test('a bad event is reported, and the others of its batch count', async () => {
    const project = nextProject();
    const [usage] = recordedTotals.at(-1)!.totals;
    const steps = [{ totals: [...recordedTotals.at(-1)!.totals, { ...usage, model: 'm'.repeat(129) }] }];
    const { code, out } = await ended(start(project, { steps }));
    expect([code, out]).toEqual([0, `AJ_1/llm/api.openai.com/${'m'.repeat(129)} schema_violation\n`]);
    expectedTotals[project] = oneSession;
  });

  test('events of a project that the token is not for are reported one by one', async () => {
    const { code, out } = await ended(
      start(nextProject(), { steps: [recordedTotals.at(-1)!], options: { project: 'globex' } }),
    );
    expect([code, out.match(/forbidden/g)]).toEqual([0, ['forbidden', 'forbidden']]);
  });

  test('a wrong token ends with what the gateway says, and the spool keeps the events', async () => {
    const project = nextProject();
    const spool = join(folder, `${project}-spool`);
    const plan = { steps: [recordedTotals.at(-1)!], spool };
    const { code, log } = await ended(start(project, plan, { TALLYMAN_TOKEN: 'wrong' }));
    expect([code, log]).toEqual([1, expect.stringMatching(/NotAccepted.*401.*UNAUTHENTICATED/s)]);
    await report(project, { steps: [], spool });
    expect(await eventsOf(project)).toHaveLength(2);
  });
});

test.each(['Python', 'Node'])("the documents' example in %s reports a job", async (language) => {
  const project = `docs-${language.toLowerCase()}`;
  const [example] = codeBlocks('livekit.md', language === 'Node' ? 'js' : 'python');
  const text = example!.replace(/(project[=:] ?)["']acme["']/, `$1"${project}"`);
  const own = mkdtempSync(join(folder, 'example-'));
  const standIns = join(__dirname, '../../kit/agents/stand-ins');
  const program = join(own, language === 'Node' ? 'agent.mjs' : 'agent.py');
  const run = join(own, 'run.mjs');
  const totals = recordedTotals.map((step) =>
    language === 'Node' ? (inNodesWords(step) as { totals: object }).totals : step.totals,
  );
  if (language === 'Node') {
    const reporter = join(__dirname, '../../../integrations/livekit-agents/node/tallyman-usage.mjs');
    copyFileSync(reporter, join(own, 'tallyman-usage.mjs'));
    mkdirSync(join(own, 'node_modules/@livekit/agents'), { recursive: true });
    copyFileSync(join(standIns, 'livekit-agents.mjs'), join(own, 'node_modules/@livekit/agents/index.mjs'));
    writeFileSync(
      join(own, 'node_modules/@livekit/agents/package.json'),
      JSON.stringify({ name: '@livekit/agents', type: 'module', exports: './index.mjs' }),
    );
    writeFileSync(
      run,
      `import { entry } from './agent.mjs';
       const ends = [];
       await entry({ job: { id: 'AJ_docs' }, proc: { userData: {} }, addShutdownCallback: (end) => ends.push(end) });
       for (const end of ends) await end();`,
    );
  }
  writeFileSync(program, text);
  const token = tokenOf(project);
  const words =
    language === 'Node' ? [process.execPath, run] : ['python3', join(standIns, 'run-example.py'), program];
  await promisify(execFile)(words[0]!, words.slice(1), {
    env: {
      PATH: process.env['PATH'],
      TALLYMAN_URL: `http://127.0.0.1:${port}`,
      TALLYMAN_TOKEN: token,
      RECORDED_TOTALS: JSON.stringify(totals),
    },
  });
  const found = (await eventsOf(project)).map(({ id, data }) => [id, (data as { model: string }).model]);
  expect(found.sort()).toEqual([
    ['AJ_docs/llm/api.openai.com/gpt-4.1-mini', 'gpt-4.1-mini'],
    ['AJ_docs/stt/1', 'deepgram/nova-3-multilingual'],
    ['AJ_docs/tts/cartesia/sonic-3', 'sonic-3'],
  ]);
});

test('in the end every event of these producers counts once, in Redis', async () => {
  await tallyman.ok('consume', '--until-caught-up');
  const { projects } = JSON.parse(await tallyman.ok('totals', '--all', '--json')) as { projects: object };
  expect(projects).toMatchObject(expectedTotals);
});
