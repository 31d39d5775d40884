import { eachConcurrently } from '../../../../src/lib/process/concurrently';

async function* numbers(count: number, taken: number[] = []): AsyncGenerator<number> {
  for (let i = 0; i < count; i += 1) {
    taken.push(i);
    await Promise.resolve();
    yield i;
  }
}

test('every item is processed once, with a limit on how many at a time', async () => {
  let now = 0;
  let most = 0;
  const done: number[] = [];
  await eachConcurrently(numbers(20), 3, async (item) => {
    most = Math.max(most, (now += 1));
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
    done.push(item);
  });
  expect(most).toBe(3);
  expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
});

test('items may be there already', async () => {
  const done: string[] = [];
  await eachConcurrently(['a', 'b', 'c'], 2, (item) => Promise.resolve(void done.push(item)));
  expect(done).toEqual(['a', 'b', 'c']);
});

test('after a failure nothing is begun, what is under way ends first', async () => {
  const taken: number[] = [];
  let ended = 0;
  const working = eachConcurrently(numbers(100, taken), 2, async (item) => {
    if (item === 3) throw new Error('three');
    await new Promise((resolve) => setImmediate(resolve));
    ended += 1;
  });
  await expect(working).rejects.toThrow('three');
  const endedThen = ended;
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(ended).toBe(endedThen);
  expect(taken.length).toBeLessThan(8);
});

test('a source that fails fails the whole', async () => {
  async function* broken(): AsyncGenerator<number> {
    yield* numbers(2);
    throw new Error('no more');
  }
  await expect(eachConcurrently(broken(), 3, () => Promise.resolve())).rejects.toThrow('no more');
});
