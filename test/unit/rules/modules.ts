import { existsSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import ts from 'typescript';
import { filesOf } from './layers';

/** What one source file exports, and what it takes from which file. */
export interface Module {
  readonly file: string;
  /** Imported file -> names taken from it, `*` for all; types and lazy imports included. */
  readonly takes: ReadonlyMap<string, ReadonlySet<string>>;
  /**
   * Files that are loaded before this one runs: neither imports of types nor a `require` that a
   * function holds back.
   */
  readonly loads: ReadonlySet<string>;
  /** Exported name -> how often the file itself mentions it. */
  readonly exports: ReadonlyMap<string, { readonly isType: boolean; readonly mentions: number }>;
}

/** The modules of whole folders. */
export function modulesOf(...folders: string[]): Module[] {
  return folders
    .flatMap(filesOf)
    .filter((file) => /(?<!\.d)\.ts$/.test(file))
    .map((file) => readModule(file, readFileSync(file, 'utf8')));
}

export function readModule(file: string, source: string): Module {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.ES2022, true);
  const takes = new Map<string, Set<string>>();
  const loads = new Set<string>();
  const mentions = new Map<string, number>();
  const take = (specifier: ts.Node | undefined, names: readonly string[], isLoaded: boolean): void => {
    if (!specifier || !ts.isStringLiteralLike(specifier) || !specifier.text.startsWith('.')) return;
    const path = relative('.', resolve(dirname(file), specifier.text)).replace(/\.js$/, '');
    const target = existsSync(`${path}/index.ts`) ? `${path}/index.ts` : `${path}.ts`;
    const taken = takes.get(target) ?? new Set();
    takes.set(target, taken);
    for (const name of names) taken.add(name);
    if (isLoaded) loads.add(target);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) mentions.set(node.text, (mentions.get(node.text) ?? 0) + 1);
    if (ts.isImportDeclaration(node)) {
      const bindings = node.importClause?.namedBindings;
      take(node.moduleSpecifier, namesIn(bindings), !isOnlyTypes(node.importClause?.isTypeOnly, bindings));
    } else if (ts.isExportDeclaration(node)) {
      take(node.moduleSpecifier, namesIn(node.exportClause), !node.isTypeOnly);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      take(node.argument.literal, [node.qualifier?.getText() ?? '*'], false);
    } else if (ts.isCallExpression(node) && isImportCall(node)) {
      take(node.arguments[0], ['*'], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  const exports = new Map(
    tree.statements.flatMap(exportsIn).map(({ name, isType }) => {
      return [name, { isType, mentions: mentions.get(name) ?? 0 }] as const;
    }),
  );
  return { file, takes, loads, exports };
}

type Bindings = ts.NamedImportBindings | ts.NamedExportBindings | undefined;

function namesIn(bindings: Bindings): string[] {
  if (bindings === undefined || !('elements' in bindings)) return ['*'];
  return [...bindings.elements].map(({ name, propertyName }) => (propertyName ?? name).text);
}

function isOnlyTypes(isTypeOnly: boolean | undefined, bindings: Bindings): boolean {
  if (isTypeOnly) return true;
  if (bindings === undefined || !('elements' in bindings) || bindings.elements.length === 0) return false;
  return [...bindings.elements].every((element) => element.isTypeOnly);
}

function isImportCall({ expression }: ts.CallExpression): boolean {
  return expression.kind === ts.SyntaxKind.ImportKeyword || expression.getText() === 'require';
}

function exportsIn(statement: ts.Statement): { name: string; isType: boolean }[] {
  if (!ts.canHaveModifiers(statement)) return [];
  const isExported = ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  if (!isExported) return [];
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) =>
      ts.isIdentifier(name) ? [{ name: name.text, isType: false }] : [],
    );
  }
  const isType = ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
  const { name } = statement as ts.DeclarationStatement;
  return name === undefined ? [] : [{ name: name.getText(), isType }];
}

/** Groups of files that each load one another, by Tarjan's way of finding them. */
export function cyclesIn(modules: readonly Module[]): string[][] {
  const loads = new Map(modules.map((module) => [module.file, module.loads]));
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];
  const visit = (file: string): number => {
    const own = index.size;
    index.set(file, own);
    low.set(file, own);
    stack.push(file);
    for (const next of loads.get(file) ?? []) {
      if (!loads.has(next)) continue;
      if (!index.has(next)) low.set(file, Math.min(low.get(file)!, visit(next)));
      else if (stack.includes(next)) low.set(file, Math.min(low.get(file)!, index.get(next)!));
    }
    if (low.get(file) === own) {
      const group = stack.splice(stack.indexOf(file));
      if (group.length > 1) cycles.push(group.sort());
    }
    return low.get(file)!;
  };
  for (const { file } of modules) if (!index.has(file)) visit(file);
  return cycles;
}

/**
 * Exports that no other file takes. A type may be exported for its name alone, if the file uses it:
 * it then belongs to what another export takes or returns.
 */
export function unusedExports(modules: readonly Module[], users: readonly Module[]): string[] {
  const taken = new Map<string, Set<string>>();
  for (const { takes } of users) {
    for (const [file, names] of takes) {
      const all = taken.get(file) ?? new Set();
      taken.set(file, all);
      for (const name of names) all.add(name);
    }
  }
  return modules.flatMap(({ file, exports }) => {
    const names = taken.get(file) ?? new Set();
    if (names.has('*')) return [];
    return [...exports]
      .filter(([name, { isType, mentions }]) => !names.has(name) && !(isType && mentions > 1))
      .map(([name]) => `${file}: ${name}`);
  });
}
