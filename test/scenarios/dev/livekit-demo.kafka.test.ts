import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { testBrokers, testRedisUrl } from '../../kit/services';

const DEMO = join(__dirname, '../../../dist/src/dev/demo.js');

test('the demo of LiveKit tells every story to a bridge, and the independent list agrees on every number', async () => {
  const env = {
    PATH: process.env['PATH'],
    KAFKA_BROKERS: testBrokers().join(','),
    REDIS_URL: testRedisUrl(),
  };
  const demo = spawn(process.execPath, [DEMO, '--livekit'], { env });
  let output = '';
  for (const stream of [demo.stdout, demo.stderr])
    stream.on('data', (chunk: Buffer) => (output += String(chunk)));
  const code = await new Promise((resolve) => demo.once('close', resolve));

  expect({ code, output }).toMatchObject({ code: 0 });
  const agreed = [...output.matchAll(/oracle agrees: (.*) \((\d+) numbers\)/g)].map(([, what, count]) => [
    what,
    count,
  ]);
  expect(agreed).toEqual([
    ['totals', '11'],
    ['dead letters', '0'],
    ['invoices', '2'],
    ['answers to a forged webhook, and sessions without an end', '2'],
  ]);
}, 400_000);
