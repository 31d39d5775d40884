import { checkHealth, type Health } from '../ingest/health/check-health';
import type { LogWatch } from '../ingest/health/log-position';
import type { LedgerWatch } from '../installation/ledgers/watch-ledgers';
import type { Config } from '../lib/config';
import type { Store } from '../redis/store';

interface HealthSources {
  readonly config: Pick<Config, 'health'>;
  readonly store: Store;
  readonly logWatch: LogWatch;
  readonly ledgerWatch: Pick<LedgerWatch, 'problem'>;
}

/** The health of the installation, as far as the watches have seen it. */
export const installationHealth = (
  { config, logWatch, ledgerWatch }: Omit<HealthSources, 'store'>,
  storeProblem?: string,
): Health =>
  checkHealth({
    loops: [],
    storeProblem,
    position: logWatch.position(),
    positionProblem: logWatch.problem(),
    ledgerProblem: ledgerWatch.problem(),
    stuckAfterMs: config.health.stuckAfterMs,
  });

/** The same, after a question to Redis. */
export async function askInstallationHealth(sources: HealthSources): Promise<Health> {
  const storeProblem = await sources.store.redis.ping().then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  return installationHealth(sources, storeProblem);
}
