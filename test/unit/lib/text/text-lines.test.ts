import fc from 'fast-check';
import { byteLines, NotUtf8Error, utf8Problem, utf8Text } from '../../../../src/lib/text/text-lines';

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  await Promise.resolve();
}

async function linesOf(content: Buffer | string, size = 3, max = 1_000): Promise<[number, string, number][]> {
  const lines: [number, string, number][] = [];
  for await (const { number, bytes, length } of byteLines(inPieces(Buffer.from(content), size), max))
    lines.push([number, bytes.toString('latin1'), length]);
  return lines;
}

async function textOf(content: Buffer, size = 3): Promise<string> {
  let text = '';
  for await (const part of utf8Text(inPieces(content, size))) text += part;
  return text;
}

test.each([
  ['a last line without a line end', 'a\nbc', ['a', 'bc']],
  ['a last line with one', 'a\nbc\n', ['a', 'bc']],
  ['CRLF', 'a\r\nbc\r\n', ['a', 'bc']],
  ['a CR inside a line stays', 'a\rb\n', ['a\rb']],
  ['empty lines', '\n\r\n\na', ['', '', '', 'a']],
  ['nothing', '', []],
])('lines are split and nothing else: %s', async (_, content, expected) => {
  for (const size of [1, 2, 3, 1_000]) {
    const lines = await linesOf(content, size);
    expect(lines.map(([, text]) => text)).toEqual(expected);
    expect(lines.map(([number]) => number)).toEqual(expected.map((_unused, i) => i + 1));
  }
});

test('bytes come out as they went in, whatever they are', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 7 }), async (raw, size) => {
      const bytes = Buffer.from(raw).toString('latin1').replaceAll('\r', '').replaceAll('\n\n', '\n');
      const lines = await linesOf(Buffer.from(bytes, 'latin1'), size);
      const joined = lines.map(([, text]) => text).join('\n');
      expect(joined).toBe(bytes.replace(/\n$/, '').replace(/^\xef\xbb\xbf/, ''));
    }),
  );
});

test('a byte order mark at the beginning is not part of the first line; elsewhere it stays', async () => {
  expect(await linesOf('\ufeffa\n\ufeffb', 1)).toEqual([
    [1, 'a', 1],
    [2, '\xef\xbb\xbfb', 4],
  ]);
});

test('of a line that is too long only its length is told, and what follows it is read', async () => {
  const lines = await linesOf(`${'x'.repeat(10_000)}\nb`, 100, 250);
  expect(lines.map(([number, , length]) => [number, length])).toEqual([
    [1, 10_000],
    [2, 1],
  ]);
  expect(lines[0]![1].length).toBeLessThan(400);
});

test('the byte that is not UTF-8 is named', () => {
  expect(utf8Problem(Buffer.from('Müller 😀'))).toBeUndefined();
  expect(utf8Problem(Buffer.from('a,Müller', 'latin1'))).toContain('(byte FC at position 4 of the line)');
  expect(utf8Problem(Buffer.from([0x61, 0xed, 0xa0, 0x80]))).toContain('(byte ED at position 2 of the line)');
  expect(utf8Problem(Buffer.from([0x61, 0xe2, 0x82]))).toContain('(byte E2 at position 2 of the line)');
  const long = Buffer.alloc(1_048_576, 0x61);
  long[0] = 0xff;
  expect(utf8Problem(long)).toContain('(byte FF at position 1 of the line)');
});

test('text is read in any pieces, without a byte order mark at its beginning', async () => {
  const text = 'Müller\n😀,\ufeffx\r\nZoë';
  for (const size of [1, 2, 3, 5, 100]) {
    expect(await textOf(Buffer.from(text), size)).toBe(text);
    expect(await textOf(Buffer.from(`\ufeff${text}`), size)).toBe(text);
  }
});

test.each([1, 2, 4, 100])('text that is not UTF-8 is refused with its line (pieces of %i)', async (size) => {
  const bytes = Buffer.concat([Buffer.from('ä\nb\n'), Buffer.from('Müller\nc', 'latin1')]);
  const error = await textOf(bytes, size).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(NotUtf8Error);
  expect(error).toMatchObject({
    line: 3,
    problem: expect.stringContaining('byte FC at position 2') as string,
  });
});
