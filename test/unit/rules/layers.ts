import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';

/** A rule of the house that an import breaks. */
export interface Breach {
  readonly file: string;
  readonly imported: string;
  readonly rule: string;
}

/**
 * Rooms from the outside in: a file may import from its own room and from those further in. Every
 * room stands on a line of its own, so that no two can import each other.
 */
export const LAYERS: readonly string[] = [
  'src/dev',
  'src/exports',
  'src/cli',
  'src/web',
  'src/pdf',
  'src/audit',
  'src/ops',
  'src/livekit',
  'src/close',
  'src/ingest',
  'src/dead-letters',
  'src/installation',
  'src/redis',
  'src/kafka',
  'src/dedup',
  'consumers',
  'src/billing',
  'src/lib',
  'src/rating',
  'src/oracle',
];
/** What code outside of the layers may be imported anywhere: definitions without behaviour. */
const DEFINITIONS = 'schemas';
const PURE = ['src/rating', 'src/billing'];
const PURE_PACKAGES = ['decimal.js', 'luxon'];
const ONLY_IN: Readonly<Record<string, string>> = { kafkajs: 'src/kafka', ioredis: 'src/redis' };

/** What a source file imports, `require` and `import()` included. */
export function importsOf(source: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier) {
      if (ts.isStringLiteral(node.moduleSpecifier)) found.push(node.moduleSpecifier.text);
    } else if (ts.isCallExpression(node)) {
      const called =
        node.expression.kind === ts.SyntaxKind.ImportKeyword || node.expression.getText() === 'require';
      const [argument] = node.arguments;
      if (called && argument && ts.isStringLiteralLike(argument)) found.push(argument.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('file.ts', source, ts.ScriptTarget.ES2022, true));
  return found;
}

/** What writes to Redis or Kafka. The command line leaves that to the rooms that it calls. */
const WRITES =
  /\bstore\.(send|redis)\b|\b(appendLedger|initCursor|writeShardCount|noteTopicIds?|emptyRedis|beginRebuild|endRebuild)\b/;

/** The lines of a verb that write to a store by themselves. */
export function writesOf(source: string): string[] {
  return source.split('\n').filter((line) => WRITES.test(line));
}

/** The rules that one file's imports break. `file` is relative to the project's folder. */
export function breachesOf(file: string, source: string): Breach[] {
  return importsOf(source).flatMap((imported) => {
    const rule = imported.startsWith('.') ? insideRule(file, imported) : packageRule(file, imported);
    return rule === undefined ? [] : [{ file, imported, rule }];
  });
}

function insideRule(file: string, imported: string): string | undefined {
  const target = relative(resolve('.'), resolve(dirname(file), imported));
  if (folderIn([DEFINITIONS], target)) return undefined;
  if (folderIn(PURE, file) && !folderIn(PURE, target) && target !== 'src/lib/errors')
    return 'pure code imports pure code only';
  const from = layerOf(file);
  const to = layerOf(target);
  if (from === undefined || to === undefined) return 'every room is listed among the layers';
  return to >= from ? undefined : 'imports point inwards';
}

function packageRule(file: string, imported: string): string | undefined {
  if (folderIn(PURE, file) && !PURE_PACKAGES.includes(imported))
    return `pure code imports ${PURE_PACKAGES.join(' and ')} only`;
  const home = ONLY_IN[imported];
  return home === undefined || folderIn([home], file) ? undefined : `${imported} is imported in ${home} only`;
}

function layerOf(file: string): number | undefined {
  const at = LAYERS.findIndex((folder) => folderIn([folder], file));
  return at < 0 ? undefined : at;
}

function folderIn(folders: readonly string[], file: string): boolean {
  return folders.some((folder) => file === folder || file.startsWith(`${folder}/`));
}

/**
 * The TypeScript and JavaScript files of a folder of the project, by their paths from the project's
 * folder.
 */
export function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|js)$/.test(name))
    .map((name) => join(folder, name));
}

/** The project's sources. */
export const sourceFiles = (): string[] => [...filesOf('src'), ...filesOf('consumers')];

/** Every breach in the project's sources. */
export function allBreaches(): Breach[] {
  return sourceFiles().flatMap((file) => breachesOf(file, readFileSync(file, 'utf8')));
}
