import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseCopy } from '../lib/document';
import { eachConcurrently } from '../lib/process/concurrently';
import type { Progress } from '../lib/progress';
import { eachInvoiceOfMonth, invoicedInOrder } from '../redis/views/invoices';
import type { Store } from '../redis/store';
import { createPdfRenderer, type PdfRenderer } from './pdf-renderer';

export interface MonthPdfs {
  readonly store: Store;
  readonly month: string;
  /** It is created if it does not exist. */
  readonly folder: string;
  readonly progress: Progress;
  readonly isStopped: () => boolean;
}

export interface MonthPdfsReport {
  readonly written: number;
  /** Files that were there already. An issued document never changes, so they are right. */
  readonly kept: number;
}

/**
 * Writes all invoices and credit notes of a month as `<id>.pdf`, on as many threads as there are
 * cores. A file is there whole or not at all, so a run that was stopped can be repeated.
 *
 * @throws the file system's errors; TallymanError `FONT_MISSING`
 */
export async function writeMonthPdfs({
  store,
  month,
  folder,
  progress,
  isStopped,
}: MonthPdfs): Promise<MonthPdfsReport> {
  await mkdir(folder, { recursive: true });
  const projects = await invoicedInOrder(store, month);
  let [written, kept, done] = [0, 0, 0];
  const renderers = Array.from({ length: availableParallelism() }, () => createPdfRenderer());
  const free = [...renderers];
  try {
    const all = eachInvoiceOfMonth(store, projects, month);
    await eachConcurrently(all, renderers.length, async ({ documents }) => {
      if (isStopped()) return;
      const renderer = free.pop()!;
      for (const document of documents) {
        if (await writePdf(renderer, folder, document)) written += 1;
        else kept += 1;
      }
      free.push(renderer);
      progress.update((done += 1), projects.length);
    });
  } finally {
    await Promise.all(renderers.map((renderer) => renderer.close()));
  }
  return { written, kept };
}

/** @returns false if the file is there already */
async function writePdf(renderer: PdfRenderer, folder: string, document: string): Promise<boolean> {
  const { id } = parseCopy('invoice.v1.json', document, 'an invoice');
  const file = join(folder, `${id}.pdf`);
  if (await exists(file)) return false;
  const pdf = await renderer.render(document)!;
  const draft = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(draft, pdf);
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
  return true;
}

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
