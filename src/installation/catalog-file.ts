import type { ErrorObject } from 'ajv';
import { buildCatalog } from '../billing/catalog/build-catalog';
import type { Catalog, CatalogDocument } from '../billing/catalog/catalog';
import builtIn from '../billing/catalog/livekit-cloud.json';
import { TallymanError } from '../lib/errors';
import { compileSchema, problemOf } from '../lib/schema';
import { readFailure, readTextFile } from '../lib/text/input-file';

/**
 * Reads and checks a catalog file, or the built-in catalog if `path` is undefined.
 *
 * @throws TallymanError `BAD_CATALOG`, with every problem and the row it is in
 */
export function loadCatalog(path?: string): { catalog: Catalog; document: CatalogDocument } {
  const document = path === undefined ? builtIn : readJson(path);
  const validate = compileSchema<CatalogDocument>('catalog.v1.json');
  if (!validate(document)) throw badCatalog(path, schemaProblems(document));
  const answer = buildCatalog(document);
  if (!answer.ok) throw badCatalog(path, answer.problems);
  return { catalog: answer.catalog, document };
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readTextFile(path));
  } catch (error) {
    throw badCatalog(path, [readFailure(error)]);
  }
}

function badCatalog(path: string | undefined, problems: readonly string[]): TallymanError {
  const name = path ?? 'the built-in catalog';
  return new TallymanError('BAD_CATALOG', [`${name} is not a valid catalog:`, ...problems].join('\n  '), {
    path,
    problems,
  });
}

/**
 * Every problem once. If a value fits no form of a price, each form complains, and the deepest
 * complaint says most. Only here every error is collected: that takes schemas compiled for it, and
 * a valid catalog should not wait for them.
 */
function schemaProblems(document: unknown): string[] {
  const validate = compileSchema<CatalogDocument>('catalog.v1.json', '', { allErrors: true });
  validate(document);
  const errors: readonly ErrorObject[] = validate.errors!;
  const choices = errors.filter(({ keyword }) => keyword === 'anyOf').map((error) => error.instancePath);
  const depthOf = (error: ErrorObject): number => error.instancePath.split('/').length;
  const deepest = new Map<string, ErrorObject>();
  for (const error of errors.filter(({ keyword }) => keyword !== 'anyOf')) {
    const { instancePath, keyword, params } = error;
    const choice = choices.find((path) => instancePath === path || instancePath.startsWith(`${path}/`));
    const about = choice ?? JSON.stringify([instancePath, keyword, params]);
    const best = deepest.get(about);
    if (best === undefined || depthOf(error) > depthOf(best)) deepest.set(about, error);
  }
  return [...deepest.values()].map((error) => schemaProblem(document, error));
}

function schemaProblem(document: unknown, deepest: ErrorObject): string {
  const path = rowPath(document, deepest.instancePath);
  if (deepest.keyword === 'additionalProperties') {
    const { additionalProperty } = deepest.params as { additionalProperty: string };
    return `${path}: there is no field "${additionalProperty}"`;
  }
  return problemOf({ ...deepest, instancePath: '' }, path);
}

/**
 * Turns `/rates/3/price` into `rates[3] (session.webrtc).price`: people search for a row by its
 * name.
 */
function rowPath(document: unknown, instancePath: string): string {
  let value = document;
  let path = '';
  for (const step of instancePath.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    const inList = Array.isArray(value);
    value = (value as Record<string, unknown>)[key];
    path += inList ? `[${key}]${nameOf(value)}` : `.${key}`;
  }
  return path.slice(1);
}

function nameOf(row: unknown): string {
  const { plan, meter, model, name } = (row ?? {}) as Record<string, unknown>;
  const found = plan ?? meter ?? model ?? name;
  return typeof found === 'string' ? ` (${found})` : '';
}

/** The built-in catalog as the text of a file. */
export const builtInCatalogText = (): string => `${JSON.stringify(builtIn, null, 2)}\n`;
