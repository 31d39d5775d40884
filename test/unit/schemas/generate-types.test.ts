import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tallyman-schemas-'));
  cpSync(join(__dirname, '../../../schemas'), folder, { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

function generate(...options: string[]): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [join(folder, 'generate-types.js'), ...options], {
    encoding: 'utf8',
    env: { ...process.env, NODE_PATH: resolve('node_modules') },
  });
}

test('the types in the repository are those of its schemas', () => {
  expect(generate('--check')).toMatchObject({ status: 0, stderr: '' });
});

test('--check fails when a schema has changed, and writing fixes it', () => {
  const file = join(folder, 'usage.transfer.v1.json');
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace('"direction": {', '"lane": { "type": "string" }, "direction": {'),
  );
  const before = readFileSync(join(folder, 'types.ts'), 'utf8');
  expect(generate('--check')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('npm run schemas:types'),
  });
  expect(readFileSync(join(folder, 'types.ts'), 'utf8')).toBe(before);

  expect(generate()).toMatchObject({ status: 0 });
  expect(readFileSync(join(folder, 'types.ts'), 'utf8')).toContain('lane?: string');
  expect(generate('--check')).toMatchObject({ status: 0 });
});

test('--check fails when there are no types yet, or a schema is not JSON', () => {
  rmSync(join(folder, 'types.ts'));
  expect(generate('--check').status).toBe(1);
  writeFileSync(join(folder, 'usage.transfer.v1.json'), '{');
  expect(generate('--check').status).toBe(1);
});

test('a field that decides over others makes a union of cases', () => {
  const types = readFileSync(join(folder, 'types.ts'), 'utf8');
  for (const one of [
    "service: 'sip';",
    "kind: 'llm';",
    "variant?: 'video' | 'audio_only' | 'track' | null;",
  ]) {
    expect(types).toContain(one);
  }
});
