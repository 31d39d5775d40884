/** A Kafka or a Redis that is ready, wherever it came from. */
export interface ServiceHandle {
  /** Where it comes from, for a person: `REDIS_URL`, `Docker`, `redis-server`. */
  readonly origin: string;
  /**
   * `host:port`. A given Kafka may have several, separated by commas. A given Redis has its URL
   * here.
   */
  readonly address: string;
  /** Stops what was started here and removes its data. A given server is left alone. */
  stop(): Promise<void>;
}

/** A server that runs as a process of this machine, and can be made to fail. */
export interface NativeService extends ServiceHandle {
  readonly port: number;
  /** The pid of the running process, or of the last one if it is down. */
  readonly pid: number;
  /** Its data. It survives `kill` and `restart`, and is removed at `stop`. */
  readonly dataDir: string;
  /** Sends a signal and waits until the process is gone. */
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Freezes the process (SIGSTOP). Connections stay open, and nobody answers. */
  pause(): void;
  resume(): void;
  /**
   * Starts it again with the same port and data, after an orderly stop if it still runs. Waits
   * until it answers.
   */
  restart(): Promise<void>;
}
