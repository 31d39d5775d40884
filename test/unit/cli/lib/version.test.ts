import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { versionText } from '../../../../src/cli/lib/version';

const { version } = jest.requireActual<{ version: string }>('../../../../package.json');

test('in a clone, the commit is the one that is checked out', () => {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  expect(versionText()).toBe(`${version} (${commit})`);
});

test.each([
  ['of an image, the commit is the one that it was built of', 'abc1234\n', `9.8.7 (abc1234)`],
  ['without a commit, the version stands alone', '\n', '9.8.7'],
])('%s', (_what, written, expected) => {
  const root = mkdtempSync(join(tmpdir(), 'tallyman-version-'));
  try {
    mkdirSync(join(root, 'dist/lib'), { recursive: true });
    writeFileSync(join(root, 'package.json'), '{ "version": "9.8.7" }');
    writeFileSync(join(root, 'dist/commit'), written);
    expect(versionText(join(root, 'dist/lib'))).toBe(expected);
  } finally {
    rmSync(root, { recursive: true });
  }
});
