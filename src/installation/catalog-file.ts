import { readFileSync } from 'node:fs';
import type { ErrorObject } from 'ajv';
import { buildCatalog } from '../billing/catalog/build-catalog';
import type { Catalog, CatalogDocument } from '../billing/catalog/catalog';
import builtIn from '../billing/catalog/livekit-cloud.json';
import { TallymanError } from '../lib/errors';
import { compileSchema, problemOf } from '../lib/schema';

/**
 * Reads and checks a catalog file, or the built-in catalog if `path` is undefined.
 *
 * @throws TallymanError `BAD_CATALOG`, with every problem and the row it is in
 */
export function loadCatalog(path?: string): { catalog: Catalog; document: CatalogDocument } {
  const document = path === undefined ? builtIn : readJson(path);
  const validate = compileSchema<CatalogDocument>('catalog.v1.json');
  if (!validate(document)) throw badCatalog(path, [schemaProblem(document, validate.errors!)]);
  const answer = buildCatalog(document);
  if (!answer.ok) throw badCatalog(path, answer.problems);
  return { catalog: answer.catalog, document };
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw badCatalog(path, [(error as Error).message]);
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
 * If a value matches no form of a price, the error with the deepest path is the most useful one.
 */
function schemaProblem(document: unknown, errors: readonly ErrorObject[]): string {
  const depthOf = (error: ErrorObject): number => error.instancePath.split('/').length;
  const told = errors.filter((error) => error.keyword !== 'anyOf');
  const deepest = told.reduce((best, error) => (depthOf(error) > depthOf(best) ? error : best));
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
