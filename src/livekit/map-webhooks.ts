import type { Logger } from '../lib/logger';
import type { LiveKitMetrics } from './livekit-metrics';
import { usageOfWebhook, type LiveKitUsage, type MappingRules } from './usage-of-webhook';

/**
 * Maps the records of the webhooks' topic to usage events, counts what became of each, and names in the log what no rule
 * knows. A record that is read again gives the same events under the same ids.
 */
export function mapWebhooks(
  values: readonly (Buffer | null)[],
  rules: MappingRules,
  metrics: LiveKitMetrics,
  logger: Logger,
): LiveKitUsage[] {
  return values.flatMap((value) => {
    const webhook = objectOf(value);
    if (webhook === undefined) {
      metrics.mapped('malformed');
      logger.error(
        'a webhook is not a JSON object: it stays in the topic of the webhooks, and counts nothing',
      );
      return [];
    }
    const id = webhook['id'];
    const outcome = usageOfWebhook(webhook, rules);
    switch (outcome.kind) {
      case 'usage':
        metrics.mapped('usage');
        if (outcome.usage.subject === rules.projects.unattributed) metrics.unattributed();
        return [outcome.usage];
      case 'no_usage':
        metrics.mapped(outcome.why);
        return [];
      case 'unknown':
        metrics.unknown(outcome.field);
        logger.warn(
          { id, field: outcome.field, value: outcome.value },
          'a webhook is new to this version: left alone',
        );
        return [];
      case 'malformed':
        metrics.mapped('malformed');
        logger.error(
          { id, field: outcome.field, value: outcome.value },
          'a webhook lacks what its usage needs: it counts nothing',
        );
        return [];
    }
  });
}

function objectOf(value: Buffer | null): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(value?.toString('utf8') ?? '');
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
    return isObject ? (parsed as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
