import type { NativeService } from '../../../src/dev/services/service';
import type { FaultInstallation, FaultRun } from './fault-suite';
import { isRequest } from './proxy/kafka-protocol';
import type { Caught, Matches } from './proxy/proxy';
import { onRedis } from './proxy/redis-faults';

export const closeWords = (month: string): string[] => ['close', month, '--grace', '0s'];

/**
 * Whether a message to a server may change something there, by what Redis itself says of its
 * commands.
 */
export async function writesTo(redis: NativeService): Promise<Matches> {
  const writing = await onRedis(redis, (client) =>
    client.call('COMMAND', 'LIST', 'FILTERBY', 'ACLCAT', 'write'),
  );
  const names = new Set((writing as string[]).map((name) => name.toUpperCase()));
  const isProduce = isRequest('Produce');
  return (exchange) => names.has(exchange.name) || exchange.name.startsWith('EVAL') || isProduce(exchange);
}

/**
 * Starts a close and kills it when it is about to take a step: to write something, anywhere.
 * Between two of its steps nothing changes, so counting them up from 0 leaves every state behind
 * that a killed close can leave.
 *
 * @param step how many it has taken before
 * @returns whether it came so far; if not it has come to its end
 */
export async function killBeforeStep(
  run: FaultRun,
  { proxied }: FaultInstallation,
  month: string,
  writes: Matches,
  step: number,
): Promise<boolean> {
  const { redisProxy, kafkaProxy } = run.world;
  let taken = 0;
  const isStep: Matches = (exchange) => writes(exchange) && taken++ === step;
  const closing = run.start(proxied, ...closeWords(month));
  const caught = await Promise.race<Caught | undefined>([
    redisProxy.catch('request', isStep),
    kafkaProxy.catch('request', isStep),
    closing.ended().then(() => undefined),
  ]);
  if (caught) {
    await run.kill(closing);
    // Bytes that were sent may arrive after their sender's death: then it has taken the step.
    if (run.random.chance(0.2)) caught.pass();
    else caught.cut();
  } else {
    expect(closing.end).toMatchObject({ code: 0 });
  }
  await Promise.all([redisProxy.restore(), kafkaProxy.restore()]);
  return caught !== undefined;
}
