import type { DeadLetters, RejectedRecord } from './dead-letter';

/** Publishes the dead letters of one partition once, however often their chunk is tried. */
export class PublishOnce {
  /** Offset -> the leader epoch of its record, for letters of chunks that are not applied yet. */
  private readonly published = new Map<number, number | undefined>();

  constructor(
    private readonly deadLetters: DeadLetters,
    private readonly onPublished: (records: readonly RejectedRecord[]) => void,
  ) {}

  /** @param epoch of the records: in another epoch, the same offset may hold another record */
  async publish(records: readonly RejectedRecord[], epoch: number | undefined): Promise<void> {
    const isPublished = (offset: number): boolean =>
      this.published.has(offset) && this.published.get(offset) === epoch;
    const fresh = records.filter(({ offset }) => !isPublished(offset));
    if (fresh.length === 0) return;
    await this.deadLetters.publish(fresh);
    for (const { offset } of fresh) this.published.set(offset, epoch);
    this.onPublished(fresh);
  }

  /** Forgets what is before the cursor, because it is not tried again. */
  forgetBefore(cursor: number): void {
    for (const offset of this.published.keys()) if (offset < cursor) this.published.delete(offset);
  }
}
