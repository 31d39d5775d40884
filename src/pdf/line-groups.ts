import type { InvoiceLine } from '../billing/invoice/invoice';

/** Lines that stand together under one heading, in the invoice's order. */
export interface LineGroup {
  readonly title: string;
  readonly lines: readonly InvoiceLine[];
}

/** Headings in the order of the page, and which lines come under each. The first that holds is a line's. */
const groups: readonly (readonly [title: string, holds: (line: InvoiceLine) => boolean])[] = [
  ['Plan', ({ kind }) => kind === 'plan'],
  ['Late usage of earlier months', ({ kind }) => kind === 'late'],
  ['Credits', ({ kind }) => kind === 'credit'],
  ['Tax', ({ kind }) => kind === 'tax'],
  ['Agents', ({ meter }) => is(meter, 'agent.')],
  ['Realtime', ({ meter }) => is(meter, 'session.webrtc') || is(meter, 'transfer.')],
  ['Telephony', ({ meter }) => is(meter, 'session.sip.')],
  ['Recording and streaming', ({ meter }) => is(meter, 'session.egress.') || is(meter, 'session.ingress.')],
  ['Inference', ({ meter }) => is(meter, 'inference.')],
  ['Other usage', () => true],
];
const pageOrder = [
  'Plan',
  'Agents',
  'Realtime',
  'Telephony',
  'Recording and streaming',
  'Inference',
  'Other usage',
  'Late usage of earlier months',
  'Credits',
  'Tax',
];

/** Puts an invoice's lines under headings; every line under exactly one. */
export function lineGroups(lines: readonly InvoiceLine[]): LineGroup[] {
  const found = new Map<string, InvoiceLine[]>();
  for (const line of lines) {
    const [title] = groups.find(([, holds]) => holds(line))!;
    found.set(title, [...(found.get(title) ?? []), line]);
  }
  return pageOrder.flatMap((title) => {
    const under = found.get(title);
    return under === undefined ? [] : [{ title, lines: under }];
  });
}

function is(meter: string | undefined, prefix: string): boolean {
  return meter?.startsWith(prefix) ?? false;
}
