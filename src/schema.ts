import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020, { type ErrorObject, type ValidateFunction } from 'ajv/dist/2020';

/** Found from the sources as from the build: both lie in the project's folder. */
const SCHEMAS_FOLDER = [join(__dirname, '../schemas'), join(__dirname, '../../schemas')].find((folder) =>
  existsSync(join(folder, 'usage-event.v1.json')),
)!;

let ajv: Ajv2020 | undefined;

/** Compiles a schema of `schemas/` once; `pointer` picks a part of it, e.g. `#/properties/data`. */
export function compileSchema<T>(fileName: string, pointer = ''): ValidateFunction<T> {
  if (ajv === undefined) {
    ajv = new Ajv2020({
      discriminator: true,
      verbose: true, // Errors carry the value, for a detail that can be acted upon.
      strictTypes: false,
      strictRequired: false,
      formats: { 'date-time': true }, // Read by parseInstant, which is stricter and keeps what it read.
    });
    for (const name of readdirSync(SCHEMAS_FOLDER).filter((file) => file.endsWith('.json'))) {
      ajv.addSchema(JSON.parse(readFileSync(join(SCHEMAS_FOLDER, name), 'utf8')) as object);
    }
  }
  const id = `https://tallyman.dev/schemas/${fileName}${pointer}`;
  const validate = ajv.getSchema<T>(id);
  if (validate === undefined) throw new RangeError(`there is no schema ${id}`);
  return validate as ValidateFunction<T>;
}

/** A check by a schema of `schemas/` that answers with the problems: field, value and rule; none for a good value. */
export function validatorOf(fileName: string): (value: unknown) => string[] {
  const validate = compileSchema(fileName);
  return (value) => (validate(value) ? [] : (validate.errors ?? []).map((error) => problemOf(error)));
}

/** One problem in words: `durationMs must be >= 0 and is -5`. */
export function problemOf(error: ErrorObject, root = ''): string {
  const field = `${root}${error.instancePath.replaceAll('/', '.')}`.replace(/^\./, '') || 'the value';
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'required':
      return `${field === 'the value' ? '' : `${field}.`}${String(params['missingProperty'])} is missing`;
    case 'discriminator':
      return `${field}.${String(params['tag'])} is ${shorten(params['tagValue'])}, which is not known`;
    case 'enum':
      return `${field} is ${shorten(error.data)} and must be one of ${JSON.stringify(params['allowedValues'])}`;
    case 'const':
      return `${field} is ${shorten(error.data)} and must be ${JSON.stringify(params['allowedValue'])}`;
    case 'pattern': {
      const rule = (error.parentSchema as { description?: string } | undefined)?.description;
      return `${field} is ${shorten(error.data)} and must ${rule ?? `match ${error.schema as string}`}`;
    }
    default:
      return `${field} ${error.message ?? error.keyword} and is ${shorten(error.data)}`;
  }
}

function shorten(value: unknown): string {
  const text = value === undefined ? 'missing' : (JSON.stringify(value) ?? String(value));
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}
