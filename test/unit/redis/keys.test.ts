import { createKeys, keysOfProject } from '../../../src/redis/keys';

test('the keys that operators rely on', () => {
  const keys = createKeys('');
  expect(keys.totals(7, '2026-07', 'acme')).toBe('usage:{7}:totals:2026-07:acme');
  expect(keys.daily(7, '2026-07', 'acme')).toBe('usage:{7}:daily:2026-07:acme');
  expect(keys.projectsOfMonth(7, '2026-07')).toBe('usage:{7}:projects:2026-07');
  expect(keys.shard(7)).toMatchObject({ cursor: 'usage:{7}:cursor', closed: 'usage:{7}:closed' });
  expect(keys.ids(7, 'first')).toBe('usage:{7}:ids:first');
  expect(keys.idSegment(7, '2026-08', 'usage.agent', 1234)).toBe(
    'usage:{7}:ids:2026-08:usage.agent:00001234',
  );
  expect([keys.shardCount, keys.topicIds]).toEqual(['usage:shards', 'usage:topics']);
  expect([keys.projects, keys.closes]).toEqual(['billing:projects', 'billing:closes']);
  expect([keys.invoices('acme'), keys.invoiced('2026-07')]).toEqual([
    'billing:invoices:acme',
    'billing:invoiced:2026-07',
  ]);
});

test('a prefix comes before every key and leaves the hash tag alone', () => {
  const plain = createKeys('');
  const keys = createKeys('acme');
  expect(keysOfProject(keys, 2, 'p', '2026-07')).toEqual(
    keysOfProject(plain, 2, 'p', '2026-07').map((key) => `acme:${key}`),
  );
  expect(keys.shardCount).toBe('acme:usage:shards');
  expect(() => createKeys('a{b}')).toThrow(/braces/);
});

test('the keys of a project: its totals in every shard, then what is billed', () => {
  expect(keysOfProject(createKeys(''), 2, 'p', '2026-07')).toEqual([
    'usage:{0}:totals:2026-07:p',
    'usage:{0}:daily:2026-07:p',
    'usage:{1}:totals:2026-07:p',
    'usage:{1}:daily:2026-07:p',
    'billing:projects',
    'billing:invoices:p',
    'billing:invoiced:2026-07',
  ]);
});

test.each(['', 'acme', 'usage', 'billing'])('an installation owns its own keys only: %j', (prefix) => {
  const ownedBy = (name: string): string[] => {
    const keys = createKeys(name);
    const { totalsStem: _, dailyStem: __, projectsStem: ___, idsStem: ____, ...shard } = keys.shard(3);
    return [
      ...Object.values(shard),
      ...keysOfProject(keys, 2, 'p', '2026-07'),
      ...[
        keys.projectsOfMonth(3, '2026-07'),
        keys.ids(3, 'first'),
        keys.idSegment(3, 'first', 'usage.agent', 1),
      ],
      ...[keys.shardCount, keys.topicIds, keys.rebuilding, keys.generation, keys.evicted, keys.verified],
      ...[keys.closes, keys.projectsShown, keys.closesShown, keys.invoicesShown, keys.invoicesCompared],
      ...keys.invoiceIndexes,
    ];
  };
  const owns = (key: string): boolean => createKeys(prefix).owns(key);
  expect(ownedBy(prefix).filter((key) => !owns(key))).toEqual([]);
  const others = ['', 'acme', 'acme2', 'usage', 'billing'].filter((other) => other !== prefix);
  expect([...others.flatMap(ownedBy), 'usage:other', 'sessions:1'].filter(owns)).toEqual([]);
});
