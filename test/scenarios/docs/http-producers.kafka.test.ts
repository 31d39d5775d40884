import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../../src/dev/services/free-port';
import { eventually } from '../../kit/eventually';
import { installation } from '../../kit/tallyman';
import { documentedTotals } from '../../kit/usage/documented-totals';

const run = promisify(execFile);
const SAMPLES = join(__dirname, '../../../src/web/gateway/samples');
/** A language is compiled, and a program tries again for a while. */
const TIMEOUT_MS = 300_000;

/** A program's file, and the command that runs it. */
const programs = [
  ['curl', 'post-events.sh', ['sh', '-eu']],
  ['node', 'post-events.js', [process.execPath]],
  ['python3', 'post-events.py', ['python3']],
  ['go', 'post-events.go', ['go', 'run']],
] as const;

const isHere = (command: string): boolean =>
  spawnSync(command, [command === 'go' ? 'version' : '--version']).status === 0;

describe.each(programs)('the program for %s', (command, file, [interpreter, ...words]) => {
  const [name, runs] = isHere(command)
    ? ['publishes what the page says, once, if it is run twice', test]
    : [`is not run: this machine has no ${command}`, test.skip];
  runs(
    name,
    async () => {
      const port = await freePort();
      const url = `http://127.0.0.1:${port}`;
      const tallyman = installation({
        TALLYMAN_AUTH_SECRET: 'a secret of the tests, more than 32 bytes long',
        TALLYMAN_PORT: String(port),
      });
      await tallyman.ok('init', '--partitions', '2');
      const token = (await tallyman.ok('token', 'acme', '--role', 'producer')).trim();
      const gateway = tallyman.start('gateway');
      const closed = new Promise((resolve) => gateway.once('close', resolve));
      const folder = mkdtempSync(join(tmpdir(), 'tallyman-sample-'));
      try {
        await eventually(() => fetch(url), { timeoutMs: 60_000, what: 'the gateway listens' });
        const env = { ...process.env, TALLYMAN_URL: url, TALLYMAN_TOKEN: token, GOFLAGS: '' };
        for (let time = 0; time < 2; time += 1) {
          await run(interpreter, [...words, join(SAMPLES, file)], { env, cwd: folder });
        }
      } finally {
        gateway.kill('SIGTERM');
        await closed;
        rmSync(folder, { recursive: true, force: true });
      }
      await tallyman.ok('consume', '--until-caught-up');
      expect((await tallyman.json<{ totals: object }>('totals', 'acme')).totals).toEqual(documentedTotals);
    },
    TIMEOUT_MS,
  );
});
