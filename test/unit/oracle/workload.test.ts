import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { createOracle } from '../../../src/oracle/usage-oracle';
import { badKinds } from '../../../src/oracle/bad-record';
import { isoOf } from '../../../src/oracle/timestamp';
import { models } from '../../../src/oracle/usage-draft';
import { createWorkload, type WorkloadOptions, type WorkloadRecord } from '../../../src/oracle/workload';
import builtIn from '../../../src/billing/catalog/livekit-cloud.json';

const PROJECTS = ['acme-voice', 'globex-telehealth', '__proto__', 'constructor'];
const OPTIONS: WorkloadOptions = { seed: 7, month: '2026-10', events: 20_000, projects: PROJECTS };

const written = ({ topic, key, value, headers, timestampMs }: WorkloadRecord): string =>
  [topic, key, value?.toString('latin1'), JSON.stringify(headers), timestampMs].join(' ');

function recount(options: Partial<WorkloadOptions> = {}) {
  const oracle = createOracle();
  for (const record of createWorkload({ ...OPTIONS, ...options })) oracle.add(record);
  return oracle;
}

test('one seed gives one stream, another seed another', () => {
  const again = createWorkload(OPTIONS);
  for (const record of createWorkload(OPTIONS)) {
    const other = written(again.next().value as WorkloadRecord);
    if (written(record) !== other) expect(other).toBe(written(record));
  }
  expect(again.next().done).toBe(true);

  const first = (seed: number): string =>
    written(createWorkload({ ...OPTIONS, seed }).next().value as WorkloadRecord);
  expect(first(8)).not.toBe(first(7));
});

test('repeats, bad events and events of the month before come as often as asked', () => {
  const { counts, daily } = recount({ duplicates: 0.05, malformed: 0.01, monthBefore: 0.1 });
  const bad = Object.values(counts.deadLetters).reduce((all, count) => all + count, 0);
  expect(counts.records).toBe(20_000);
  expect(counts.counted + counts.duplicates + bad).toBe(20_000);
  expect(counts.duplicates / 20_000).toBeCloseTo(0.05, 2);
  expect(bad / 20_000).toBeCloseTo(0.01, 2);

  let early = 0;
  for (const { value } of createWorkload({ ...OPTIONS, monthBefore: 0.1, malformed: 0 })) {
    if (/"time":"2026-09/i.test(String(value))) early += 1;
  }
  // A tenth of the records are in binary mode, with their time in a header.
  expect(early / (20_000 * 0.9)).toBeCloseTo(0.1, 1);
  const days = [...daily.values()].flatMap((months) =>
    [...months.values()].flatMap((names) => [...names.keys()]),
  );
  expect(new Set(days.map((name) => name.slice(0, 7)))).toEqual(new Set(['2026-09', '2026-10']));
});

test('the kinds come in the shares asked for, and a kind that is not asked for does not come', () => {
  const count = (mix?: NonNullable<WorkloadOptions['mix']>): Record<string, number> => {
    const topics: Record<string, number> = {};
    for (const { topic } of createWorkload({ ...OPTIONS, ...(mix && { mix }) })) {
      topics[topic] = (topics[topic] ?? 0) + 1 / OPTIONS.events;
    }
    return topics;
  };
  const usual = count();
  expect(usual['usage.session']).toBeCloseTo(0.5, 1);
  expect(usual['usage.transfer']).toBeCloseTo(0.2, 1);
  expect(usual['usage.agent']).toBeCloseTo(0.1, 1);
  expect(usual['usage.inference']).toBeCloseTo(0.2, 1);
  expect(Object.keys(count({ 'usage.session': 1 }))).toEqual(['usage.session']);
});

test('every reason to refuse an event occurs', () => {
  const { deadLetters } = recount({ malformed: 1, events: badKinds + 4 * badKinds, duplicates: 0 }).counts;
  expect(Object.keys(deadLetters).sort()).toEqual([
    'from_the_future',
    'implausible',
    'malformed_json',
    'negative_duration',
    'schema_violation',
    'too_large',
    'too_old',
    'wrong_type',
  ]);
  expect(Object.values(deadLetters).reduce((all, count) => all + count, 0)).toBe(5 * badKinds);
});

test('both modes, every meter, disorder, and the edges of the month occur', () => {
  const oracle = recount({ events: 40_000 });
  const meters = new Set(
    [...oracle.totals.values()].flatMap((months) =>
      [...months.values()].flatMap((names) => [...names.keys()].map((name) => name.split('/')[0])),
    ),
  );
  expect(meters.size).toBe(21);

  let binary = 0;
  let disordered = 0;
  let previous = '';
  const times = new Set<string>();
  for (const { value, headers } of createWorkload({ ...OPTIONS, events: 40_000, malformed: 0 })) {
    if (headers !== undefined) binary += 1;
    const time = headers?.['ce_time'] ?? (JSON.parse(String(value)) as { time: string }).time;
    if (time < previous) disordered += 1;
    previous = time;
    times.add(time.toUpperCase());
  }
  expect(binary / 40_000).toBeCloseTo(0.1, 1);
  expect(disordered).toBeGreaterThan(4_000);
  expect([...times].some((time) => time.startsWith('2026-10-01T00:00:00.000'))).toBe(true);
  expect([...times].some((time) => time.startsWith('2026-09-30T23:59:59.999'))).toBe(true);
});

test('projects come by their rank', () => {
  const keys: Record<string, number> = {};
  for (const { key } of createWorkload({ ...OPTIONS, projects: ['a', 'b', 'c'] })) {
    keys[key] = (keys[key] ?? 0) + 1;
  }
  expect(keys['a']! / keys['b']!).toBeCloseTo(2, 0);
  expect(keys['a']! / keys['c']!).toBeCloseTo(3, 0);
});

test('holds no more after a million records than after a tenth of them', () => {
  // In a process of its own, where rubbish can be collected on demand.
  const hook = join(__dirname, '../../kit/load-typescript.js');
  const program = join(__dirname, '../../kit/usage/hold-workload.ts');
  const output = execFileSync(process.execPath, ['--expose-gc', '-r', hook, program], { encoding: 'utf8' });
  const [early, late] = JSON.parse(output) as [number, number];
  expect(late - early).toBeLessThan(1_000_000); // Less than two bytes a record: none of them is kept.
});

test('every model has a price in the built-in catalog', () => {
  const { stt, llm, tts, aliases } = builtIn.inference;
  const priced = (rows: readonly { model: string }[]) => (model: string) =>
    rows.some((row) => row.model === ((aliases as Record<string, unknown>)[model] ?? model));
  expect(models.stt.filter((model) => !priced(stt.models)(model))).toEqual([]);
  expect(models.llm.filter((model) => !priced(llm.models)(model))).toEqual([]);
  expect(models.tts.filter((model) => !priced(tts.models)(model))).toEqual([]);
});

test('isoOf writes as Date does', () => {
  for (const epochMs of [
    0,
    1,
    86_399_999,
    86_400_000,
    951_827_696_789,
    Date.UTC(2026, 9, 14, 9, 31, 10, 200),
    5,
  ]) {
    expect(isoOf(epochMs)).toBe(new Date(epochMs).toISOString());
  }
  expect(isoOf(1_000, 1)).toBe('1970-01-01T00:00:01.000000001Z');
  expect(isoOf(1_009, 999_999)).toBe('1970-01-01T00:00:01.009999999Z');
});
