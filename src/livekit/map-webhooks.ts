import type { Logger } from '../lib/logger';
import type { LiveKitMetrics } from './livekit-metrics';
import { usageOfWebhook, type LiveKitUsage, type MappingRules } from './usage-of-webhook';

/** A webhook as parsed from its JSON. */
export type Webhook = Readonly<Record<string, unknown>>;

/**
 * The webhooks among the records of their topic. Other records are logged, and stay in the topic.
 */
export function webhooksIn(
  values: readonly (Buffer | null)[],
  metrics: LiveKitMetrics,
  logger: Logger,
): Webhook[] {
  return values.flatMap((value) => {
    const webhook = objectOf(value);
    if (webhook !== undefined) return [webhook];
    metrics.mapped('malformed');
    logger.error('a webhook is not a JSON object; it stays in its topic and counts nothing');
    return [];
  });
}

/**
 * Maps a webhook to the usage that it reports, if any, and counts the outcome. Unknown kinds are
 * logged. A webhook that is read again gives the same usage with the same id.
 */
export function mapWebhook(
  webhook: Webhook,
  rules: MappingRules,
  metrics: LiveKitMetrics,
  logger: Logger,
): LiveKitUsage | undefined {
  const id = webhook['id'];
  const outcome = usageOfWebhook(webhook, rules);
  switch (outcome.kind) {
    case 'usage':
      metrics.mapped('usage');
      if (outcome.usage.subject === rules.projects.unattributed) metrics.unattributed();
      return outcome.usage;
    case 'no_usage':
      metrics.mapped(outcome.why);
      return undefined;
    case 'unknown':
      metrics.unknown(outcome.field);
      logger.warn({ id, field: outcome.field, value: outcome.value }, 'unknown kind of webhook; ignored');
      return undefined;
    case 'malformed':
      metrics.mapped('malformed');
      logger.error(
        { id, field: outcome.field, value: outcome.value },
        'a webhook lacks fields that its usage needs; it counts nothing',
      );
      return undefined;
  }
}

function objectOf(value: Buffer | null): Webhook | undefined {
  try {
    const parsed: unknown = JSON.parse(value?.toString('utf8') ?? '');
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
    return isObject ? (parsed as Webhook) : undefined;
  } catch {
    return undefined;
  }
}
