import type { ServiceHandle } from './service';

/** The ways to get a service on this machine. */
export interface Ways {
  /** For messages: `Kafka`, `Redis`. */
  readonly name: string;
  /** The environment's variable that names a server to use. */
  readonly variable: string;
  readonly given: string | undefined;
  /** Absent if Docker must not be used. */
  readonly docker:
    { readonly answers: () => Promise<boolean>; readonly start: () => Promise<ServiceHandle> } | undefined;
  readonly startNative: () => Promise<ServiceHandle>;
}

/**
 * Returns the first of: the given server, Docker if an engine answers and can start it, this
 * machine's own. An engine that answers may be unable to pull an image. Then its failure is
 * reported, and the machine's own is tried.
 *
 * @throws what `startNative` throws; it names what to install
 */
export async function obtainService(ways: Ways, log: (line: string) => void): Promise<ServiceHandle> {
  const given = ways.given?.trim();
  if (given) return { origin: ways.variable, address: given, stop: () => Promise.resolve() };
  if (ways.docker && (await ways.docker.answers())) {
    try {
      return await ways.docker.start();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log(`${ways.name}: the Docker engine did not start it (${reason}). Starting it without Docker.`);
    }
  }
  return ways.startNative();
}
