import { aliasesIn, type Catalog } from '../billing/catalog/catalog';
import type { Invoice } from '../billing/invoice/invoice';
import type { Progress } from '../lib/progress';
import { createLineExplainer, linesToExplain, type Explained, type ExplainContext } from './explain-invoice';
import type { ExplainedEvent } from './explain-line';

/** Turns an explanation into text, each event as it is found: a line may have millions of them. */
export interface ExplanationWriter {
  begin(): string;
  beginLine(number: number): string;
  event(event: ExplainedEvent): string;
  endLine(explained: Explained): string;
  end(): string;
}

export interface ExplanationOptions {
  readonly invoice: Invoice;
  /** A line's number, from 1; every line that is based on events by default. */
  readonly line: number | undefined;
  readonly catalog: Catalog;
  readonly progress: Progress;
  readonly writer: ExplanationWriter;
  /** Resolves when it takes more text. */
  readonly write: (text: string) => Promise<void>;
}

/**
 * Writes the events behind the lines of an invoice.
 *
 * @returns whether the events of every line add up to it
 * @throws TallymanError `NO_USAGE_LINE` before anything is written
 */
export async function writeExplanation(
  context: ExplainContext,
  { invoice, line, catalog, progress, writer, write }: ExplanationOptions,
): Promise<boolean> {
  const subjects = linesToExplain(invoice, line, (month) => aliasesIn(catalog.aliases, month));
  const explainLine = createLineExplainer(context, invoice, progress);
  let agrees = true;
  await write(writer.begin());
  for (const { number, subject } of subjects) {
    await write(writer.beginLine(number));
    const explained = await explainLine(subject, (event) => write(writer.event(event)));
    agrees &&= explained.agrees;
    await write(writer.endLine(explained));
  }
  await write(writer.end());
  return agrees;
}

/** One JSON document: `tallyman explain --json`, and the answer of the API. */
export function jsonExplanation(invoice: Invoice): ExplanationWriter {
  let lines = 0;
  let events = 0;
  return {
    begin: () => `{"invoice":${JSON.stringify(invoice.id)},"lines":[`,
    beginLine: (number) => {
      events = 0;
      const line = JSON.stringify({ number, ...invoice.lines[number - 1]! });
      return `${(lines += 1) > 1 ? ',' : ''}\n{"line":${line},"events":[`;
    },
    event: (event) => `${(events += 1) > 1 ? ',' : ''}\n${JSON.stringify(event)}`,
    endLine: (explained) => `],\n${JSON.stringify(explained).slice(1)}`,
    end: () => ']}\n',
  };
}
