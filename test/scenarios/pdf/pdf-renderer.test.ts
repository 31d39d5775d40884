import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { renderInvoicePdf } from '../../../src/pdf/invoice-pdf';
import { workedInvoice } from '../../kit/sample-invoices';

const ROOT = join(__dirname, '../../..');

/** The renderer as it is shipped: its thread runs built code, and so does the program around it. */
function inProgram(body: string): unknown {
  const program = `
    const { createPdfRenderer } = require('./dist/src/pdf/pdf-renderer.js');
    const { createHash } = require('node:crypto');
    const hashOf = (pdf) => createHash('sha256').update(pdf).digest('hex');
    const invoice = ${JSON.stringify(JSON.stringify(workedInvoice()))};
    const numbered = (n) => JSON.stringify({ ...JSON.parse(invoice), number: 'acme-' + n });
    const pdfs = createPdfRenderer();
    (async () => { ${body} })().then((found) => console.log(JSON.stringify(found))).finally(() => pdfs.close());`;
  return JSON.parse(execFileSync(process.execPath, ['-e', program], { cwd: ROOT, encoding: 'utf8' }));
}

// Building may take minutes on a busy machine.
beforeAll(() => void execFileSync(process.execPath, [join(ROOT, 'src/dev/prepare.js'), '--quiet']), 600_000);

test('a PDF has the bytes of the renderer, and is made outside of the thread that asks', async () => {
  const found = inProgram(`
    const hash = hashOf(await pdfs.render(invoice));
    return { hash, isLoadedHere: Object.keys(require.cache).some((file) => file.includes('pdfkit')) };`);
  const hash = createHash('sha256')
    .update(await renderInvoicePdf(workedInvoice()))
    .digest('hex');
  expect(found).toEqual({ hash, isLoadedHere: false });
}, 60_000);

test('a document is rendered once, and a hundred others may wait', () => {
  const found = inProgram(`
    const first = pdfs.render(numbered(0));
    const asked = Array.from({ length: 101 }, (_, n) => pdfs.render(numbered(n)));
    const result = { isShared: asked[0] === first, refused: asked.filter((pdf) => pdf === undefined).length };
    for (const pdf of asked) pdf?.catch(() => undefined);
    await pdfs.close();
    return result;`);
  expect(found).toEqual({ isShared: true, refused: 1 });
}, 60_000);

test('a document that cannot be read fails alone; after the thread has ended another one starts', () => {
  const found = inProgram(`
    const bad = await pdfs.render('{}').catch((error) => 'failed');
    const good = hashOf(await pdfs.render(invoice));
    const cut = pdfs.render(numbered(1)).catch((error) => error.message);
    await pdfs.close();
    return { bad, cut: await cut, isSame: hashOf(await pdfs.render(numbered(2))).length === good.length };`);
  expect(found).toEqual({ bad: 'failed', cut: 'The PDF worker has ended.', isSame: true });
}, 60_000);

test('a thread that cannot be started fails one document, and takes no place', () => {
  const found = inProgram(`
    const threads = require('node:worker_threads');
    const { Worker } = threads;
    threads.Worker = class { constructor() { throw new Error('no thread is left'); } };
    const failed = [];
    for (let n = 0; n < 101; n += 1) failed.push(await pdfs.render(numbered(n))?.catch((error) => error.message));
    threads.Worker = Worker;
    const isMade = Buffer.isBuffer(await pdfs.render(invoice));
    return { failures: [...new Set(failed)], isMade };`);
  expect(found).toEqual({ failures: ['no thread is left'], isMade: true });
}, 60_000);
