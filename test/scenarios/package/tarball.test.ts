import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { version } from '../../../package.json';
import { codeBlocks } from '../../kit/code-blocks';
import { pack, unpack, type Packed } from '../../kit/packed';
import { importsOf } from '../../unit/rules/layers';

/** It has 710,000 today. A folder that slips in is noticed. */
const TARBALL_BYTES_MAX = 800_000;

const outside = mkdtempSync(join(tmpdir(), 'tallyman-pack-'));
let packed: Packed;
let unpacked: ReturnType<typeof unpack>;
let paths: string[];

beforeAll(() => {
  packed = pack(outside);
  unpacked = unpack(packed.tarball);
  paths = packed.files.map(({ path }) => path);
  // It may have to build.
}, 600_000);
afterAll(() => {
  unpacked.remove();
  rmSync(outside, { recursive: true });
});

const run = (file: string, ...words: string[]): string =>
  execFileSync(process.execPath, [file, ...words], { cwd: unpacked.folder, encoding: 'utf8', stdio: 'pipe' });

test('the package holds what runs, and nothing else', () => {
  const allowed = [
    /^dist\/(consumers|schemas|src)\/.*(\.js|\.d\.ts)$/,
    /^dist\/src\/billing\/catalog\/[a-z-]+\.json$/,
    /^dist\/src\/(redis\/lua|web\/static|web\/gateway\/samples)\//,
    /^schemas\/[a-z0-9.-]+\.json$/,
    /^examples\/usage\.ndjson$/,
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  ];
  expect(paths.filter((path) => !allowed.some((pattern) => pattern.test(path)))).toEqual([]);
  expect(
    paths.filter((path) => /\.map$|\.test\.|^dist\/(bench|test)|^dist\/src\/(dev|oracle)/.test(path)),
  ).toEqual([]);
  expect(packed.size).toBeLessThan(TARBALL_BYTES_MAX);
});

test('the package holds every file that the program reads beside its code', () => {
  const read = ['src', 'schemas'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(lua|json|css|sh|py|go)$|^web\/(static|gateway\/samples)\/./.test(name))
      .map((name) => `${folder === 'src' ? 'dist/' : ''}${folder}/${name}`),
  );
  expect(read.length).toBeGreaterThan(30);
  expect(read.filter((path) => !paths.includes(path))).toEqual([]);
});

test('every package that its code loads is a dependency', () => {
  const root = join(unpacked.folder, 'node_modules/tallyman');
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  ) as Record<'dependencies' | 'optionalDependencies', Record<string, string>>;
  const known = { ...dependencies, ...optionalDependencies };
  const loaded = paths
    .filter(
      (path) => /^dist\/.*\.js$/.test(path) && !path.includes('/static/') && !path.includes('/samples/'),
    )
    .flatMap((path) => importsOf(readFileSync(join(root, path), 'utf8')))
    .filter((name) => !name.startsWith('.') && !name.startsWith('node:') && !builtinModules.includes(name))
    .map((name) => name.split('/', name.startsWith('@') ? 2 : 1).join('/'));
  expect(loaded.length).toBeGreaterThan(30);
  expect([...new Set(loaded)].filter((name) => !(name in known))).toEqual([]);
}, 60_000);

test('the command of the package runs', () => {
  const command = join(unpacked.folder, 'node_modules/tallyman/dist/src/cli/tallyman.js');
  expect(run(command, '--version').trim()).toBe(version);
}, 60_000);

test('the example of the page runs as it is, and prints what the page says', () => {
  const example = join(unpacked.folder, 'example.mjs');
  writeFileSync(example, codeBlocks('library.md', 'js')[0]!);
  expect(run(example).replaceAll('\r\n', '\n').trim()).toBe(codeBlocks('library.md', 'text')[0]!.trim());
}, 60_000);

test('the types compile strictly, without those of Node and without skipLibCheck', () => {
  writeFileSync(join(unpacked.folder, 'use.ts'), readFileSync(join(__dirname, 'use-types.txt'), 'utf8'));
  const compilerOptions = { strict: true, module: 'nodenext', lib: ['es2023'], types: [], noEmit: true };
  writeFileSync(
    join(unpacked.folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['use.ts'] }),
  );
  run(require.resolve('typescript/bin/tsc'), '-p', '.');
}, 120_000);

test('the schemas of the package are found by name, and its inner files are not', () => {
  const code = (name: string): string => `console.log(JSON.stringify(require('tallyman/${name}')))`;
  writeFileSync(join(unpacked.folder, 'schema.cjs'), code('schemas/invoice.v1.json'));
  expect(JSON.parse(run('schema.cjs'))).toHaveProperty('$id', 'https://tallyman.dev/schemas/invoice.v1.json');
  writeFileSync(join(unpacked.folder, 'inner.cjs'), code('dist/src/redis/store.js'));
  expect(() => run('inner.cjs')).toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED');
}, 60_000);
