import type { Alert, Invoice, ProjectDocument } from '../../../schemas/types';

/** Valid documents of the ledgers that differ by their plan alone. */

export function invoiceValue(id: string, plan: string): string {
  const [, project = '', month = ''] = /^(.+)-(\d{4}-\d{2})(?:-CN)?$/.exec(id) ?? [];
  const at = `${month}-01T00:00:00.000Z`;
  const invoice: Invoice = {
    ...{ id, project, month, plan, number: `${project}-0001`, currency: 'USD', lines: [] },
    ...{ issuedAt: at, periodStart: at, periodEnd: at },
    ...{ subtotal: '0.00', credits: '0.00', tax: '0.00', total: '0.00' },
  };
  return JSON.stringify(invoice);
}

export function projectValue(project: string, plan: string): string {
  const document: ProjectDocument = { project, plans: [{ plan, from: '2026-01-01' }] };
  return JSON.stringify(document);
}

export function alertValue(id: string, plan: string): string {
  const alert: Alert = {
    ...{ id, project: 'acme', month: '2026-07', plan, kind: 'budget', name: 'Budget', percent: 80 },
    ...{ used: '8.00', limit: '10.00', unit: 'USD', at: '2026-07-20T00:00:00.000Z' },
  };
  return JSON.stringify(alert);
}
