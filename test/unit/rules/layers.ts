import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';

/** A rule of the house that an import breaks. */
export interface Breach {
  readonly file: string;
  readonly imported: string;
  readonly rule: string;
}

/** Layers from the outside in: a file may import from its own layer and from those further in. */
const LAYERS: readonly (readonly string[])[] = [
  ['src/cli', 'src/web', 'src/demo'],
  ['src/recount'],
  ['src/alerts', 'src/watch'],
  ['src/close', 'src/local'],
  ['src/stream', 'src/totals'],
  ['consumers'],
  ['src/rating', 'src/billing'],
];
const PURE = ['src/rating', 'src/billing'];
const PURE_PACKAGES = ['decimal.js', 'luxon'];
const ONLY_IN: Readonly<Record<string, string>> = { kafkajs: 'src/stream', ioredis: 'src/totals' };

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

/** The rules that one file's imports break. `file` is relative to the project's folder. */
export function breachesOf(file: string, source: string): Breach[] {
  return importsOf(source).flatMap((imported) => {
    const rule = imported.startsWith('.') ? insideRule(file, imported) : packageRule(file, imported);
    return rule === undefined ? [] : [{ file, imported, rule }];
  });
}

function insideRule(file: string, imported: string): string | undefined {
  const target = relative(resolve('.'), resolve(dirname(file), imported));
  const from = layerOf(file);
  const to = layerOf(target);
  if (folderIn(PURE, file) && !folderIn(PURE, target) && target !== 'src/errors')
    return 'pure code imports pure code only';
  if (from === undefined || to === undefined || to >= from) return undefined;
  return 'imports point inwards';
}

function packageRule(file: string, imported: string): string | undefined {
  if (folderIn(PURE, file) && !PURE_PACKAGES.includes(imported))
    return `pure code imports ${PURE_PACKAGES.join(' and ')} only`;
  const home = ONLY_IN[imported];
  return home === undefined || folderIn([home], file) ? undefined : `${imported} is imported in ${home} only`;
}

function layerOf(file: string): number | undefined {
  const at = LAYERS.findIndex((folders) => folderIn(folders, file));
  return at < 0 ? undefined : at;
}

function folderIn(folders: readonly string[], file: string): boolean {
  return folders.some((folder) => file.startsWith(`${folder}/`));
}

/** Every breach in the project's sources. */
export function allBreaches(): Breach[] {
  const files = ['src', 'consumers'].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(folder, name)),
  );
  if (files.length === 0) throw new Error('no sources found: run from the project folder');
  return files.flatMap((file) => breachesOf(file, readFileSync(file, 'utf8')));
}
