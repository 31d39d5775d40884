import type { Context } from '../../installation/context';
import { publisherAtNeed } from '../../kafka/producer';
import { pause } from '../../lib/process/poller';
import { signalled } from '../../lib/process/stop-signal';
import { loadMappingRules } from '../mapping-file';
import { serveProbes } from '../../lib/health-server';
import { createTransferProbes } from './transfer-probes';
import { createTransferMeter } from './transfer-meter';

export interface RunTransferOptions {
  readonly urls: readonly string[];
  readonly project: string;
  readonly everyMs: number;
}

/** Reads the nodes until a signal comes. */
export async function runTransferMeter(
  context: Context,
  { urls, project, everyMs }: RunTransferOptions,
): Promise<void> {
  const { config, calendar, logger } = context;
  const { source } = loadMappingRules(config.livekit.mappingPath);
  const publisher = publisherAtNeed(context.kafka());
  const meter = createTransferMeter({
    onReading: (address, problem) => probes.noteReading(address, problem),
    ...{ urls, project, source, publisher, calendar, logger },
    prefix: config.prefix,
    store: await context.store(),
    nowMs: Date.now,
  });
  const probes = createTransferProbes(meter.addresses, Date.now);
  const server = await serveProbes(config.health, () => probes.readiness(), probes.registry, logger);
  const stopSignal = signalled();
  try {
    logger.info({ nodes: urls.length, project }, 'counting transfer');
    while (!stopSignal.stopped()) {
      try {
        await meter.read();
      } catch (error) {
        for (const address of meter.addresses) probes.noteReading(address, (error as Error).message);
        logger.warn({ err: error }, 'transfer could not be counted: it is counted with the next reading');
      }
      await pause(everyMs, stopSignal.signal);
    }
  } finally {
    await publisher.close();
    await server?.close();
    stopSignal.dispose();
  }
}
