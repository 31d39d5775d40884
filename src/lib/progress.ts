/** Shows the progress of long work. `total` may be unknown. */
export interface Progress {
  update(done: number, total?: number, note?: string): void;
  end(note?: string): void;
}

const BAR_WIDTH = 28;
/**
 * A terminal is redrawn at most this often. Otherwise one plain line is written per
 * `PLAIN_INTERVAL_MS`.
 */
const DRAW_INTERVAL_MS = 100;
const PLAIN_INTERVAL_MS = 5_000;

/**
 * A bar on a terminal, otherwise a plain line every few seconds. Both go to stderr, so that stdout
 * stays clean.
 */
export function createProgress(label: string, stream: NodeJS.WriteStream = process.stderr): Progress {
  const startedAt = performance.now();
  let lastDrawnAt = stream.isTTY ? Number.NEGATIVE_INFINITY : startedAt;
  const describe = (done: number, total: number | undefined, note: string | undefined): string => {
    const elapsedMs = Math.max(1, performance.now() - startedAt);
    const rate = Math.round((done / elapsedMs) * 1000).toLocaleString('en-US');
    const count = `${done.toLocaleString('en-US')}${total === undefined ? '' : ` / ${total.toLocaleString('en-US')}`}`;
    return `${count}  ${rate}/s${note === undefined ? '' : `  ${note}`}`;
  };
  const bar = (done: number, total: number): string => {
    const filled = total === 0 ? BAR_WIDTH : Math.min(BAR_WIDTH, Math.floor((done / total) * BAR_WIDTH));
    return `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] `;
  };
  return {
    update(done, total, note) {
      const now = performance.now();
      if (now - lastDrawnAt < (stream.isTTY ? DRAW_INTERVAL_MS : PLAIN_INTERVAL_MS)) return;
      lastDrawnAt = now;
      const text = describe(done, total, note);
      if (stream.isTTY)
        stream.write(`\r\x1b[K  ${label} ${total === undefined ? '' : bar(done, total)}${text}`);
      else stream.write(`  ${label}: ${text}\n`);
    },
    end(note) {
      if (stream.isTTY) stream.write('\r\x1b[K');
      if (note !== undefined) stream.write(`  ${label}: ${note}\n`);
    },
  };
}
