import { Mutex } from '../../../../src/lib/process/mutex';

test("one at a time, in the order of asking; ending a turn again ends nobody else's", async () => {
  const turns = new Mutex();
  const told: string[] = [];
  const endFirst = await turns.take();
  const others = ['second', 'third'].map(async (name) => {
    const end = await turns.take();
    told.push(name);
    return end;
  });
  expect(told).toEqual([]);
  endFirst();
  const endSecond = await others[0]!;
  endFirst();
  await new Promise(setImmediate);
  expect(told).toEqual(['second']);
  endSecond();
  await others[1];
  expect(told).toEqual(['second', 'third']);
});
