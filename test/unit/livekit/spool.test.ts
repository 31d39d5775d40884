import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSpool, type Spool } from '../../../src/livekit/spool';
import type { SpooledRecord } from '../../../src/livekit/spool-files';

let folder: string;
let damaged: string[];
const opened: Spool[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tallyman-spool-'));
  damaged = [];
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
  rmSync(folder, { recursive: true, force: true });
});

const MIB = 1_024 * 1_024;
function spool(bytesMax = MIB, owner = 'livekit.webhooks'): Spool {
  const one = openSpool({ folder, bytesMax, owner, onDamaged: (file) => damaged.push(file) });
  opened.push(one);
  return one;
}
const record = (i: number): SpooledRecord => ({
  key: `room-${i % 3}`,
  value: JSON.stringify({ i, text: 'é\n"' }),
});
const files = (): string[] => readdirSync(folder).filter((name) => name.endsWith('.spool'));
const onlyFile = (): string => join(folder, files()[0]!);

async function drained(from: Spool): Promise<SpooledRecord[]> {
  const all: SpooledRecord[] = [];
  await from.drain((page) => {
    all.push(...page);
    return Promise.resolve();
  });
  return all;
}

test('what is appended is handed over in its order, once', async () => {
  const one = spool();
  const records = Array.from({ length: 1_200 }, (_, i) => record(i));
  expect(await Promise.all(records.map((each) => one.append(each)))).not.toContain(false);
  expect(await drained(one)).toEqual(records);
  expect([await drained(one), one.bytes, files()]).toEqual([[], 0, []]);
});

test('another process finds what one left behind', async () => {
  await spool().append(record(1)); // Never closed, as after a kill.
  const next = spool();
  await next.append(record(2));
  expect(await drained(next)).toEqual([record(1), record(2)]);
});

test('what Kafka did not take stays and is handed over again', async () => {
  const one = spool();
  await one.append(record(1));
  await expect(one.drain(() => Promise.reject(new Error('away')))).rejects.toThrow('away');
  await one.append(record(2));
  expect(await drained(one)).toEqual([record(1), record(2)]);
});

test('a record that a kill cut off was never acknowledged, and is not damage', async () => {
  const one = spool();
  await one.append(record(1));
  await one.append(record(2));
  await one.close();
  truncateSync(onlyFile(), readFileSync(onlyFile()).length - 3);
  expect(await drained(spool())).toEqual([record(1)]);
  expect(damaged).toEqual([]);
});

test('a line that is not what was written is reported, and the others are handed over', async () => {
  const one = spool();
  for (const i of [1, 2, 3]) await one.append(record(i));
  await one.close();
  const lines = readFileSync(onlyFile(), 'utf8').split('\n');
  lines[1] = lines[1]!.replace('room-2', 'room-9');
  writeFileSync(onlyFile(), lines.join('\n'));
  expect(await drained(spool())).toEqual([record(1), record(3)]);
  expect(damaged).toHaveLength(1);
});

test('a full spool takes nothing more until it is handed over', async () => {
  const one = spool(200);
  expect(await one.append(record(1))).toBe(true);
  expect(await one.append({ key: null, value: 'x'.repeat(200) })).toBe(false);
  expect(await drained(one)).toEqual([record(1)]);
  expect(await one.append(record(2))).toBe(true);
});

test('what comes while older records are handed over is kept, and handed over after them', async () => {
  const one = spool();
  await one.append(record(1));
  const all: SpooledRecord[] = [];
  await one.drain(async (page) => {
    all.push(...page);
    if (all.length === 1) expect(await one.append(record(2))).toBe(true);
  });
  expect([...all, ...(await drained(one))]).toEqual([record(1), record(2)]);
});

test('other files in the folder are left alone', async () => {
  appendFileSync(join(folder, 'README'), 'mine');
  expect(await drained(spool())).toEqual([]);
  expect(readdirSync(folder)).toEqual(['README', 'owner']);
});

test('two processes in one folder lose nothing of what either has kept', async () => {
  const one = spool();
  await one.append(record(1));
  const two = spool(); // Takes over the file that the first still writes to.
  expect(await drained(two)).toEqual([record(1)]);
  await one.append(record(2));
  await two.append(record(3));
  expect(await drained(one)).toEqual([record(2)]);
  expect(await drained(two)).toEqual([record(3)]);
});

test('a file that another process takes over between two hand-overs is handed over by that one', async () => {
  const one = spool();
  await one.append(record(1));
  await one.close();
  const two = spool();
  expect(await drained(one)).toEqual([]);
  expect(one.bytes).toBe(0);
  expect(await drained(two)).toEqual([record(1)]);
});

test('files of two processes that ended are all found', async () => {
  const [one, two] = [spool(), spool()];
  await one.append(record(1));
  await two.append(record(2));
  expect(await drained(spool())).toHaveLength(2);
});

test('what is appended after the folder is lost is not taken for kept', async () => {
  const one = spool();
  await one.append(record(1));
  rmSync(folder, { recursive: true });
  await expect(one.append(record(2))).rejects.toThrow('ENOENT');
});

test('the folder of another topic is refused, and left as it is', async () => {
  await spool().append(record(1));
  const before = files();
  expect(() => spool(MIB, 'acme.livekit.webhooks')).toThrow(
    `${folder}, which holds webhooks for the topic livekit.webhooks. This bridge publishes to acme.livekit.webhooks.`,
  );
  expect(files()).toEqual(before);
});

test('a folder that cannot be made is named', () => {
  appendFileSync(join(folder, 'file'), '');
  const inFile = join(folder, 'file/spool');
  const open = (): Spool =>
    openSpool({ folder: inFile, bytesMax: 1, owner: 'x', onDamaged: () => undefined });
  expect(open).toThrow(`TALLYMAN_SPOOL names ${inFile}: ENOTDIR`);
});
