import { eachConcurrently } from '../../lib/process/concurrently';
import type { ListedParticipant, ServerApi } from './server-api';

const QUERIES_AT_ONCE = 64;

/** Who is in a room. Each room is asked for once. */
export type Census = (room: string) => Promise<readonly ListedParticipant[]>;

/**
 * Counts the participants that the server lists and that one of its nodes still has: with Redis,
 * LiveKit lists those of a killed node for a day or more.
 */
export function createCensus(api: ServerApi): Census {
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
