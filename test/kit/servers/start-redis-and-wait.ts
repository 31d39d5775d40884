import { startNativeRedis } from '../../../src/dev/services/native-redis';

/**
 * A program that starts a Redis, says where, and never stops it: it waits to be ended, or throws
 * when told `throw`.
 */
async function main(): Promise<void> {
  const { port, dataDir } = await startNativeRedis(() => undefined);
  process.stdout.write(`${JSON.stringify({ port, dataDir })}\n`);
  if (process.argv[2] === 'throw') throw new Error('on purpose');
  if (process.argv[2] === 'exit') process.exit(0);
}

void main();
