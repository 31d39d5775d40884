import type { FaultInstallation, Supervised } from '../support/fault-suite';
import type { Load } from '../support/load';
import { install, type ClusterRun } from './cluster-world';

/** Until it is stopped. */
const LOAD = { events: 400_000, perSecond: 1_000, isPatient: true };

/** An installation that is at work. */
export interface Counting {
  readonly tallyman: FaultInstallation;
  readonly load: Load;
  readonly consumers: readonly Supervised[];
}

export async function counting(run: ClusterRun): Promise<Counting> {
  const tallyman = await install(run);
  const load = run.load(tallyman, LOAD);
  const consumers = [run.supervise(tallyman), run.supervise(tallyman)];
  // A consumer that loses a server while it starts ends, and its supervisor starts it again.
  for (const consumer of consumers) await run.joined(consumer);
  await run.progress(tallyman);
  return { tallyman, load, consumers };
}

/** Everything was counted once, and no consumer has ended meanwhile. */
export async function end(run: ClusterRun, { tallyman, load, consumers }: Counting): Promise<void> {
  await load.stop();
  await run.settle(tallyman, load.published);
  expect(consumers.flatMap(({ ends }) => ends)).toEqual([]);
  await Promise.all(consumers.map((consumer) => consumer.stop()));
  await run.finish(tallyman);
  // A producer that tries again may have written a batch twice.
  await run.judge(tallyman);
}
