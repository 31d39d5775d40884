import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * The tests' fixtures: what a real livekit-server sent, and the usage that an independent program
 * derives from it.
 */

const FOLDER = join(__dirname, '../../../../test/kit/fixtures/livekit');

/** The server listened on loopback only, and is gone. */
export const RECORDED_KEY = 'devkey';
export const RECORDED_SECRET = 'a-development-secret-of-32-characters';
export const RECORDED_MONTH = '2026-11';
export const RECORDED_SOURCE = '/livekit/example';

export interface Story {
  readonly name: string;
  /** Each one as it arrived, byte for byte. */
  readonly bodies: readonly string[];
  /** The time of the last webhook. */
  readonly lastSeconds: number;
}

interface Delivery {
  readonly body: string;
}

export interface ExpectedEvent {
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A story is a file, or a folder with webhooks of services that could not be recorded. */
export function readStories(): Story[] {
  const stories = new Map<string, string[]>();
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.json'),
  );
  for (const file of files.sort()) {
    const read = JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as
      Delivery | { deliveries: Delivery[] };
    const bodies = ('deliveries' in read ? read.deliveries : [read]).map(({ body }) => body);
    const name = storyOf(file);
    stories.set(name, [...(stories.get(name) ?? []), ...bodies]);
  }
  return [...stories].map(([name, bodies]) => ({ name, bodies, lastSeconds: createdAt(bodies.at(-1)!) }));
}

/** `webhooks-derived/acme.phone/0018-participant_left.json` -> `acme.phone` */
function storyOf(file: string): string {
  const folder = basename(dirname(file));
  return folder === 'webhooks' ? `acme.${basename(file, '.json')}` : folder;
}

function createdAt(body: string): number {
  return Number((JSON.parse(body) as { createdAt: string }).createdAt);
}

/**
 * The same webhook some seconds later, otherwise byte for byte. LiveKit uses s, ms and ns, which
 * differ by their length.
 */
export function movedBy(body: string, seconds: number): string {
  const times = /("(?:creationTime|createdAt|joinedAt|startedAt|endedAt|updatedAt)(?:Ms)?":\s*")(\d+)"/g;
  return body.replace(times, (_, before: string, digits: string) => {
    const perSecond = 10n ** BigInt(digits.length - 10);
    return `${before}${BigInt(digits) + BigInt(seconds) * perSecond}"`;
  });
}

/**
 * The usage in the webhooks by a program that shares no code with the bridge, moved by whole days.
 */
export function expectedEvents(
  movedSeconds: number,
  projectOfRoom: Readonly<Record<string, string>>,
): ExpectedEvent[] {
  const later = (time: unknown): string => {
    const text = String(time);
    const date = new Date(Date.parse(text.slice(0, 10)) + movedSeconds * 1000);
    return date.toISOString().slice(0, 10) + text.slice(10);
  };
  const lines = readFileSync(join(FOLDER, 'expected.ndjson'), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const { from, event } = JSON.parse(line) as { from: string; event: ExpectedEvent };
    const data = {
      ...event.data,
      startedAt: later(event.data['startedAt']),
      endedAt: later(event.data['endedAt']),
    };
    const subject = projectOfRoom[storyOf(from)] ?? event.subject;
    return { ...event, subject, time: later(event.time), data };
  });
}

/** The participants that joined and, by the webhooks, never left. */
export function sessionsWithoutEnd(stories: readonly Story[]): string[] {
  const open = new Map<string, string>();
  for (const { name, bodies } of stories) {
    for (const body of bodies) {
      const { event, participant } = JSON.parse(body) as { event: string; participant?: { sid: string } };
      if (event === 'participant_joined') open.set(participant!.sid, `${participant!.sid} (${name})`);
      if (event === 'participant_left') open.delete(participant!.sid);
    }
  }
  return [...open.values()];
}
