import type { KafkaMessage } from 'kafkajs';

/** What a short consumer makes of an event: no schema, milliseconds, floats. */
export interface NaiveEvent {
  readonly id: string;
  readonly project: string;
  readonly month: string;
  readonly quantities: readonly (readonly [meter: string, quantity: number])[];
}

type Fields = Record<string, string | number | boolean | undefined>;

export function readNaively({ value, headers }: KafkaMessage): NaiveEvent | undefined {
  try {
    const document = JSON.parse(String(value)) as Fields & { data: Fields };
    const isBinary = headers?.['ce_id'] !== undefined;
    const attribute = (name: string): string =>
      String(isBinary ? headers[`ce_${name}`] : (document as Fields)[name]);
    const data: Fields = isBinary ? document : document.data;
    return {
      id: attribute('id'),
      project: attribute('subject'),
      month: new Date(attribute('time')).toISOString().slice(0, 7),
      quantities: quantitiesOf(attribute('type'), data),
    };
  } catch {
    return undefined;
  }
}

const DEFAULT_VARIANTS: Readonly<Record<string, string>> = {
  sip: 'third_party',
  ingress: 'transcoded',
  egress: 'video',
  connector: 'other',
};

function quantitiesOf(type: string, data: Fields): [string, number][] {
  const { service, variant, direction, kind, model } = data;
  switch (type) {
    case 'usage.session.v1':
      if (service === 'webrtc') return [['session.webrtc', minutes(data)]];
      return [
        [`session.${String(service)}.${String(variant ?? DEFAULT_VARIANTS[String(service)])}`, minutes(data)],
      ];
    case 'usage.transfer.v1':
      return [[`transfer.${String(direction)}`, Math.ceil(Number(data['bytes']) / 1e7) * 1e7]];
    case 'usage.agent.v1':
      return [
        ['agent.session', minutes(data)],
        ...(data['recorded'] === true ? [['agent.recording', minutes(data)] as [string, number]] : []),
        ...(data['voiceIsolation'] === true
          ? [['agent.voice_isolation', minutes(data)] as [string, number]]
          : []),
        ['agent.events', Number(data['observabilityEvents'] ?? 0)],
      ];
    case 'usage.inference.v1':
      if (kind === 'stt') return [[`inference.stt/${String(model)}`, Math.ceil(lengthMs(data) / 1000)]];
      if (kind === 'tts') return [[`inference.tts/${String(model)}`, Number(data['characters'])]];
      return [
        [`inference.llm.input/${String(model)}`, Number(data['inputTokens'])],
        [`inference.llm.cached_input/${String(model)}`, Number(data['cachedInputTokens'] ?? 0)],
        [`inference.llm.output/${String(model)}`, Number(data['outputTokens'])],
      ];
    default:
      return [];
  }
}

function minutes(data: Fields): number {
  return Math.ceil(lengthMs(data) / 60_000) * 60;
}

function lengthMs({ startedAt, endedAt, durationMs }: Fields): number {
  if (typeof startedAt === 'string' && typeof endedAt === 'string')
    return Date.parse(endedAt) - Date.parse(startedAt);
  return Number(durationMs);
}

export const naiveIdKey = (id: string): string => `naive:id:${id}`;
export const naiveTotalsKey = (month: string, project: string): string => `naive:totals:${month}:${project}`;
export const NAIVE_ID_SECONDS = 60 * 86_400;
