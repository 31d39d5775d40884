import { eachConcurrently } from '../../lib/process/concurrently';
import type { ListedParticipant, ServerApi } from './server-api';

const QUERIES_AT_ONCE = 64;

/** Who is in a room. Each room is asked for once. */
export type Census = (room: string) => Promise<readonly ListedParticipant[]>;

/** One look at what the server reports. All watches share it. */
export interface Look {
  /** Before anything was asked: whoever leaves while the answers come was not seen later. */
  readonly askedAtMs: number;
  /** Undefined if the server has no URL. */
  readonly server: { readonly api: ServerApi; readonly census: Census } | undefined;
}

export function createLook(api: ServerApi | undefined, askedAtMs: number): Look {
  return { askedAtMs, server: api && { api, census: createCensus(api) } };
}

/**
 * Counts the participants that the server lists and that one of its nodes still has: with Redis,
 * LiveKit lists those of a killed node for a day or more.
 */
function createCensus(api: ServerApi): Census {
  const rooms = new Map<string, Promise<readonly ListedParticipant[]>>();
  const count = async (room: string): Promise<readonly ListedParticipant[]> => {
    const present: ListedParticipant[] = [];
    await eachConcurrently(await api.listParticipants(room), QUERIES_AT_ONCE, async (participant) => {
      if (await api.isConnected(room, participant.identity)) present.push(participant);
    });
    return present;
  };
  return (room) => {
    const counted = rooms.get(room) ?? count(room);
    rooms.set(room, counted);
    return counted;
  };
}
