import type { Context } from '../../installation/context';
import { brokerClockSkew } from '../../kafka/checks/broker-time';
import type { Finding } from '../../lib/finding';

const CLOCK_SKEW_MAX_MS = 60_000;

export async function checkBrokerClock({ config, kafka }: Context): Promise<Finding[]> {
  const skewMs = await brokerClockSkew(kafka(), config.prefix);
  if (skewMs === undefined || Math.abs(skewMs) <= CLOCK_SKEW_MAX_MS) return [];
  return [
    {
      level: 'warning',
      subject: 'Kafka',
      problem: `the clock of a broker and this machine's differ by ${Math.round(Math.abs(skewMs) / 1000)} s`,
      remedy: 'synchronise the clocks by NTP: retention uses those of the brokers, and the close this one',
    },
  ];
}
