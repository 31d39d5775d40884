import { compare, followShard, reachOf, type IdSources } from '../../../src/dedup/follow-shard';
import type { Process } from '../process';
import type { IdsWorld } from './ids-world';
import { keysOf, lastMarksOf, type ModelShard } from './model-shard';

type State = ReturnType<ModelShard['state']>;

/** The log does not hold what an index lacks. */
export class LogGoneError extends Error {}

/** Counts a lane of a shard until its process is killed, as a consumer does. */
export async function own(
  process: Process,
  world: IdsWorld,
  { shard, lane, directory }: { shard: number; lane: string; directory: string },
): Promise<never> {
  const { months } = world;
  const index = await world.openIndex(directory, shard);
  let state: State | undefined;
  let at = 0;
  let end = Infinity;
  for (;;) {
    if (!state) {
      state = await process.call('state', () => world.shards[shard]!.state(lane));
      await followShard(index, state, months, sourcesOf(process, world, shard, state));
      at = state.cursors[lane]!;
      end = Infinity;
    }
    const chunk = await process.call('read', () => world.read(shard, lane, at, end));
    if (!chunk) {
      const cursor = await process.call('review', () => world.shards[shard]!.cursors.get(lane));
      if (cursor !== at) state = undefined;
      continue;
    }
    const { windows } = state;
    const window = windows.at(-1)!;
    const { marked } = sourcesOf(process, world, shard, state);
    const last = windows.length - 1;
    const { ids, seen } = await compare(index, windows, last, months, chunk.halves, marked);
    const keys = keysOf(chunk.halves);
    const range = { window: window.name, lane, from: at, next: chunk.next, halves: ids };
    const named = windows.slice(-months).map(({ name }) => name);
    const what = chunk.isVoid
      ? {
          voided: keys[0]!,
          state: marked(named, chunk.halves)[0]
            ? ('VOIDED' as const)
            : seen[0]! > 0
              ? ('COUNTED' as const)
              : ('UNKNOWN' as const),
        }
      : { range, counted: keys.filter((key, i) => seen[i] === 0 && keys.indexOf(key) === i) };
    const answer = await world.apply(process, shard, {
      ...{ lane, from: at, next: chunk.next, context: window.context },
      ...{ reach: reachOf(index, state, months), lastMarks: lastMarksOf(state.marks, windows, months) },
      ...what,
    });
    if (answer === 'APPLIED') {
      const own = chunk.isVoid ? { ...range, halves: new Uint32Array(0) } : range;
      await index.add(own);
      await process.call('publish', () => world.publish(shard, window.context, own));
      at = chunk.next;
      end = Infinity;
      if (chunk.isVoid) state = undefined; // Its mark is new.
    } else if (typeof answer === 'object') end = answer.splitAt;
    else {
      if (answer === 'IDS') world.seen.refused += 1;
      state = undefined;
    }
  }
}

function sourcesOf(process: Process, world: IdsWorld, shard: number, state: State): IdSources {
  const marked = (windows: readonly string[]): Set<string> =>
    new Set(windows.flatMap((name) => (state.marks.get(name) ?? []).flatMap(({ ids }) => ids)));
  return {
    async *ranges({ context }) {
      const records = await process.call('topic', () => [...world.topics[shard]!]);
      for (const record of records) if (record.context === context) yield record.range;
    },
    async readLog(lane, from, next) {
      const usage = await process.call('log', () =>
        from < world.starts[shard]!.get(lane)! ? undefined : world.usageOf(shard, lane, from, next),
      );
      if (!usage) throw new LogGoneError();
      world.seen.fromLog += 1;
      return usage;
    },
    marked(windows, halves) {
      const all = marked(windows);
      return keysOf(halves).map((key) => all.has(key));
    },
    publish: ({ context }, range) => process.call('publish', () => world.publish(shard, context, range)),
  };
}
