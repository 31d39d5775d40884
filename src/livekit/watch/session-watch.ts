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
} from '../../redis/open-sessions';
import type { Store } from '../../redis/store';
import { usageOfWebhook, type LiveKitUsage, type MappingRules } from '../usage-of-webhook';
import type { RoomApi } from './room-api';

/** Why a session ended without a `participant_left`. Noted in its usage as `endedBy`. */
export type EndedBy = 'room_finished' | 'watch' | 'limit';

export interface SessionWatchOptions {
  readonly store: Store;
  readonly rules: MappingRules;
  /** Asks the server who is there; without it only `room_finished` and the limit end a session. */
  readonly api: RoomApi | undefined;
  /** A session that nobody has seen for this long has ended when it was last seen. */
  readonly limitMs: number;
  readonly onEnded: (by: EndedBy) => void;
  readonly logger: Logger;
  readonly nowMs: () => number;
}

/** What a watch has ended. */
export interface Endings {
  readonly usages: readonly LiveKitUsage[];
  /** To be given to `settle` once the usages are in Kafka. */
  readonly places: readonly SessionPlace[];
}

/**
 * Ends the sessions whose end never comes: a server that is killed sends nothing more. A session is billed under the same
 * id whoever ends it, so an end that comes after all is a duplicate.
 */
export interface SessionWatch {
  /** Follows a webhook, in the order in which they were kept. */
  note(webhook: Json): Promise<Endings>;
  /** Asks the server once about all rooms. */
  look(): Promise<Endings>;
  /** Until this is called a session stays open, and is ended again after a kill. */
  settle(places: readonly SessionPlace[]): Promise<void>;
}

type Json = Readonly<Record<string, unknown>>;

interface Room {
  readonly sid?: string;
  readonly name?: string;
  readonly metadata?: string;
}

/** What is kept of an open session: enough to make the webhook that did not come. */
interface OpenSession {
  readonly room: Room;
  readonly participant: Json;
  readonly lastSeenMs: number;
  /** When the server was first asked since then and did not name it. */
  readonly missedAtMs?: number;
}

const NOTHING: Endings = { usages: [], places: [] };
const ROOMS_AT_ONCE = 8;
/** Two looks that are nearer than this count as one: of two bridges, say. */
const LOOKS_APART_MS = 10_000;

export function createSessionWatch(options: SessionWatchOptions): SessionWatch {
  const { store, rules, api, limitMs, onEnded, logger, nowMs } = options;

  /** The webhook that did not come, in whole seconds as the server would have sent it. */
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
            // Once may be a server that has just begun: it is asked a second time.
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

/** Opens the sessions whose start was missed: those that the server names and nobody knows. */
async function noteRoomsOf(
  api: RoomApi | undefined,
  { store, logger, nowMs }: SessionWatchOptions,
): Promise<void> {
  if (api === undefined) return;
  try {
    await eachConcurrently(await api.listRooms(), ROOMS_AT_ONCE, async (room) => {
      for (const participant of await api.listParticipants(room.name)) {
        // Before it is ACTIVE no media flows, and no webhook would name it.
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
      'LiveKit does not list its rooms: a session whose start was missed stays unknown',
    );
  }
}

/** Who the server says is in the room of these sessions; undefined if it does not answer. */
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
      'LiveKit does not list the participants of a room: its sessions stay open',
    );
    return undefined;
  }
}

async function sessionsIn(store: Store, roomSid: string): Promise<Map<string, OpenSession>> {
  const sessions = new Map<string, OpenSession>();
  for (const [sid, json] of await readOpenSessions(store, roomSid)) {
    sessions.set(sid, JSON.parse(json) as OpenSession);
  }
  return sessions;
}

/** Without the room's TURN password, which is a secret, and what else nobody needs. */
function roomKept({ sid, name, metadata }: Room): Room {
  return {
    ...(sid !== undefined && { sid }),
    ...(name !== undefined && { name }),
    ...(metadata !== undefined && { metadata }),
  };
}
