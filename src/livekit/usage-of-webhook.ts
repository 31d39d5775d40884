import { projectOfRoom, type ProjectRules } from './project-of-room';

/**
 * The rules that turn webhooks into usage. They must be the same for a whole deployment, or one
 * usage would count as two.
 */
export interface MappingRules {
  /** `source` of every event, e.g. `/livekit/eu`. */
  readonly source: string;
  readonly projects: ProjectRules;
  /**
   * `sip.trunkID` or `sip.trunkPhoneNumber` -> the variant of a SIP participant; `third_party` for
   * others.
   */
  readonly sipVariants: ReadonlyMap<string, 'third_party' | 'us_local' | 'us_toll_free'>;
  /**
   * How an agent's connection counts: as agent time, or as WebRTC time, as for agents that LiveKit
   * Cloud does not run.
   */
  readonly agentsAre: 'agent' | 'webrtc';
  /** How a connector's connection counts: as connector time, or as WebRTC time. */
  readonly connectorsAre: 'connector' | 'webrtc';
  /**
   * Which webhook reports an agent's usage: its participant's leaving, or the end of its job, which
   * only LiveKit Cloud sends.
   */
  readonly agentUsageFrom: 'participant' | 'job';
}

/** A usage event as it is published: see `schemas/usage-event.v1.json`. */
export interface LiveKitUsage {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: 'usage.session.v1' | 'usage.agent.v1';
  readonly subject: string;
  readonly time: string;
  readonly data: Readonly<Record<string, string | boolean>>;
}

/** The outcome of one webhook. */
export type WebhookOutcome =
  | { readonly kind: 'usage'; readonly usage: LiveKitUsage }
  /** Nothing has ended, or nothing was used. */
  | {
      readonly kind: 'no_usage';
      readonly why: 'not_an_end' | 'never_connected' | 'never_began' | 'counted_elsewhere';
    }
  /** An unknown kind, which is newer than this version. It is ignored, counted and logged. */
  | { readonly kind: 'unknown'; readonly field: 'event' | 'participant.kind'; readonly value: string }
  | { readonly kind: 'malformed'; readonly field: string; readonly value: string };

type Json = Readonly<Record<string, unknown>>;

const NOT_AN_END = new Set([
  'room_started',
  'room_finished',
  'participant_joined',
  'track_published',
  'track_unpublished',
  'egress_started',
  'egress_updated',
  'ingress_started',
  'agent_job_created',
  'agent_job_started',
]);
const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_MS = 1_000_000n;
/** The end of the year 9999, after which RFC 3339 has no times. */
const LAST_NS = 253_402_300_799n * NS_PER_SECOND;

/**
 * Maps one webhook in LiveKit's JSON, where 64-bit integers are strings and zeros and empty
 * messages are left out. The end of a connection, an egress or an ingress contains the whole usage,
 * so nothing is remembered and the order does not matter. The webhook's own id is not the usage's
 * id, because the server can send one end twice with two of them.
 */
export function usageOfWebhook(webhook: Json, rules: MappingRules): WebhookOutcome {
  try {
    const event = webhook['event'];
    switch (event) {
      case 'participant_left':
        return ofParticipant(webhook, rules);
      case 'participant_connection_aborted':
        return noUsage('never_connected');
      case 'egress_ended':
        return ofEgress(webhook, rules);
      case 'ingress_ended':
        return ofIngress(webhook, rules);
      case 'agent_job_ended':
        return ofAgentJob(webhook, rules);
      default:
        if (typeof event !== 'string') throw new MalformedField('event', event);
        return NOT_AN_END.has(event)
          ? noUsage('not_an_end')
          : { kind: 'unknown', field: 'event', value: event };
    }
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    return { kind: 'malformed', field: error.field, value: error.value };
  }
}

function ofParticipant(webhook: Json, rules: MappingRules): WebhookOutcome {
  const participant = messageIn(webhook, 'participant');
  const kind = textIn(participant, 'participant.kind', 'kind') ?? 'STANDARD';
  const startNs =
    timeIn(participant, 'participant.joinedAtMs', 'joinedAtMs', NS_PER_MS) ??
    timeIn(participant, 'participant.joinedAt', 'joinedAt', NS_PER_SECOND);
  const usage = (type: LiveKitUsage['type'], data: LiveKitUsage['data']): WebhookOutcome => {
    const id = requiredText(participant, 'participant.sid', 'sid');
    if (startNs === undefined) throw new MalformedField('participant.joinedAt', undefined);
    return usageFrom(rules, roomOf(webhook), { type, id, startNs, endNs: createdAtNs(webhook), data });
  };
  const details = participant['kindDetails'];
  const isDetailed = (name: string): boolean => Array.isArray(details) && details.includes(name);
  switch (kind) {
    case 'STANDARD':
    case 'BRIDGE':
      return usage('usage.session.v1', { service: 'webrtc' });
    case 'CONNECTOR': {
      if (rules.connectorsAre === 'webrtc') return usage('usage.session.v1', { service: 'webrtc' });
      const variant = isDetailed('CONNECTOR_WHATSAPP') ? 'whatsapp' : 'other';
      return usage('usage.session.v1', { service: 'connector', variant });
    }
    case 'SIP':
      return usage('usage.session.v1', { service: 'sip', variant: sipVariant(participant, rules) });
    case 'AGENT':
      if (rules.agentUsageFrom === 'job') return noUsage('counted_elsewhere');
      return rules.agentsAre === 'agent' || isDetailed('CLOUD_AGENT')
        ? usage('usage.agent.v1', {})
        : usage('usage.session.v1', { service: 'webrtc' });
    case 'EGRESS':
    case 'INGRESS':
      return noUsage('counted_elsewhere');
    default:
      return { kind: 'unknown', field: 'participant.kind', value: kind };
  }
}

function sipVariant(participant: Json, rules: MappingRules): string {
  const attributes = participant['attributes'];
  for (const name of ['sip.trunkID', 'sip.trunkPhoneNumber']) {
    const value = isMessage(attributes) ? attributes[name] : undefined;
    const variant = typeof value === 'string' ? rules.sipVariants.get(value) : undefined;
    if (variant !== undefined) return variant;
  }
  return 'third_party';
}

function ofEgress(webhook: Json, rules: MappingRules): WebhookOutcome {
  const info = messageIn(webhook, 'egressInfo');
  const startNs = nanosIn(info, 'egressInfo.startedAt', 'startedAt');
  if (!startNs) return noUsage('never_began');
  // After a kill, a server may report no end, or one before the start.
  const ends = [
    nanosIn(info, 'egressInfo.endedAt', 'endedAt'),
    nanosIn(info, 'egressInfo.updatedAt', 'updatedAt'),
  ];
  const endNs = ends.find((end) => end !== undefined && end >= startNs) ?? createdAtNs(webhook);
  const room = { name: textIn(info, 'egressInfo.roomName', 'roomName') ?? roomOf(webhook).name };
  return usageFrom(rules, room, {
    type: 'usage.session.v1',
    id: requiredText(info, 'egressInfo.egressId', 'egressId'),
    startNs,
    endNs,
    data: { service: 'egress', variant: egressVariant(info) },
  });
}

/**
 * The variant by the request. Older requests than LiveKit's `egress` field have a field of their
 * own.
 */
function egressVariant(info: Json): 'video' | 'audio_only' | 'track' {
  if (isMessage(info['track'])) return 'track';
  const asked = isMessage(info['egress']) ? info['egress'] : {};
  const audioOnly = [
    info['roomComposite'],
    info['web'],
    info['participant'],
    asked['template'],
    asked['web'],
  ];
  if (audioOnly.some((request) => isMessage(request) && request['audioOnly'] === true)) return 'audio_only';
  const tracks = info['trackComposite'];
  if (isMessage(tracks) && isName(tracks['audioTrackId']) && !isName(tracks['videoTrackId']))
    return 'audio_only';
  const media = asked['media'];
  return isMessage(media) && !isMessage(media['video']) && !isName(media['videoTrackId'])
    ? 'audio_only'
    : 'video';
}

function ofIngress(webhook: Json, rules: MappingRules): WebhookOutcome {
  const info = messageIn(webhook, 'ingressInfo');
  const state = isMessage(info['state']) ? info['state'] : {};
  const startNs = nanosIn(state, 'ingressInfo.state.startedAt', 'startedAt');
  if (!startNs) return noUsage('never_began');
  const ends = [
    nanosIn(state, 'ingressInfo.state.endedAt', 'endedAt'),
    nanosIn(state, 'ingressInfo.state.updatedAt', 'updatedAt'),
  ];
  const endNs = ends.find((end) => end !== undefined && end >= startNs) ?? createdAtNs(webhook);
  const inputType = textIn(info, 'ingressInfo.inputType', 'inputType') ?? 'RTMP_INPUT';
  const isTranscoded = info['enableTranscoding'] ?? inputType !== 'WHIP_INPUT';
  const room = { name: textIn(info, 'ingressInfo.roomName', 'roomName') ?? roomOf(webhook).name };
  return usageFrom(rules, room, {
    type: 'usage.session.v1',
    id: idOfIngress(info) ?? requiredText(info, 'ingressInfo.ingressId', 'ingressId'),
    startNs,
    endNs,
    data: { service: 'ingress', variant: isTranscoded === true ? 'transcoded' : 'passthrough' },
  });
}

/** An ingress that is used again keeps its id, so each use has another. */
export function idOfIngress(info: Json): string | undefined {
  const { resourceId, startedAt } = isMessage(info['state']) ? info['state'] : {};
  if (isName(resourceId)) return String(resourceId);
  const begunAt = textOf(startedAt);
  const hasBegun = begunAt !== undefined && begunAt !== '0';
  return hasBegun && isName(info['ingressId']) ? `${String(info['ingressId'])}/${begunAt}` : undefined;
}

/** undefined for everything else: `String` throws for an object with a field `toString`. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function ofAgentJob(webhook: Json, rules: MappingRules): WebhookOutcome {
  if (rules.agentUsageFrom !== 'job') return noUsage('counted_elsewhere');
  const job = messageIn(webhook, 'job');
  const state = isMessage(job['state']) ? job['state'] : {};
  const startNs = nanosIn(state, 'job.state.startedAt', 'startedAt');
  if (!startNs) return noUsage('never_began');
  const endedNs = nanosIn(state, 'job.state.endedAt', 'endedAt');
  return usageFrom(rules, roomOf(isMessage(webhook['room']) ? webhook : job), {
    type: 'usage.agent.v1',
    id: requiredText(job, 'job.id', 'id'),
    startNs,
    endNs: endedNs !== undefined && endedNs >= startNs ? endedNs : createdAtNs(webhook),
    data: job['enableRecording'] === true ? { recorded: true } : {},
  });
}

interface Room {
  readonly name: string | undefined;
  readonly metadata?: string | undefined;
}

function roomOf(webhook: Json): Room {
  const room = webhook['room'];
  if (!isMessage(room)) return { name: undefined };
  return { name: textIn(room, 'room.name', 'name'), metadata: textIn(room, 'room.metadata', 'metadata') };
}

interface Finished {
  readonly type: LiveKitUsage['type'];
  readonly id: string;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly data: LiveKitUsage['data'];
}

function usageFrom(rules: MappingRules, room: Room, finished: Finished): WebhookOutcome {
  const { type, id, startNs, data } = finished;
  // `createdAt` is cut to whole seconds, so a short connection seems to end before its start. It
  // counts as 0.
  const endNs = finished.endNs < startNs ? startNs : finished.endNs;
  const endedAt = rfc3339(endNs);
  return {
    kind: 'usage',
    usage: {
      specversion: '1.0',
      id,
      source: rules.source,
      type,
      subject: projectOfRoom(rules.projects, room.name, room.metadata),
      time: endedAt,
      data: { ...data, startedAt: rfc3339(startNs), endedAt },
    },
  };
}

/**
 * The time of the event on the server. Unlike the receiver's clock, it is the same in each attempt.
 */
function createdAtNs(webhook: Json): bigint {
  const endNs = timeIn(webhook, 'createdAt', 'createdAt', NS_PER_SECOND);
  if (endNs === undefined) throw new MalformedField('createdAt', undefined);
  return endNs;
}

/** An RFC 3339 time with nanoseconds, which a Date would lose. */
export function rfc3339(ns: bigint): string {
  const seconds = new Date(Number(ns / NS_PER_SECOND) * 1000).toISOString().slice(0, 19);
  const fraction = (ns % NS_PER_SECOND).toString().padStart(9, '0').replace(/0+$/, '');
  return fraction === '' ? `${seconds}Z` : `${seconds}.${fraction}Z`;
}

class MalformedField extends Error {
  readonly value: string;
  constructor(
    readonly field: string,
    value: unknown,
  ) {
    super(field);
    this.value = value === undefined ? 'missing' : JSON.stringify(value).slice(0, 200);
  }
}

const noUsage = (why: (WebhookOutcome & { kind: 'no_usage' })['why']): WebhookOutcome => ({
  kind: 'no_usage',
  why,
});
const isMessage = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isName = (value: unknown): boolean => typeof value === 'string' && value !== '';

function messageIn(message: Json, field: string): Json {
  const value = message[field];
  if (!isMessage(value)) throw new MalformedField(field, value);
  return value;
}

function textIn(message: Json, path: string, field: string): string | undefined {
  const value = message[field];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw new MalformedField(path, value);
  return value;
}

function requiredText(message: Json, path: string, field: string): string {
  const value = textIn(message, path, field);
  if (value === undefined) throw new MalformedField(path, undefined);
  return value;
}

/** Protobuf's JSON writes 64-bit integers as strings and leaves zeros out. */
function integerIn(message: Json, path: string, field: string): bigint | undefined {
  const value = message[field];
  if (value === undefined || value === null) return undefined;
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== 'string' || !/^(0|[1-9]\d{0,18})$/.test(text)) throw new MalformedField(path, value);
  return BigInt(text) === 0n ? undefined : BigInt(text);
}

function timeIn(message: Json, path: string, field: string, unitNs: bigint): bigint | undefined {
  const value = integerIn(message, path, field);
  if (value === undefined) return undefined;
  if (value * unitNs > LAST_NS) throw new MalformedField(path, message[field]);
  return value * unitNs;
}

/** Go's zero time is negative in nanoseconds. It stands for a time that is not set. */
function nanosIn(message: Json, path: string, field: string): bigint | undefined {
  const value = message[field];
  return typeof value === 'string' && /^-\d+$/.test(value) ? undefined : timeIn(message, path, field, 1n);
}
