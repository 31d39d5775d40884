import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type * as Ajv from 'ajv/dist/2020';
import { describeValue } from './text/describe-value';

/** Found from the sources and from the build, because both are in the project's folder. */
const SCHEMAS_FOLDER = [join(__dirname, '../../schemas'), join(__dirname, '../../../schemas')].find(
  (folder) => existsSync(join(folder, 'usage-event.v1.json')),
)!;

/** Checks a value, and keeps the problems of the last one. */
export interface SchemaCheck<T> {
  (value: unknown): value is T;
  errors?: Ajv.ErrorObject[] | null | undefined;
}

interface SchemaOptions {
  /** Reports every problem, for files of people. Otherwise a check ends with the first one. */
  readonly allErrors?: boolean;
}

let ajv: Ajv.Ajv2020 | undefined;
let thoroughAjv: Ajv.Ajv2020 | undefined;

/**
 * A check by a schema of `schemas/`; `pointer` picks a part of it, e.g. `#/properties/data`. `T` is
 * the schema's type in `schemas/types.ts`. The first call compiles the schema: that takes tens of
 * milliseconds, and most verbs check nothing.
 *
 * The check throws a RangeError if there is no such schema.
 */
export function compileSchema<T>(
  fileName: string,
  pointer = '',
  { allErrors = false }: SchemaOptions = {},
): SchemaCheck<T> {
  let compiled: Ajv.ValidateFunction<T> | undefined;
  const check: SchemaCheck<T> = (value): value is T => {
    compiled ??= compiledSchema<T>(`https://tallyman.dev/schemas/${fileName}${pointer}`, allErrors);
    const isGood = compiled(value);
    check.errors = compiled.errors;
    return isGood;
  };
  return check;
}

function compiledSchema<T>(id: string, allErrors: boolean): Ajv.ValidateFunction<T> {
  const checker = allErrors ? (thoroughAjv ??= createAjv(true)) : (ajv ??= createAjv(false));
  const validate = checker.getSchema<T>(id);
  if (validate === undefined) throw new RangeError(`there is no schema ${id}`);
  return validate as Ajv.ValidateFunction<T>;
}

function createAjv(allErrors: boolean): Ajv.Ajv2020 {
  // Loading it takes as long as loading a Redis client.
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { Ajv2020 } = require('ajv/dist/2020') as typeof Ajv;
  const created = new Ajv2020({
    allErrors,
    verbose: true, // Errors contain the value, so that the message can show it.
    strictTypes: false, // A case behind `if` does not repeat the types of its parent.
    strictRequired: false,
    unevaluated: false, // No schema uses it, and it would cost time for every event.
    dynamicRef: false,
  });
  for (const name of readdirSync(SCHEMAS_FOLDER).filter((file) => file.endsWith('.json'))) {
    created.addSchema(readSchema(name));
  }
  return created;
}

/** A schema file of `schemas/`, parsed. */
export function readSchema(fileName: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(SCHEMAS_FOLDER, fileName), 'utf8')) as Record<string, unknown>;
}

/**
 * A check by a schema of `schemas/` that returns the problems, each with field, value and rule. A
 * valid value has none.
 */
export function validatorOf(fileName: string): (value: unknown) => string[] {
  const validate = compileSchema(fileName);
  return (value) => (validate(value) ? [] : (validate.errors ?? []).map((error) => problemOf(error)));
}

/** One problem in words: `data.durationMs is -5 and must be an integer of 0 to 2^53-1`. */
export function problemOf(error: Ajv.ErrorObject, root = ''): string {
  const field = `${root}${error.instancePath.replaceAll('/', '.')}`.replace(/^\./, '');
  const params = error.params as Record<string, unknown>;
  const inside = field === '' ? '' : `${field}.`;
  if (error.keyword === 'required') return `${inside}${String(params['missingProperty'])} is missing`;
  if (error.keyword === 'additionalProperties')
    return `${inside}${String(params['additionalProperty'])} is not a known field`;
  return `${field || 'the value'} is ${describeValue(error.data)} and must ${ruleOf(error, params)}`;
}

/**
 * A description that begins with `be` or `have` is the rule in words, which says more than a
 * pattern.
 */
function ruleOf(
  { keyword, message, parentSchema }: Ajv.ErrorObject,
  params: Record<string, unknown>,
): string {
  const described = (parentSchema as { description?: string } | undefined)?.description ?? '';
  if (/^(be|have) /.test(described)) return described;
  if (keyword === 'enum') return `be one of ${JSON.stringify(params['allowedValues'])}`;
  if (keyword === 'const') return `be ${JSON.stringify(params['allowedValue'])}`;
  if (keyword === 'type') return `be ${[params['type']].flat().join(' or ')}`;
  return message?.replace(/^must /, '') ?? keyword;
}
