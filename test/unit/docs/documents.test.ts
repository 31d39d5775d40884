import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { commandTree } from '../../../src/cli/lib/command-tree';
import { createProgram } from '../../../src/cli/program';

/** A document of people's, by its path from the project's folder. */
interface Page {
  readonly path: string;
  readonly text: string;
}

const ROOT = join(__dirname, '../../..');
const filesIn = (folder: string, ending: RegExp): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .map((name) => join(folder, name));
const textOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const pages: Page[] = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'schemas/README.md', 'test/fault/README.md'],
  ...['bench/README.md', ...filesIn('docs', /\.md$/)],
].map((path) => ({ path, text: textOf(path) }));
/** What is true now: a changelog and decisions name what was true once. */
const current = pages.filter(({ path }) => path !== 'CHANGELOG.md' && !path.startsWith('docs/decisions/'));
const guides = current.filter(({ path }) => !path.startsWith('test/'));

const sources = ['src', 'consumers', 'schemas', 'bench', 'test', 'deploy'].flatMap((folder) =>
  filesIn(folder, /\.(ts|js|lua|json|ya?ml)$/),
);
const code = sources
  .filter((path) => path !== 'test/unit/docs/documents.test.ts')
  .map(textOf)
  .join('\n');
const product = sources
  .filter((path) => path.startsWith('src/'))
  .map(textOf)
  .join('\n');

/** Inline code and the lines of code blocks. */
const codeIn = ({ text }: Page): string[] =>
  text
    .split(/^```/m)
    .flatMap((part, index) =>
      index % 2 === 1 ? part.split('\n').slice(1) : [...part.matchAll(/`([^`]+)`/g)].map(([, one]) => one!),
    );

/** GitHub's anchors of a page's headings. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

test('every link leads to a file that exists, and to a heading of it', () => {
  const broken = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/(?:\]\(|src=")([^)\s"]+)/g)]
      .map(([, target]) => target!)
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => {
        const [file, anchor] = target.split('#');
        const linked = file === '' ? path : join(dirname(path), file!);
        if (!existsSync(join(ROOT, linked))) return true;
        return anchor !== undefined && !anchorsOf(textOf(linked)).includes(anchor);
      })
      .map((target) => `${path}: ${target}`),
  );
  expect(broken).toEqual([]);
});

test('every path of the project that is named exists', () => {
  const missing = current.flatMap((page) =>
    codeIn(page)
      .filter((text) => /^(src|consumers|schemas|test|docs|deploy|bench|integrations)\/[\w./-]*$/.test(text))
      .filter((path) => !existsSync(join(ROOT, path)))
      .map((path) => `${page.path}: ${path}`),
  );
  expect(missing).toEqual([]);
});

test('every verb and option of tallyman that is named exists', () => {
  const nodes = new Map(commandTree(createProgram()).map((node) => [node.path, node]));
  const unknown = current.flatMap((page) =>
    codeIn(page).flatMap((line) =>
      [...line.matchAll(/\btallyman (?:-- )?([a-z][a-z-]*(?=$|[ ,;])[^|&;#>)<]*)/g)].flatMap(([, rest]) => {
        const words = rest!.trim().split(/\s+/);
        let path = '';
        while (words.length > 0 && nodes.has(`${path} ${words[0]!}`.trim()))
          path = `${path} ${words.shift()!}`.trim();
        if (path === '') return [`${page.path}: tallyman ${rest!}`];
        const flags = nodes.get(path)!.options.flatMap((option) => option.flags);
        return words
          .filter(
            (word) => word.startsWith('--') && word !== '--help' && !flags.includes(word.split('=')[0]!),
          )
          .map((word) => `${page.path}: tallyman ${path} ${word}`);
      }),
    ),
  );
  expect(unknown).toEqual([]);
  // Loads every verb.
}, 30_000);

describe('settings', () => {
  /** Of programs that talk to Tallyman. */
  const OTHERS = ['TALLYMAN_URL', 'TALLYMAN_TOKEN'];

  test('every setting that is named exists', () => {
    const unknown = guides.flatMap(({ path, text }) =>
      [...text.matchAll(/\b(?:TALLYMAN|LIVEKIT)_[A-Z_]+\b/g)]
        .map(([name]) => name)
        .filter((name) => !OTHERS.includes(name) && !code.includes(name))
        .map((name) => `${path}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });
});

describe('metrics', () => {
  const LIVEKIT = 'tallyman_livekit_';
  const defined = new Set(
    [...product.matchAll(/name: '(tallyman_[a-z_]+)',\s*help/g)]
      .map(([, name]) => name!)
      .concat(
        [...textOf('src/livekit/livekit-metrics.ts').matchAll(/ter\('([a-z_]+)'/g)].map(
          ([, name]) => LIVEKIT + name!,
        ),
      ),
  );

  test('every metric that is named exists', () => {
    const unknown = guides.flatMap((page) =>
      [...page.text.matchAll(/`(tallyman_[a-z_]+)`/g)]
        .map(([, name]) => name!)
        .filter((name) => !defined.has(name) && !product.includes(`'${name}'`))
        .map((name) => `${page.path}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });

  test('every metric is on a page', () => {
    const all = guides.map(({ text }) => text).join('\n');
    expect([...defined].filter((name) => !all.includes(name))).toEqual([]);
  });
});

test('every code that is named exists', () => {
  const unknown = guides.flatMap((page) =>
    [...page.text.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)]
      .map(([, name]) => name!)
      .filter((name) => !code.includes(name))
      .map((name) => `${page.path}: ${name}`),
  );
  expect(unknown).toEqual([]);
});

test('decisions are numbered without a gap, and the index lists each with its title', () => {
  const files = readdirSync(join(ROOT, 'docs/decisions'))
    .filter((name) => name !== 'README.md')
    .sort();
  expect(files.map((name) => Number(name.slice(0, 4)))).toEqual(files.map((_, index) => index + 1));
  const index = textOf('docs/decisions/README.md');
  for (const name of files) {
    const title = /^# \d{4}: (.*)$/m.exec(textOf(`docs/decisions/${name}`))![1]!;
    expect(index).toContain(`| [${name.slice(0, 4)}](${name}) |`);
    expect(index).toContain(`| ${title} |`);
  }
});
