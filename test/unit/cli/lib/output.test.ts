import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatTable, groupDigits, printable, writeOutput } from '../../../../src/cli/lib/output';

test('digits are grouped, decimals are not', () => {
  expect(groupDigits('1234567.1234567')).toBe('1,234,567.1234567');
  expect(groupDigits('-1000')).toBe('-1,000');
  expect(groupDigits('999')).toBe('999');
});

test('a table is as wide as its cells', () => {
  const table = formatTable(
    [
      { title: 'name', of: ([name]: string[]) => name ?? '' },
      { title: 'n', of: ([, count]: string[]) => count ?? '', align: 'right' },
    ],
    [
      ['longer', '1'],
      ['x', '100'],
    ],
  );
  expect(table).toBe('name      n\n------  ---\nlonger    1\nx       100\n');
});

test("a producer's control characters do not reach the terminal", () => {
  expect(printable('\u001b[2Jmodel\u202e')).toBe('\\u001b[2Jmodel\\u202e');
});

test('a file is written once, and a full disk is named with the file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-'));
  try {
    const file = join(folder, 'a.json');
    await writeOutput(file, 'text', 'wx');
    expect(readFileSync(file, 'utf8')).toBe('text');
    await expect(writeOutput(file, 'other', 'wx')).rejects.toMatchObject({ code: 'EEXIST' });
  } finally {
    rmSync(folder, { recursive: true });
  }
  await expect(writeOutput('/dev/full', 'text')).rejects.toMatchObject({
    code: 'FILE_UNUSABLE',
    message: expect.stringMatching(/\/dev\/full: ENOSPC/),
  });
});
