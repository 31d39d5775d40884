import type { OpenSession } from '../../../schemas/types';
import { parseCopy } from '../../lib/document';
import { eachConcurrently } from '../../lib/process/concurrently';
import type { Logger } from '../../lib/logger';
import {
  forgetOpenRoom,
  noteEnded,
  noteOpen,
  readOpen,
  readOpenRooms,
  type OpenPlace,
} from '../../redis/livekit/open-sessions';
import type { Store } from '../../redis/store';
import type { LiveKitUsage } from '../usage-of-webhook';
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

type Room = OpenSession['room'];

/** Ends the sessions of participants. */
export function createSessionWatch(options: WatchOptions): Watch {
  const { store, logger } = options;

  const usageOf = ({ room, participant }: OpenSession, endMs: number, endedBy: EndedBy): LiveKitUsage[] => {
    // In whole seconds, as the server would have sent it.
    const createdAt = String(Math.floor(endMs / 1000));
    return usageEndedBy(endedBy, { event: 'participant_left', createdAt, room, participant }, options);
  };

  return {
    async note(webhook) {
      const { event } = webhook;
      const [room, participant] = [messageIn(webhook, 'room'), messageIn(webhook, 'participant')];
      const { sid } = participant;
      const atMs = secondsToMs(webhook['createdAt']);
      if (typeof room['sid'] !== 'string' || atMs === undefined) return NOTHING;
      const roomSid = room['sid'];
      if (event === 'room_finished') {
        const sessions = await sessionsIn(store, roomSid);
        return {
          usages: [...sessions.values()].flatMap((session) => usageOf(session, atMs, 'room_finished')),
          places: [...sessions.keys()].map((one) => ({ roomSid, id: one })),
        };
      }
      if (typeof sid !== 'string') return NOTHING;
      if (event === 'participant_joined') {
        const session: OpenSession = { room: roomKept(room), participant, lastSeenMs: atMs };
        await noteOpen(store, { roomSid, id: sid }, JSON.stringify(session));
      } else if (event === 'participant_left' || event === 'participant_connection_aborted') {
        await noteEnded(store, { roomSid, id: sid });
      }
      return NOTHING;
    },

    async look(look) {
      const usages: LiveKitUsage[] = [];
      const places: OpenPlace[] = [];
      const { askedAtMs } = look;
      await noteRoomsOf(look, options);
      await eachConcurrently(await readOpenRooms(store), QUERIES_AT_ONCE, async (roomSid) => {
        const sessions = await sessionsIn(store, roomSid);
        if (sessions.size === 0) return forgetOpenRoom(store, roomSid);
        const present = await presentIn(look.server?.census, sessions, logger);
        for (const [sid, session] of sessions) {
          const place = { roomSid, id: sid };
          const endedBy = await noteLook(options, place, session, {
            isPresent: present?.has(sid),
            askedAtMs,
          });
          if (endedBy === undefined) continue;
          usages.push(...usageOf(session, session.lastSeenMs, endedBy));
          places.push(place);
        }
      });
      return { usages, places };
    },
  };
}

/** Opens sessions whose start was missed: those that the server lists and that are not recorded. */
async function noteRoomsOf({ server, askedAtMs }: Look, { store, logger }: WatchOptions): Promise<void> {
  if (server === undefined) return;
  const { api, census } = server;
  try {
    await eachConcurrently(await api.listRooms(), QUERIES_AT_ONCE, async (room) => {
      for (const participant of await census(room.name)) {
        // Before it is ACTIVE, no media flows, and no webhook reports it.
        if (participant.state !== 'ACTIVE') continue;
        const session: OpenSession = {
          room: roomKept({ ...room }),
          participant: { ...participant },
          lastSeenMs: askedAtMs,
        };
        const place = { roomSid: room.sid, id: participant.sid };
        await noteOpen(store, place, JSON.stringify(session));
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
  census: Census | undefined,
  sessions: ReadonlyMap<string, OpenSession>,
  logger: Logger,
): Promise<ReadonlySet<string> | undefined> {
  const [first] = sessions.values();
  const name = first?.room.name;
  if (census === undefined || name === undefined) return undefined;
  try {
    return new Set((await census(name)).map(({ sid }) => sid));
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
  for (const [sid, json] of await readOpen(store, roomSid)) {
    sessions.set(sid, parseCopy('open-session.v1.json', json, `the LiveKit session ${sid}`));
  }
  return sessions;
}

/** Removes the room's TURN password, which is a secret, and fields that nobody needs. */
function roomKept(room: Json): Room {
  const fields = ['sid', 'name', 'metadata'].filter((name) => typeof room[name] === 'string');
  return Object.fromEntries(fields.map((name) => [name, room[name]]));
}
