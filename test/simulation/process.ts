import type { Scheduler } from 'fast-check';

/** What happens in a world happens when its scheduler says, and by its clock. */
export interface World {
  readonly scheduler: Scheduler;
  /** kafkajs without the workaround: goes over batches that hold no record, and tells nobody. */
  readonly hidesEmptyBatches: boolean;
  readonly isOver: boolean;
  /** 0 to n - 1, as the property has it. */
  choose(n: number): number;
  passTime(ms: number): void;
}

/** A process of ours, which may be killed between any two of its calls. */
export class Process {
  private isAlive = true;
  /** Calls that have not reached their server yet. */
  private readonly onTheWire = new Set<() => void>();

  constructor(
    readonly world: World,
    readonly name: string,
  ) {}

  get alive(): boolean {
    return this.isAlive;
  }

  /** What is on the wire arrives, or does not; no answer comes back. */
  kill(): void {
    this.isAlive = false;
    for (const arrive of this.onTheWire) if (this.world.choose(2) === 0) arrive();
    this.onTheWire.clear();
  }

  /**
   * A call to a server: takes effect when the scheduler gets to it, the answer comes later still.
   */
  async call<T>(label: string, effect: () => T): Promise<T> {
    this.onTheWire.add(effect);
    await this.turn(label);
    if (!this.alive) return never();
    this.onTheWire.delete(effect);
    const answer = effect();
    await this.turn(`${label}: answer`);
    return this.alive ? answer : never();
  }

  private turn(label: string): Promise<void> {
    return this.world.isOver || !this.alive
      ? never()
      : this.world.scheduler.schedule(Promise.resolve(), `${this.name}: ${label}`);
  }
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);
