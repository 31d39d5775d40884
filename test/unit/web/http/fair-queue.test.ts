import { FairQueue } from '../../../../src/web/http/fair-queue';

/** Takes a turn and notes it. @returns the function that ends the turn, once it has come */
function takes(turns: FairQueue, began: string[], holder: string, name: string): Promise<() => void> {
  return turns.take(holder).then((end) => {
    began.push(name);
    return end;
  });
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a holder has as many turns at a time as are allowed, in the order of its requests', async () => {
  const turns = new FairQueue(2);
  const began: string[] = [];
  const taken = ['a', 'b', 'c', 'd'].map((name) => takes(turns, began, 'noisy', name));
  await settled();
  expect(began).toEqual(['a', 'b']);
  (await taken[1]!)();
  await settled();
  expect(began).toEqual(['a', 'b', 'c']);
  const endOfFirst = await taken[0]!;
  endOfFirst();
  endOfFirst(); // A turn ends once.
  await settled();
  expect(began).toEqual(['a', 'b', 'c', 'd']);
  void takes(turns, began, 'noisy', 'e');
  await settled();
  expect(began).toHaveLength(4); // c and d are running.
});

test('another holder waits for nobody', async () => {
  const turns = new FairQueue(1);
  const began: string[] = [];
  for (let i = 0; i < 100; i += 1) void takes(turns, began, 'noisy', `noisy ${i}`);
  void takes(turns, began, 'quiet', 'quiet');
  await settled();
  expect(began).toEqual(['noisy 0', 'quiet']);
});

test('who has waited gives way to what others are running, and not to what they begin later', async () => {
  const turns = new FairQueue(2);
  const began: string[] = [];
  const [endA, endB] = [await turns.take('noisy'), await turns.take('noisy')];
  void takes(turns, began, 'noisy', 'c');
  const endQuiet = await turns.take('quiet');
  endA();
  endB(); // Two turns are free now, and one request waits.
  const later = turns.take('quiet');
  await settled();
  expect(began).toEqual([]);
  endQuiet();
  await settled();
  expect(began).toEqual(['c']);
  (await later)();
});

test('a turn that takes others long is not waited for', async () => {
  const turns = new FairQueue(1);
  const end = await turns.take('noisy');
  const next = turns.take('noisy');
  await turns.take('stuck');
  end();
  (await next)();
});

test('a holder has room for 64 MiB of waiting requests, and others have their own', async () => {
  const turns = new FairQueue(1);
  const half = 32 * 1024 * 1024;
  const end = await turns.take('noisy', half);
  const waiting = [turns.take('noisy', half), turns.take('noisy', half - 1)];
  expect([turns.hasRoom('noisy', 1), turns.hasRoom('noisy', 2), turns.hasRoom('quiet', half)]).toEqual([
    ...[true, false, true],
  ]);
  end();
  (await waiting[0]!)();
  (await waiting[1]!)();
  expect(turns.hasRoom('noisy', 2 * half)).toBe(true);
});
