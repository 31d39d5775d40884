import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020';

const FOLDER = join(__dirname, '../../../schemas');

/** A validator as somebody else would make it: the files as they are, and no setting of ours. */
export function outsideValidator(file: string): ValidateFunction {
  const ajv = new Ajv2020({ logger: false });
  for (const name of readdirSync(FOLDER).filter((entry) => entry.endsWith('.json'))) {
    ajv.addSchema(JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as object, name);
  }
  return ajv.getSchema(file)!;
}
