import { freePort } from '../../../../src/dev/services/free-port';
import { startNativeRedis } from '../../../../src/dev/services/native-redis';
import type { NativeService } from '../../../../src/dev/services/service';
import { Proxy } from '../../../fault/support/proxy/proxy';
import { redisProtocol } from '../../../fault/support/proxy/redis-protocol';
import { startFaultWorld, type FaultWorld } from '../../../fault/support/fault-world';
import { installation, type Answer, type Installation } from '../../../kit/tallyman';

/** Any verb gives up after 14 s, counted in turns of its loop, so under load it takes longer. */
const PATIENCE_MS = 80_000;
const PUBLISH = 'publish -';
const EVENT = JSON.stringify({
  ...{ specversion: '1.0', id: 'one', source: '/agents', type: 'usage.agent.v1', subject: 'acme' },
  ...{ time: new Date().toISOString(), data: { durationMs: 60_000 } },
});

let paused: FaultWorld;
let killed: FaultWorld;
let restarted: NativeService;
let restartedProxy: Proxy;
beforeAll(async () => {
  const redis = startNativeRedis((line) => process.stderr.write(`${line}\n`));
  [paused, killed, restarted] = await Promise.all([startFaultWorld(), startFaultWorld(), redis]);
  const port = await freePort();
  restartedProxy = await Proxy.open({ port, targetPort: restarted.port, protocol: redisProtocol });
  await restarted.restart();
});
afterAll(async () => {
  await restartedProxy.close();
  await Promise.all([paused.stop(), killed.stop(), restarted.stop()]);
});

function isLogLine(line: string): boolean {
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
}

/** One line, with the code, and what names the server and its setting. */
async function expectOneLine(
  tallyman: Installation,
  words: string,
  code: string,
  texts: readonly string[],
): Promise<void> {
  const startedAt = performance.now();
  const answer: Answer = await tallyman.run(words.split(' '), EVENT);
  const tookMs = performance.now() - startedAt;
  const lines = answer.stderr
    .trimEnd()
    .split('\n')
    .filter((line) => !isLogLine(line));
  expect({ words, code: answer.code, lines }).toEqual({
    ...{ words, code: 1 },
    lines: [expect.stringMatching(new RegExp(`^tallyman: .*\\[${code}\\]$`))],
  });
  for (const text of texts) expect(answer.stderr).toContain(text);
  expect(tookMs).toBeLessThan(PATIENCE_MS);
}

test('Kafka and Redis that are paused or killed in the middle of init, and at the start of other verbs', async () => {
  const before = installation(paused.direct);
  await before.ok('init', '--partitions', '1');
  const onPaused = installation(paused.proxied);
  const onKilled = installation(killed.proxied);
  const onSilentRedis = installation({ REDIS_URL: killed.proxied.REDIS_URL });
  const isCreating = ({ name }: { name: string }): boolean => name === 'CreateTopics';
  const kafka = 'KAFKA_BROKERS';

  const pause = async (): Promise<void> => {
    const caught = await paused.kafkaProxy.catch('request', isCreating);
    paused.kafka.pause();
    caught.pass();
    const verbs = ['init', 'doctor', PUBLISH, 'close', 'projects set acme --plan ship'];
    const texts = [paused.direct.KAFKA_BROKERS, kafka];
    await Promise.all(verbs.map((words) => expectOneLine(before, words, 'KAFKA_UNAVAILABLE', texts)));
  };
  const kill = async (): Promise<void> => {
    const caught = await killed.kafkaProxy.catch('request', isCreating);
    await killed.kafka.kill('SIGKILL');
    caught.pass();
    const refused = installation({ ...killed.direct, TALLYMAN_PREFIX: onKilled.prefix });
    await Promise.all([expectOneLine(refused, 'doctor', 'KAFKA_UNAVAILABLE', [kafka]), silenceRedis()]);
  };
  const silenceRedis = async (): Promise<void> => {
    const texts = [killed.proxied.REDIS_URL, 'REDIS_URL'];
    const init = expectOneLine(onSilentRedis, 'init', 'REDIS_UNAVAILABLE', texts);
    const caught = await killed.redisProxy.catch('request', ({ name }) => name === 'HSETNX');
    killed.redis.pause();
    caught.pass();
    const verbs = ['totals acme', 'doctor', 'close', 'projects set acme --plan ship'];
    const all = verbs.map((words) => expectOneLine(onSilentRedis, words, 'REDIS_UNAVAILABLE', texts));
    await Promise.all([init, ...all]);
  };
  // A Redis that was restarted has to rewrite its file before anything else is asked of it.
  const silenceRewrite = async (): Promise<void> => {
    const url = `redis://127.0.0.1:${restartedProxy.port}`;
    const ends = expectOneLine(installation({ REDIS_URL: url }), 'totals acme', 'REDIS_UNAVAILABLE', [url]);
    const caught = await restartedProxy.catch('request', ({ name }) => name === 'BGREWRITEAOF');
    restarted.pause();
    caught.pass();
    await ends;
  };
  await Promise.all([
    silenceRewrite(),
    ...[pause(), expectOneLine(onPaused, 'init', 'KAFKA_UNAVAILABLE', [paused.proxied.KAFKA_BROKERS, kafka])],
    ...[kill(), expectOneLine(onKilled, 'init', 'KAFKA_UNAVAILABLE', [kafka])],
  ]);

  paused.kafka.resume();
  killed.redis.resume();
  await killed.kafka.restart();
  await Promise.all([onPaused, onKilled, onSilentRedis].map((tallyman) => tallyman.ok('init')));
  expect(await before.run(PUBLISH.split(' '), EVENT)).toMatchObject({ code: 0 });
}, 300_000);
