import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** The script in a repository of its own, with an npm that only writes down how it was called. */
const SCRIPT = join(__dirname, '../../../deploy/release.sh');
const released = { version: '1.2.3', repository: 'a', bugs: { email: 'a@b.example' } };
let root: string;
const git = (...words: string[]): string => execFileSync('git', words, { cwd: root, encoding: 'utf8' });

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tallyman-release-'));
  for (const folder of ['deploy', 'bin']) mkdirSync(join(root, folder));
  cpSync(SCRIPT, join(root, 'deploy/release.sh'));
  writeFileSync(join(root, 'bin/npm'), '#!/bin/sh\necho "$@" >> "$NPM_CALLS"\n', { mode: 0o755 });
  writeFileSync(join(root, '.gitignore'), 'calls\n');
  git('init', '--quiet');
  git('config', 'user.name', 'test');
  git('config', 'user.email', 'test@test.example');
}, 60_000);
afterEach(() => rmSync(root, { recursive: true }));

function commit(document: object, changelog = '## 1.2.3 - 2026-11-28\n'): void {
  writeFileSync(join(root, 'package.json'), JSON.stringify(document));
  writeFileSync(join(root, 'CHANGELOG.md'), changelog);
  git('add', '--all');
  git('commit', '--quiet', '--message', 'all');
}

function release(...words: string[]): { status: number | null; stderr: string; calls: string[] } {
  const calls = join(root, 'calls');
  writeFileSync(calls, '');
  const { status, stderr } = spawnSync('bash', [join(root, 'deploy/release.sh'), ...words], {
    encoding: 'utf8',
    env: {
      ...process.env,
      PATH: [join(root, 'bin'), process.env['PATH']].join(delimiter),
      NPM_CALLS: calls,
    },
  });
  return { status, stderr, calls: readFileSync(calls, 'utf8').trim().split('\n') };
}

const CHECKS = ['ci', 'run -s check', 'test', 'run -s test:package'];

test('a rehearsal checks everything and publishes nothing', () => {
  commit({ version: '1.2.3' });
  expect(release('--dry-run')).toMatchObject({ status: 0, calls: [...CHECKS, 'publish --dry-run'] });
  expect(git('tag')).toBe('');
}, 60_000);

test('a release is published after all checks, and then tagged', () => {
  commit(released);
  expect(release()).toMatchObject({ status: 0, calls: [...CHECKS, 'publish'] });
  expect(git('tag')).toBe('v1.2.3\n');
  expect(release()).toMatchObject({ status: 3, stderr: expect.stringContaining('the tag v1.2.3 exists') });
}, 60_000);

test.each([
  [{ ...released, repository: undefined }, 'repository'],
  [{ ...released, bugs: { url: 'https://b.example' } }, 'bugs.email'],
  [{ ...released, version: '1.2.4' }, 'date the section 1.2.4'],
])(
  '%j is refused before anything runs',
  (document, text) => {
    commit(document);
    expect(release()).toMatchObject({ status: 3, stderr: expect.stringContaining(text), calls: [''] });
  },
  60_000,
);

test('files that are not committed are refused', () => {
  commit(released);
  writeFileSync(join(root, 'new'), '');
  expect(release()).toMatchObject({ status: 3, stderr: expect.stringContaining('git status') });
}, 60_000);
