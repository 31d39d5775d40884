import type { Context } from '../../installation/context';
import { publisherAtNeed } from '../../kafka/producer';
import { pause } from '../../lib/process/poller';
import { signalled } from '../../lib/process/stop-signal';
import { loadMappingRules } from '../mapping-file';
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
    ...{ urls, project, source, publisher, calendar, logger },
    prefix: config.prefix,
    store: await context.store(),
    nowMs: Date.now,
  });
  const stopSignal = signalled();
  try {
    logger.info({ nodes: urls.length, project }, 'counting transfer');
    while (!stopSignal.stopped()) {
      try {
        await meter.read();
      } catch (error) {
        logger.warn({ err: error }, 'transfer could not be counted: it is counted with the next reading');
      }
      await pause(everyMs, stopSignal.signal);
    }
  } finally {
    await publisher.close();
    stopSignal.dispose();
  }
}
