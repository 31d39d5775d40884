import { FairTurns } from '../../../../src/web/http/fair-turns';

/** Takes a turn and notes it. @returns the function that ends the turn, once it has come */
function takes(turns: FairTurns, began: string[], holder: string, name: string): Promise<() => void> {
  return turns.take(holder).then((end) => {
    began.push(name);
    return end;
  });
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a holder has as many turns at a time as are allowed, in the order of its requests', async () => {
  const turns = new FairTurns(2);
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
  const turns = new FairTurns(1);
  const began: string[] = [];
  for (let i = 0; i < 100; i += 1) void takes(turns, began, 'noisy', `noisy ${i}`);
  void takes(turns, began, 'quiet', 'quiet');
  await settled();
  expect(began).toEqual(['noisy 0', 'quiet']);
});
