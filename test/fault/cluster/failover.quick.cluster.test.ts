import { clusterSuite } from './cluster-world';
import { counting, end } from './counting';
import { failOver, moveSlot, pairs, placeOf } from './redis-operations';

/** The quick part of the cases on clusters, in every `npm test`. */
clusterSuite('cluster: quick')(
  'a replica takes over, and a slot moves under load: no consumer ends',
  async (run) => {
    const all = await counting(run);
    const { slot, master } = await placeOf(run.world, all.tallyman.prefix, 0);
    const others = (await pairs(run.world)).filter((pair) => pair.master !== master);
    await failOver(others[0]!);
    await moveSlot(run.world, slot, [master, others[1]!.master]);
    await run.progress(all.tallyman, '/0');
    await end(run, all);
  },
  600_000,
);
