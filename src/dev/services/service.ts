/** A Kafka or a Redis that can be used, wherever it came from. */
export interface ServiceHandle {
  /** Where it comes from, for a person: `REDIS_URL`, `Docker`, `redis-server`. */
  readonly origin: string;
  /** `host:port`; of a Kafka that was given, several by commas; of a Redis that was given, its URL as given. */
  readonly address: string;
  /** Stops what was started here and removes its data; a given server is left alone. */
  stop(): Promise<void>;
}

/** A server that runs as a process of this machine, and can be made to fail. */
export interface NativeService extends ServiceHandle {
  readonly port: number;
  /** Of the running process; the last one's when it is down. */
  readonly pid: number;
  /** Its data. Stays through `kill` and `restart`, goes at `stop`. */
  readonly dataDir: string;
  /** Sends a signal and waits until the process is gone. */
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Freezes the process (SIGSTOP): connections stay open and nobody answers. */
  pause(): void;
  resume(): void;
  /** Starts it again on the same port and data, after an orderly stop if it still runs; waits until it answers. */
  restart(): Promise<void>;
}
