import type { OpenStream } from '../../../schemas/types';
import { parseCopy } from '../../lib/document';
import { eachConcurrently } from '../../lib/process/concurrently';
import type { Logger } from '../../lib/logger';
import { noteEnded, noteOpen, readOpen, updateOpen, type OpenPlace } from '../../redis/livekit/open-sessions';
import { idOfIngress, type LiveKitUsage } from '../usage-of-webhook';
import type { Census, Look } from './room-census';
import {
  messageIn,
  noteLook,
  NOTHING,
  QUERIES_AT_ONCE,
  secondsToMs,
  usageEndedBy,
  type EndedBy,
  type Json,
  type Watch,
  type WatchOptions,
} from './watch';

type Kind = OpenStream['kind'];

const KINDS = ['egress', 'ingress'] as const;
/** LiveKit's statuses of a stream that goes on; a zero is left out of webhooks. */
const ACTIVE = new Set([
  ...['EGRESS_STARTING', 'EGRESS_ACTIVE', 'EGRESS_ENDING'],
  ...['ENDPOINT_BUFFERING', 'ENDPOINT_PUBLISHING'],
]);
/** In these its participant is in the room: not yet when it starts, no longer while it uploads. */
const IN_ROOM = new Set(['EGRESS_ACTIVE', 'ENDPOINT_PUBLISHING']);
/** The fields that a usage needs. Others may be secrets, such as the key of an ingress. */
const KEPT = new Set([
  ...['egressId', 'ingressId', 'resourceId', 'roomId', 'roomName', 'participantIdentity'],
  ...['state', 'status', 'startedAt', 'endedAt', 'updatedAt', 'inputType', 'enableTranscoding'],
  ...['track', 'trackComposite', 'roomComposite', 'participant', 'web', 'egress', 'template', 'media'],
  ...['video', 'audioOnly', 'audioTrackId', 'videoTrackId'],
]);

/** Ends egress and ingress, as the session watch ends the sessions of participants. */
export function createStreamWatch(options: WatchOptions): Watch {
  return {
    async note(webhook) {
      const seenMs = secondsToMs(webhook['createdAt']);
      if (seenMs !== undefined) await noteWebhook(options, webhook, seenMs);
      return NOTHING;
    },

    async look(look) {
      const usages: LiveKitUsage[] = [];
      const places: OpenPlace[] = [];
      const open = await streamsIn(options);
      for (const kind of KINDS) {
        const ofKind = [...open].filter(([, stream]) => stream.kind === kind);
        const listed = await listOf(kind, look, ofKind.length > 0, options.logger);
        await noteMissedStarts(options, kind, listed, open, look);
        for (const [id, noted] of ofKind) {
          const found = listed?.get(id) ?? (listed && (await endedEgress(id, noted, look)));
          const stream = found === undefined ? noted : { ...noted, info: found.info };
          const isPresent = listed && (found?.isActive ?? false);
          const { askedAtMs } = look;
          const endedBy = await noteLook(options, placeOf(id), stream, { isPresent, askedAtMs });
          if (endedBy === undefined) continue;
          usages.push(...usageOf(stream, endedBy, options));
          places.push(placeOf(id));
        }
      }
      return { usages, places };
    },
  };
}

async function noteWebhook(options: WatchOptions, webhook: Json, seenMs: number): Promise<void> {
  const { store } = options;
  const { event } = webhook;
  if (typeof event !== 'string') return;
  if (event === 'room_finished') return noteRoomFinished(options, messageIn(webhook, 'room'), seenMs);
  const kind = KINDS.find((one) => event.startsWith(`${one}_`));
  const info = kind && messageIn(webhook, `${kind}Info`);
  const id = kind && info && idOf(kind, info);
  if (!id) return;
  const place = placeOf(id);
  if (event === `${kind}_ended`) return noteEnded(store, place);
  const stream: OpenStream = { kind, info: kept(info), lastSeenMs: seenMs };
  await noteOpen(store, place, JSON.stringify(stream));
  if (event !== `${kind}_updated`) return;
  // Later webhooks report when it began.
  const before = (await streamsIn(options)).get(id);
  if (before === undefined) return;
  const merged = { ...before, info: { ...before.info, ...stream.info } };
  await updateOpen(store, place, JSON.stringify(merged));
}

/** Nothing streams on without its room. Its own end, which is later, is waited for. */
async function noteRoomFinished(options: WatchOptions, room: Json, seenMs: number): Promise<void> {
  for (const [id, stream] of await streamsIn(options)) {
    if (stateOf(stream.kind, stream.info)['roomId'] !== room['sid']) continue;
    await updateOpen(options.store, placeOf(id), JSON.stringify({ ...stream, lastSeenMs: seenMs }));
  }
}

async function noteMissedStarts(
  { store }: WatchOptions,
  kind: Kind,
  listed: ReadonlyMap<string, Listed> | undefined,
  open: ReadonlyMap<string, OpenStream>,
  { askedAtMs }: Look,
): Promise<void> {
  for (const [id, { info, isActive }] of listed ?? []) {
    const stream: OpenStream = { kind, info, lastSeenMs: askedAtMs };
    if (isActive && !open.has(id)) await noteOpen(store, placeOf(id), JSON.stringify(stream));
  }
}

function usageOf(
  { kind, info, lastSeenMs }: OpenStream,
  endedBy: EndedBy,
  options: WatchOptions,
): LiveKitUsage[] {
  const webhook = {
    event: `${kind}_ended`,
    createdAt: String(Math.floor(lastSeenMs / 1000)),
    [`${kind}Info`]: isEndTold(kind, info) ? info : withoutEnd(kind, info),
  };
  return usageEndedBy(endedBy, webhook, options);
}

interface Listed {
  readonly info: Json;
  readonly isActive: boolean;
}

/**
 * The egress or ingress that the server lists, by the ids of their usages; undefined if it does not
 * answer.
 *
 * @param isAsked whether any is open: a server without egress and ingress refuses the query
 */
async function listOf(
  kind: Kind,
  { server }: Look,
  isAsked: boolean,
  logger: Logger,
): Promise<ReadonlyMap<string, Listed> | undefined> {
  if (server === undefined) return undefined;
  const { api, census } = server;
  try {
    const infos = await (kind === 'egress' ? api.listActiveEgress() : api.listIngress());
    const listed = new Map<string, Listed>();
    await eachConcurrently(infos.map(kept), QUERIES_AT_ONCE, async (info) => {
      const id = idOf(kind, info);
      if (id !== undefined) listed.set(id, { info, isActive: await isGoingOn(kind, info, census) });
    });
    return listed;
  } catch (error) {
    logger[isAsked ? 'warn' : 'debug']({ err: error }, `LiveKit does not list its ${kind}; it stays open`);
    return undefined;
  }
}

/**
 * A service that was killed leaves its streams in LiveKit's list for good, so their participants
 * must be in the room, too. A web egress has no room, and goes on for as long as it is listed.
 */
async function isGoingOn(kind: Kind, info: Json, census: Census): Promise<boolean> {
  const { status } = stateOf(kind, info);
  if (typeof status !== 'string' || !ACTIVE.has(status)) return false;
  const room = info['roomName'];
  if (!IN_ROOM.has(status) || typeof room !== 'string' || room === '') return true;
  const identity = kind === 'egress' ? info['egressId'] : info['participantIdentity'];
  return (await census(room)).some((participant) => participant.identity === identity);
}

/**
 * What the server still has of an egress that is not active any more. An ingress is in its list.
 */
async function endedEgress(id: string, { kind }: OpenStream, { server }: Look): Promise<Listed | undefined> {
  const info = kind === 'egress' ? await server?.api.findEgress(id) : undefined;
  return info && { info: kept(info), isActive: false };
}

async function streamsIn({ store }: WatchOptions): Promise<Map<string, OpenStream>> {
  const streams = new Map<string, OpenStream>();
  for (const [id, json] of await readOpen(store, undefined)) {
    streams.set(id, parseCopy('open-stream.v1.json', json, `the LiveKit egress or ingress ${id}`));
  }
  return streams;
}

const placeOf = (id: string): OpenPlace => ({ roomSid: undefined, id });

/** The id that its usage will have; undefined for an ingress that was never used. */
function idOf(kind: Kind, info: Json): string | undefined {
  const id = kind === 'egress' ? info['egressId'] : idOfIngress(info);
  return typeof id === 'string' && id !== '' ? id : undefined;
}

/** Where the times and the status are. */
function stateOf(kind: Kind, info: Json): Json {
  return kind === 'egress' ? info : ((info['state'] ?? {}) as Json);
}

/** Without an end, or the time of its last change, it ends when it was last seen. */
function withoutEnd(kind: Kind, info: Json): Json {
  const { endedAt: _, updatedAt: __, ...state } = stateOf(kind, info);
  return kind === 'egress' ? state : { ...info, state };
}

function isEndTold(kind: Kind, info: Json): boolean {
  return ![undefined, null, '0'].includes(stateOf(kind, info)['endedAt'] as string | null | undefined);
}

function kept<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).filter(([name]) => KEPT.has(name));
  return Object.fromEntries(fields.map(([name, field]: [string, unknown]) => [name, kept(field)])) as T;
}
