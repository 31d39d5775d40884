import { hidePassword } from '../lib/setting-kinds';
import type { Context } from './context';

/**
 * Logs the first line of a process that stays: its version and its settings, without secrets.
 *
 * @param more what this verb watches, from its options
 */
export function logStart(
  { config, logger }: Context,
  verb: string,
  version: string,
  more: Readonly<Record<string, unknown>> = {},
): void {
  const { kafka, redisUrl, prefix, billingZone, rounding, limits, catalogPath, sellerPath } = config;
  logger.info(
    {
      verb,
      version,
      node: process.version,
      kafka: {
        brokers: kafka.brokers,
        tls: kafka.ssl !== undefined,
        ...(kafka.sasl && { sasl: kafka.sasl.mechanism, username: kafka.sasl.username }),
      },
      redis: redisUrl.split(',').map(hidePassword).join(','),
      ...(prefix !== '' && { prefix }),
      ...{ billingZone, rounding, limits },
      catalog: catalogPath ?? 'built in',
      ...(sellerPath !== undefined && { seller: sellerPath }),
      ...more,
    },
    'starting',
  );
}
