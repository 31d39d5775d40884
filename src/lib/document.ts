import type { SchemaFiles } from '../../schemas/types';
import { ERRORS } from './error-codes';
import { TallymanError } from './errors';
import { compileSchema, problemOf, type SchemaCheck } from './schema';

/** A schema file, and the name of the type of its documents. */
export type SchemaName = keyof SchemaFiles;

/** Where a record lies in Kafka. */
export interface RecordPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

const checks = new Map<SchemaName, SchemaCheck<unknown>>();

/**
 * Parses the value of a record that Tallyman wrote, and checks it by its schema.
 *
 * @throws TallymanError `LEDGER_DAMAGED`
 */
export function parseRecord<N extends SchemaName>(
  schema: N,
  json: string,
  place: RecordPlace,
): SchemaFiles[N] {
  const value = parsed(json, (problem) => recordDamaged(place, problem));
  let check = checks.get(schema);
  if (check === undefined) checks.set(schema, (check = compileSchema(schema)));
  if (check(value)) return value as SchemaFiles[N];
  throw recordDamaged(place, problemOf(check.errors![0]!));
}

/**
 * Parses a document in Redis. Its ledger was checked when it was copied from there, so only the
 * syntax is checked here: reading verbs need not load the schemas.
 *
 * @param what names the document, for the message
 * @throws TallymanError `DOCUMENT_DAMAGED`
 */
export function parseCopy<N extends SchemaName>(_schema: N, json: string, what: string): SchemaFiles[N] {
  return parsed(json, (problem) => {
    const { remedy } = ERRORS.DOCUMENT_DAMAGED;
    return new TallymanError('DOCUMENT_DAMAGED', `Redis cannot show ${what}: ${problem}. ${remedy}`, {
      what,
    });
  }) as SchemaFiles[N];
}

export function recordDamaged(place: RecordPlace, problem: string): TallymanError {
  const { topic, partition, offset } = place;
  return new TallymanError(
    'LEDGER_DAMAGED',
    `${topic} partition ${partition} contains at offset ${offset} a record that Tallyman did not write: ${problem}. ` +
      ERRORS.LEDGER_DAMAGED.remedy,
    { ...place },
  );
}

function parsed(json: string, damaged: (problem: string) => TallymanError): unknown {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw damaged('it is not JSON'); // The parser's message may contain line breaks.
  }
  if (typeof value === 'object' && value !== null) return value;
  throw damaged('it is not a JSON object');
}
