import type { Random } from './random';
import type { EventDraft } from './usage-draft';

/** A record to publish. `topic` has no prefix. */
export interface WorkloadRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timestampMs: number;
}

/** One record in ten is in CloudEvents' binary mode, the others in structured mode. */
export function writeRecord(random: Random, draft: EventDraft, timestampMs: number): WorkloadRecord {
  const { topic, project: key } = draft;
  if (random.chance(0.1)) return { topic, key, ...binary(draft), timestampMs };
  return { topic, key, value: json(structured(draft)), timestampMs };
}

export function structured({
  topic,
  id,
  source,
  project,
  time,
  data,
  type,
}: EventDraft): Record<string, unknown> {
  return { specversion: '1.0', id, source, type: type ?? `${topic}.v1`, subject: project, time, data };
}

export function binary({ topic, id, source, project, time, data, type }: EventDraft): {
  headers: Record<string, string>;
  value: Buffer;
} {
  return {
    headers: {
      ce_specversion: '1.0',
      ce_id: id,
      ce_source: source,
      ce_type: type ?? `${topic}.v1`,
      ce_subject: project,
      ce_time: time,
      'content-type': 'application/json',
    },
    value: json(data),
  };
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
