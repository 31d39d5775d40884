import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../../src/dev/services/free-port';
import { eventually } from '../../../kit/eventually';
import { startProbed } from '../../../kit/probed';
import { installation, type Installation } from '../../../kit/tallyman';

let tallyman: Installation;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tallyman-healthcheck-'));
  tallyman = installation();
  await tallyman.ok('init', '--partitions', '2');
});
afterAll(() => rm(folder, { recursive: true }));

test.each([
  [['consume']],
  [['serve']],
  [['gateway']],
  [['bridge', 'livekit']],
  [['alerts', 'watch']],
  [['verify', '--follow', '--state', 'STATE']],
  [['verify', '--every', '1h']],
  [['close', '--every', '1h']],
])(
  '%j is healthy while it runs, and not any more when it is gone',
  async (words) => {
    const [health, web] = [String(await freePort()), String(await freePort())];
    const env = {
      ...{ ...tallyman.env, TALLYMAN_HEALTH_PORT: health, TALLYMAN_PORT: web },
      ...{ TALLYMAN_AUTH_SECRET: '0'.repeat(32), LIVEKIT_API_KEY: 'key', LIVEKIT_API_SECRET: 'secret' },
    };
    const asked = installation(env);
    const child = asked.start(...words.map((word) => (word === 'STATE' ? join(folder, 'state') : word)));
    child.stdout?.resume();
    child.stderr?.resume();
    const ended = once(child, 'close');
    try {
      await eventually(async () => (await asked.run(['healthcheck'])).code === 0, {
        timeoutMs: 60_000,
        what: `${words.join(' ')} is healthy`,
      });
    } finally {
      child.kill('SIGTERM');
    }
    expect(await ended).toEqual([0, null]);
    expect(await asked.run(['healthcheck'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('NOT_HEALTHY'),
    });
  },
  120_000,
);

test('a run that fails is reported at /readyz, and the next one is right again', async () => {
  const fresh = installation();
  const verify = await startProbed(fresh, ['verify', '--every', '1s']);
  try {
    const failed = await verify.becomes(503);
    expect(failed.problems).toMatchObject([{ code: 'TOPICS_MISSING', subject: 'verify' }]);
    await fresh.ok('init', '--partitions', '2');
    expect(await verify.becomes(200)).toEqual({ ready: true, problems: [] });
    expect(verify.log()).toContain('the run failed');
  } finally {
    await verify.kill();
  }
}, 120_000);
