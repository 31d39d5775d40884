import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../../src/oracle/random';
import type { Installation } from '../../kit/tallyman';
import { startTallyman, type ProcessEnd, type TallymanProcess } from '../support/tallyman-process';

const RESTART_MS = 700;

/** Consumer processes under a supervisor, which starts what ended again. */
export class Consumers {
  /** Ends that nobody looked at yet. */
  readonly ends: ProcessEnd[] = [];
  private slots: { current: TallymanProcess | undefined; ended: Promise<void> }[] = [];
  private isWanted = false;

  constructor(
    private readonly random: Random,
    /** An installation for the next process: its clock may be wrong. */
    private readonly nextInstallation: () => Installation,
    private readonly onEnd: (end: ProcessEnd) => void,
  ) {}

  start(count: number): void {
    if (this.isWanted) return;
    this.isWanted = true;
    this.slots = Array.from({ length: count }, () => {
      const slot: { current: TallymanProcess | undefined; ended: Promise<void> } = {
        ...{ current: undefined, ended: Promise.resolve() },
      };
      slot.ended = this.keep(slot);
      return slot;
    });
  }

  private async keep(slot: { current: TallymanProcess | undefined }): Promise<void> {
    while (this.isWanted) {
      slot.current = startTallyman(this.nextInstallation(), ['consume']);
      const end = await slot.current.ended();
      this.onEnd(end);
      this.ends.push(end);
      if (this.isWanted) await delay(RESTART_MS);
    }
  }

  private get running(): TallymanProcess[] {
    return this.slots.flatMap(({ current }) => (current && !current.end ? [current] : []));
  }

  /** SIGKILL to one, or to all. @returns how many */
  async kill(all: boolean): Promise<number> {
    const { running } = this;
    const victims = all || running.length === 0 ? running : [this.random.pick(running)];
    await Promise.all(victims.map((victim) => victim.kill()));
    return victims.length;
  }

  /**
   * One stands still and wakes up; the others are killed meanwhile. @returns how many were killed
   */
  async pause(forMs: number): Promise<number> {
    const { running } = this;
    if (running.length === 0) return 0;
    const sleeper = this.random.pick(running);
    const others = running.filter((consumer) => consumer !== sleeper);
    sleeper.pause();
    await delay(forMs / 2);
    await Promise.all(others.map((other) => other.kill()));
    await delay(forMs / 2);
    sleeper.resume();
    return others.length;
  }

  /** An orderly end of all. */
  async stop(): Promise<void> {
    this.isWanted = false;
    await Promise.all(this.slots.map(async ({ current }) => current?.stop()));
    await Promise.all(this.slots.map(({ ended }) => ended));
  }

  async abandon(): Promise<void> {
    this.isWanted = false;
    await Promise.all(this.slots.map(async ({ current }) => current?.kill()));
  }
}
