import type { FaultInstallation, FaultRun } from '../support/fault-suite';
import type { TallymanProcess } from '../support/tallyman-process';

/** Keeps consumer processes running, as a supervisor does: one that ends is started again. */
export interface Supervisor {
  /** How often one had to be started again. */
  readonly restarts: number;
  /** Stops them in an orderly way. */
  stop(): Promise<void>;
}

export function supervise(run: FaultRun, tallyman: FaultInstallation, processes: number): Supervisor {
  let restarts = -processes;
  let isStopped = false;
  const running = new Set<TallymanProcess>();
  const keepOne = async (): Promise<void> => {
    while (!isStopped) {
      restarts += 1;
      const consumer = run.consume(tallyman);
      running.add(consumer);
      await consumer.ended();
      running.delete(consumer);
    }
  };
  const kept = Array.from({ length: processes }, () => keepOne());
  return {
    get restarts() {
      return restarts;
    },
    async stop() {
      isStopped = true;
      await Promise.all([...running].map((consumer) => consumer.stop()));
      await Promise.all(kept);
    },
  };
}
