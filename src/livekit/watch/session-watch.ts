import type { OpenSession } from '../../../schemas/types';
import { parseCopy } from '../../lib/document';
import { eachConcurrently } from '../../lib/process/concurrently';
import type { Logger } from '../../lib/logger';
import {
  forgetOpenRoom,
  noteEndedSession,
  noteOpenSession,
  readOpenRooms,
  readOpenSessions,
  updateOpenSession,
  type SessionPlace,
} from '../../redis/livekit/open-sessions';
import type { Store } from '../../redis/store';
import { usageOfWebhook, type LiveKitUsage, type MappingRules } from '../usage-of-webhook';
import type { RoomApi } from './room-api';

/** Why a session was ended without a `participant_left`. Its usage has it as `endedBy`. */
export type EndedBy = 'room_finished' | 'watch' | 'limit';

export interface SessionWatchOptions {
  readonly store: Store;
  readonly rules: MappingRules;
  /** Lists the participants. Without it, only `room_finished` and the limit end a session. */
  readonly api: RoomApi | undefined;
  /** If nobody has seen a session for this long, it ended when it was last seen. */
  readonly limitMs: number;
  readonly onEnded: (by: EndedBy) => void;
  readonly logger: Logger;
  readonly nowMs: () => number;
}

/** The sessions that a watch has ended. */
export interface Endings {
  readonly usages: readonly LiveKitUsage[];
  /** Pass it to `settle` once the usages are in Kafka. */
  readonly places: readonly SessionPlace[];
}

/**
 * Ends sessions whose end never comes, because a killed server sends nothing more. A session has
 * the same id whoever ends it, so an end that arrives after all is a duplicate.
 */
export interface SessionWatch {
  /** Processes a webhook, in the order in which they were stored. */
  note(webhook: Json): Promise<Endings>;
  /** Queries the server once about all rooms. */
  look(): Promise<Endings>;
  /** Until this is called, a session stays open, and is ended again after a kill. */
  settle(places: readonly SessionPlace[]): Promise<void>;
}

type Json = Readonly<Record<string, unknown>>;

type Room = OpenSession['room'];

const NOTHING: Endings = { usages: [], places: [] };
const ROOMS_AT_ONCE = 8;
/** Two queries that are closer than this count as one, for example from two bridges. */
const LOOKS_APART_MS = 10_000;

export function createSessionWatch(options: SessionWatchOptions): SessionWatch {
  const { store, rules, api, limitMs, onEnded, logger, nowMs } = options;

  /** The webhook that did not arrive, in whole seconds, as the server would have sent it. */
  const usageOf = ({ room, participant }: OpenSession, endMs: number, endedBy: EndedBy): LiveKitUsage[] => {
    const createdAt = String(Math.floor(endMs / 1000));
    const outcome = usageOfWebhook({ event: 'participant_left', createdAt, room, participant }, rules);
    if (outcome.kind !== 'usage') return [];
    onEnded(endedBy);
    const { usage } = outcome;
    return [{ ...usage, data: { ...usage.data, endedBy } }];
  };

  return {
    async note(webhook) {
      const {
        event,
        room = {},
        participant,
        createdAt,
      } = webhook as {
        event?: unknown;
        room?: Room;
        participant?: Json;
        createdAt?: unknown;
      };
      const atMs = Number(createdAt) * 1000;
      const sid = participant?.['sid'];
      if (typeof room.sid !== 'string' || !Number.isFinite(atMs)) return NOTHING;
      const roomSid = room.sid;
      if (event === 'room_finished') {
        const sessions = await sessionsIn(store, roomSid);
        return {
          usages: [...sessions.values()].flatMap((session) => usageOf(session, atMs, 'room_finished')),
          places: [...sessions.keys()].map((one) => ({ roomSid, sid: one })),
        };
      }
      if (typeof sid !== 'string') return NOTHING;
      if (event === 'participant_joined') {
        const session: OpenSession = { room: roomKept(room), participant: participant!, lastSeenMs: atMs };
        await noteOpenSession(store, { roomSid, sid }, JSON.stringify(session));
      } else if (event === 'participant_left' || event === 'participant_connection_aborted') {
        await noteEndedSession(store, { roomSid, sid });
      }
      return NOTHING;
    },

    async look() {
      const usages: LiveKitUsage[] = [];
      const places: SessionPlace[] = [];
      const end = (place: SessionPlace, session: OpenSession, by: EndedBy): void => {
        usages.push(...usageOf(session, session.lastSeenMs, by));
        places.push(place);
      };
      await noteRoomsOf(api, options);
      await eachConcurrently(await readOpenRooms(store), ROOMS_AT_ONCE, async (roomSid) => {
        const sessions = await sessionsIn(store, roomSid);
        if (sessions.size === 0) return forgetOpenRoom(store, roomSid);
        const askedAtMs = nowMs();
        const present = await presentIn(api, sessions, logger);
        for (const [sid, session] of sessions) {
          const place = { roomSid, sid };
          if (present?.has(sid) === true) {
            const { missedAtMs: _, ...seen } = session;
            await updateOpenSession(store, place, JSON.stringify({ ...seen, lastSeenMs: askedAtMs }));
          } else if (present !== undefined && session.missedAtMs === undefined) {
            // Once is not enough, because the server may have just started. It is queried a second
            // time.
            await updateOpenSession(store, place, JSON.stringify({ ...session, missedAtMs: askedAtMs }));
          } else if (present !== undefined) {
            if (askedAtMs - session.missedAtMs! >= LOOKS_APART_MS) end(place, session, 'watch');
          } else if (askedAtMs - session.lastSeenMs >= limitMs) {
            end(place, session, 'limit');
          }
        }
      });
      return { usages, places };
    },

    async settle(places) {
      for (const place of places) await noteEndedSession(store, place);
    },
  };
}

/** Opens sessions whose start was missed: those that the server lists and that are not recorded. */
async function noteRoomsOf(
  api: RoomApi | undefined,
  { store, logger, nowMs }: SessionWatchOptions,
): Promise<void> {
  if (api === undefined) return;
  try {
    await eachConcurrently(await api.listRooms(), ROOMS_AT_ONCE, async (room) => {
      for (const participant of await api.listParticipants(room.name)) {
        // Before it is ACTIVE, no media flows, and no webhook reports it.
        if (participant.state !== 'ACTIVE') continue;
        const session: OpenSession = {
          room: roomKept(room),
          participant: { ...participant },
          lastSeenMs: nowMs(),
        };
        const place = { roomSid: room.sid, sid: participant.sid };
        await noteOpenSession(store, place, JSON.stringify(session));
      }
    });
  } catch (error) {
    logger.warn(
      { err: error },
      'LiveKit does not list its rooms; a session whose start was missed stays unknown',
    );
  }
}

/**
 * The participants that the server lists in the room of these sessions; undefined if it does not
 * answer.
 */
async function presentIn(
  api: RoomApi | undefined,
  sessions: ReadonlyMap<string, OpenSession>,
  logger: Logger,
): Promise<ReadonlySet<string> | undefined> {
  const [first] = sessions.values();
  const name = first?.room.name;
  if (api === undefined || name === undefined) return undefined;
  try {
    return new Set((await api.listParticipants(name)).map(({ sid }) => sid));
  } catch (error) {
    logger.warn(
      { err: error, room: name },
      'LiveKit does not list the participants of a room; its sessions stay open',
    );
    return undefined;
  }
}

async function sessionsIn(store: Store, roomSid: string): Promise<Map<string, OpenSession>> {
  const sessions = new Map<string, OpenSession>();
  for (const [sid, json] of await readOpenSessions(store, roomSid)) {
    sessions.set(sid, parseCopy('open-session.v1.json', json, `the LiveKit session ${sid}`));
  }
  return sessions;
}

/** Removes the room's TURN password, which is a secret, and fields that nobody needs. */
function roomKept({ sid, name, metadata }: Room): Room {
  return {
    ...(sid !== undefined && { sid }),
    ...(name !== undefined && { name }),
    ...(metadata !== undefined && { metadata }),
  };
}
