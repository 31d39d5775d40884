import type { Alert } from '../../schemas/types';
import type { KafkaClient } from '../kafka/client';
import { readLedger } from '../kafka/ledger/ledger';

/** The alerts that were sent, the oldest first: all, or those of a project or a month. */
export async function readAlerts(
  kafka: KafkaClient,
  prefix: string,
  { project, month }: { readonly project?: string | undefined; readonly month?: string | undefined },
): Promise<Alert[]> {
  const alerts: Alert[] = [];
  await readLedger(kafka, prefix, 'billing.alerts', ({ document: alert }) => {
    if (alert === null) return;
    if (project !== undefined && alert.project !== project) return;
    if (month !== undefined && alert.month !== month) return;
    alerts.push(alert);
  });
  return alerts;
}
