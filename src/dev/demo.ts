import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { printLine } from '../cli/lib/output';
import { printsStacks } from '../lib/config';
import { heading } from './demo/demo-steps';
import { demonstrateLiveKit } from './demo/livekit-demo';
import { demonstrateMonths } from './demo/month-demo';
import { startServices } from './services/services';

/** `npm run demo -- [--livekit] [--serve]` */
async function demo(): Promise<void> {
  const { values } = parseArgs({ options: { livekit: { type: 'boolean' }, serve: { type: 'boolean' } } });
  const startedAt = performance.now();
  heading('Kafka and Redis');
  const services = await startServices({ docker: 'compose', log: (line) => printLine(`  ${line}`) });
  for (const [name, { origin, address }] of [
    ['Kafka', services.kafka],
    ['Redis', services.redis],
  ] as const)
    printLine(`  ${name}: ${origin}, ${address}`);
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-demo-'));
  const setUpAt = performance.now();
  try {
    const demonstrate = values.livekit ? demonstrateLiveKit : demonstrateMonths;
    await demonstrate(services, folder, values.serve ?? false);
  } finally {
    await services.stop();
    await rm(folder, { recursive: true, force: true });
  }
  const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1);
  printLine();
  printLine(
    `Done in ${seconds(setUpAt, performance.now())} s after ${seconds(startedAt, setUpAt)} s of set-up. Kafka and Redis are stopped.`,
  );
}

demo().catch((error: unknown) => {
  const isKnown = error instanceof Error && !printsStacks();
  process.stderr.write(`demo failed: ${isKnown ? error.message : String((error as Error).stack)}\n`);
  process.exitCode = 1;
});
