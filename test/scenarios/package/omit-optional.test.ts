import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { optionalDependencies } from '../../../package.json';
import { lz4Codec } from '../../../src/kafka/wire/codecs';
import { batchBytes, withChecksum } from '../../kit/kafka/batch-bytes';
import { pack } from '../../kit/packed';
import { workedInvoice } from '../../kit/sample-invoices';

/** The package as an install with `--omit=optional` leaves it. */
const folder = mkdtempSync(join(tmpdir(), 'tallyman-omit-'));
const modules = join(folder, 'node_modules');

beforeAll(() => {
  mkdirSync(modules);
  execFileSync('tar', ['-xzf', pack(folder).tarball, '-C', modules]);
  renameSync(join(modules, 'package'), join(modules, 'tallyman'));
  const names = readdirSync('node_modules').flatMap((name) =>
    name.startsWith('@')
      ? readdirSync(join('node_modules', name)).map((inner) => `${name}/${inner}`)
      : [name],
  );
  for (const name of names.filter((one) => !one.startsWith('.') && !(one in optionalDependencies))) {
    if (name.includes('/')) mkdirSync(join(modules, name, '..'), { recursive: true });
    symlinkSync(resolve('node_modules', name), join(modules, name));
  }
  // It may have to build.
}, 600_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** Calls the installed package; returns what it returns, or its error's code and text. */
function call(file: string, code: string): unknown {
  const script = `
    const called = require('./node_modules/tallyman/dist/src/${file}.js');
    (async () => ${code})().then(
      (value) => console.log(JSON.stringify({ value })),
      (error) => console.log(JSON.stringify({ code: error.code, message: error.message })),
    );`;
  writeFileSync(join(folder, 'call.js'), script);
  return JSON.parse(execFileSync(process.execPath, ['call.js'], { cwd: folder, encoding: 'utf8' }));
}

const unpacked = (batch: Buffer): unknown =>
  call(
    'kafka/wire/fetch-response',
    `(await called.unpackBatch({ topic: 'usage.agent', partition: 3,
       bytes: Buffer.from('${batch.toString('hex')}', 'hex') })).records.map((one) => one.valueText())`,
  );

test('batches without compression, of gzip and of lz4 are read, and gzip is written', async () => {
  const plain = batchBytes({ offsets: [7, 8] });
  expect(unpacked(plain)).toEqual({ value: ['7', '8'] });
  expect(unpacked(batchBytes({ offsets: [7, 8], gzip: true }))).toEqual({ value: ['7', '8'] });
  const body = await lz4Codec.compress({ buffer: plain.subarray(61) });
  const packed = Buffer.concat([plain.subarray(0, 61), body]);
  packed.writeInt16BE(3, 21);
  packed.writeInt32BE(packed.length - 12, 8);
  expect(unpacked(withChecksum(packed))).toEqual({ value: ['7', '8'] });
  expect(call('kafka/wire/codecs', 'called.writeCompression()')).toEqual({ value: 1 });
}, 60_000);

test('a batch of snappy names the package that is missing, and its place', () => {
  expect(unpacked(batchBytes({ offsets: [7, 8], codec: 2 }))).toEqual({
    code: 'CODEC_MISSING',
    message: expect.stringMatching(
      /^The batch at usage\.agent partition 3 offset 7 to 8 .* the package snappy is not installed$/,
    ),
  });
}, 60_000);

test('an invoice in Latin, Greek and Cyrillic becomes a PDF, and one that needs another font names it', () => {
  const rendered = (name: string): unknown => {
    const invoice = { ...workedInvoice(), buyer: { name } };
    return call(
      'pdf/invoice-pdf',
      `(await called.renderInvoicePdf(${JSON.stringify(invoice)})).toString('latin1', 0, 5)`,
    );
  };
  expect(rendered('Łódź Ελλάς Москва 🎉')).toEqual({ value: '%PDF-' });
  for (const [name, family] of [
    ['株式会社テスト', 'noto-sans-jp'],
    ['한국', 'noto-sans-kr'],
    ['上海', 'noto-sans-sc'],
    ['שלום', 'noto-sans-hebrew'],
    ['مرحبا', 'noto-sans-arabic'],
    ['ไทย', 'noto-sans-thai'],
  ])
    expect(rendered(name!)).toEqual({
      code: 'FONT_MISSING',
      message: expect.stringContaining(`npm install @fontsource-variable/${family}`),
    });
}, 60_000);
