import { TallymanError } from '../../lib/errors';
import type { KafkaClient } from '../../kafka/client';
import type { LogRecord } from '../../kafka/wire/record-batch';

const MAX_WAIT_MS = 500;
const FETCH_BYTES = 4 * 1_048_576;
const STALL_LIMIT_MS = 30_000;

/**
 * Reads a partition up to one offset after the other. Records that a fetch returned beyond the
 * offset are kept for the next call, so that many small steps need few fetches.
 */
export class LogTail {
  private kept: readonly LogRecord[] = [];
  /** The offset after all that was fetched. */
  private fetched: number;

  constructor(
    private readonly client: KafkaClient,
    private readonly place: { readonly topic: string; readonly partition: number },
    from: number,
  ) {
    this.fetched = from;
  }

  /**
   * The committed records below `to` that were not returned yet.
   *
   * @throws TallymanError `EVENTS_GONE`; `LOG_STALLED` when the log does not reach `to`
   */
  async *upTo(to: number): AsyncGenerator<readonly LogRecord[], void, undefined> {
    let progressAt = performance.now();
    for (;;) {
      const below = this.kept.findIndex(({ offset }) => offset >= to);
      const shown = below < 0 ? this.kept : this.kept.slice(0, below);
      this.kept = below < 0 ? [] : this.kept.slice(below);
      if (shown.length > 0) yield shown;
      if (this.fetched >= to) return;
      const reader = await this.client.reader();
      const { records, next } = await reader.fetch({
        ...{ ...this.place, position: this.fetched },
        ...{ maxWaitMs: MAX_WAIT_MS, maxBytes: FETCH_BYTES },
      });
      if (next > this.fetched) progressAt = performance.now();
      else if (performance.now() - progressAt > STALL_LIMIT_MS) {
        const { topic, partition } = this.place;
        throw new TallymanError(
          'LOG_STALLED',
          `${topic} partition ${partition} shows nothing from offset ${this.fetched} on, although it should reach ${to}. ` +
            'A transaction may be open.',
          { ...this.place, position: this.fetched, to },
        );
      }
      this.fetched = next;
      this.kept = records;
    }
  }
}
